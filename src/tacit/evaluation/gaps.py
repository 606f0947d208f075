"""What the approximate posterior costs: the family of q, and that one encoder serves all rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions import AbstractReparameterised
from tacit.evaluation.log_likelihood import LogLikelihood
from tacit.evaluation.result import Result, paired_difference
from tacit.evaluation.row_key import error_over_draws
from tacit.evaluation.rows import AbstractOfRow, kinds, over_rows
from tacit.gradients import AbstractGradient, Enumeration, LeaveOneOut, StickingTheLanding
from tacit.inference.bound import bound_of_row
from tacit.inference.optimizers import Descent
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel
from tacit.objectives import ELBO

LISTED = 1024  # states of q over which its bound is listed, at most
STEPS = 300
JUDGES = 256  # draws that bounds are judged by


class Gaps(NamedTuple):
    """`log p = ELBO + amortisation gap + approximation gap`, means over rows in nats; and the bounds of the rows.

    `amortisation`: what q of each row gains when refined alone, in truth at least this. `approximation`: what the
    family of q still lacks then, in truth at most this where `log p` is exact.
    """

    amortisation: Result
    approximation: Result
    bound: Float[np.ndarray, " n"]
    refined: Float[np.ndarray, " n"]
    bound_error: Float[np.ndarray, " n"]  # of the draws; 0 where the states of q are listed


class _Refined(AbstractOfRow):
    """The bound of q as the encoder gives it and refined by gradient steps, by the same draws; and their errors."""

    gradient: AbstractGradient
    num_samples: int
    steps: int
    learning_rate: float

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Any:
        key_steps, key_judge = jax.random.split(key)
        start, rest = eqx.partition(posterior(evidence(y, x, observed)), eqx.is_inexact_array)
        descent = Descent(self.learning_rate, decay_steps=float(self.steps))

        def bound(arrays: Any, key: Key, gradient: AbstractGradient, num_samples: int) -> Scalar:
            q = eqx.combine(arrays, rest)
            return bound_of_row(key, model, q, ELBO(), gradient, num_samples, y, x, observed)[0]

        def step(carry: Any, key: Key) -> tuple[Any, None]:
            arrays, moments = carry
            loss = jax.grad(lambda a: -bound(a, key, self.gradient, self.num_samples))(arrays)
            move, moments = descent.update(loss, moments, arrays)
            return (jax.tree.map(jnp.add, arrays, move), moments), None

        keys = jax.random.split(key_steps, self.steps)
        (end, _), _ = jax.lax.scan(step, (start, descent.init(start)), keys)
        if isinstance(self.gradient, Enumeration):
            judged = [jnp.stack([bound(arrays, key_judge, self.gradient, 1)]) for arrays in (start, end)]
        else:
            keys = jax.random.split(key_judge, JUDGES)
            one = [lambda k, a=arrays: bound(a, k, _Single(), 1) for arrays in (start, end)]
            judged = [jax.lax.map(f, keys, batch_size=64) for f in one]
        before, after = judged
        root = jnp.sqrt(float(len(before)))
        return before.mean(), after.mean(), before.std() / root, after.std() / root, (after - before).std() / root


class _Single(AbstractGradient):
    """The value of one draw; nothing is differentiated."""

    unbiased = False

    def check(self, q: Any, num_samples: int) -> None:
        pass

    def __call__(
        self, key: Key, q: Any, log_weight: Any, combine: Any, num_samples: int, context: Any, memory: Any
    ) -> tuple[Scalar, Any]:
        return combine(log_weight(q, q.sample(key))[None]), memory.running


def gaps(
    model: LatentModel,
    posterior: AbstractConditional,
    rows: Batch,
    log_p: LogLikelihood,
    *,
    key: Key,
    steps: int = STEPS,
    learning_rate: float = 0.05,
    num_samples: int = 8,
    groups: ArrayLike | None = None,
) -> Gaps:
    """The amortisation and the approximation gap, by refining q of every row from where the encoder puts it.

    `log_p` is `log_likelihood` of the same rows, without an offset. Each row takes `steps` of Adam on its own bound:
    exact where the states of q can be listed, pathwise without the score term for normal latents, leave-one-out for
    long codes. What the steps miss counts as approximation gap. Source: Cremer et al. 2018.

    >>> from tacit.distributions import Categorical, Bernoulli
    >>> from tacit.evaluation.log_likelihood import log_likelihood
    >>> from tacit.models import Constant, Selected
    >>> half = Constant(Categorical(jnp.zeros(2)))
    >>> model = LatentModel(half, Selected(Bernoulli(jnp.array([[-2.0], [2.0]]))))
    >>> rows, key = Batch(np.array([[1.0], [0.0]]), None, None, None, None), jax.random.key(0)
    >>> found = gaps(model, half, rows, log_likelihood(model, half, rows, key=key), key=key)
    >>> print(round(found.amortisation.value, 3), round(abs(found.approximation.value), 3))
    0.434 0.0
    """
    gradient, samples = _gradient(kinds(model, posterior, rows)[1], num_samples)
    of_row = _Refined(gradient, samples, steps, learning_rate)
    found = over_rows(of_row, model, posterior, rows, key=key)
    before, after, before_error, after_error, change_error = (np.asarray(a, np.float64) for a in found)
    share = np.ones(len(before)) if rows.weight is None else np.asarray(rows.weight, np.float64)
    share = share / share.sum()

    def noise(errors: Float[np.ndarray, " n"]) -> float:
        return error_over_draws(errors, share, rows.y, rows.x, rows.mask)

    kept: dict[str, Any] = {"weight": rows.weight, "groups": groups}
    amortisation = paired_difference("amortisation gap", after, before, kinds=("lower bound", "exact"), **kept)
    exact = log_p.result.kind == "exact"
    sides: Any = ("exact" if exact else "estimate", "lower bound")
    approximation = paired_difference("approximation gap", log_p.values, after, kinds=sides, **kept)
    more = 0.0 if log_p.result.monte_carlo_error is None else log_p.result.monte_carlo_error
    return Gaps(
        _with_noise(amortisation, noise(change_error)),
        _with_noise(approximation, float(np.hypot(noise(after_error), more))),
        before,
        after,
        before_error,
    )


def _with_noise(result: Result, error: float) -> Result:
    return Result.from_dict({**result.to_dict(), "monte_carlo_error": error if error > 0 else None})


def _gradient(q: Any, num_samples: int) -> tuple[AbstractGradient, int]:
    if isinstance(q, AbstractReparameterised):
        return StickingTheLanding(), num_samples
    if q.n_states <= LISTED:
        return Enumeration(), 1
    return LeaveOneOut(), max(num_samples, 2)
