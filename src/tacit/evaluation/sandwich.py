"""log p between a lower and an upper bound, on data simulated from the model."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._device import compiled, placed
from tacit._errors import UsageError
from tacit._typing import Array, Event, Key, Scalar
from tacit.evaluation.proposal import fits, log_joint_of, proposal
from tacit.evaluation.result import Result, mean_result, paired_difference
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel

_AT_ONCE = 64  # rows


class Sandwich(NamedTuple):
    """Mean log-likelihood of simulated rows from below and from above, their difference, and the rows' bounds."""

    lower: Result
    upper: Result
    gap: Result
    lower_of_rows: np.ndarray
    upper_of_rows: np.ndarray


class AbstractSeen(eqx.Module):
    """Which cells of a row that was drawn are seen."""

    @abc.abstractmethod
    def __call__(self, event: Event) -> tuple[Event, Any]:
        """The event with 0 in cells that are not seen, and which are seen; None where all are."""


class AllSeen(AbstractSeen):
    """All of them."""

    def __call__(self, event: Event) -> tuple[Event, Any]:
        return event, None


@compiled
def _bounds(
    model: LatentModel, posterior: Any, keys: Key, x: Array | None, num_samples: int, seen: AbstractSeen
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Both bounds of rows drawn from the model: of S draws, and of S - 1 with the latent that made the row."""

    def row(inputs: tuple[Key, Array | None]) -> tuple[Scalar, Scalar]:
        (key_row, key_q, key_modes), x = jax.random.split(inputs[0], 3), inputs[1]
        context = model.context(x)
        truth, event = model.sample(key_row, x)
        event, observed = seen(event)
        q, prior = posterior(evidence(event, x, observed)), model.prior(context)

        log_joint = log_joint_of(model, prior, context, event, observed)

        def log_weight(z: Array) -> Scalar:
            return log_joint(z) - drawn.log_prob(z)

        drawn = proposal(key_modes, q, prior, log_joint, holes=observed is not None) if fits(q) else q
        keys = jax.random.split(key_q, num_samples)
        log_w = jax.lax.map(lambda key: log_weight(drawn.sample(key)), keys, batch_size=min(64, num_samples))
        with_truth = log_w.at[0].set(log_weight(truth))
        scale = jnp.log(num_samples)
        return jax.nn.logsumexp(log_w) - scale, jax.nn.logsumexp(with_truth) - scale

    found: tuple[Array, Array] = jax.lax.map(row, (keys, x), batch_size=min(_AT_ONCE, len(keys)))
    return found


def sandwich(
    model: LatentModel,
    posterior: AbstractConditional,
    n: int,
    *,
    key: Key,
    num_samples: int = 64,
    x: np.ndarray | None = None,
    seen: AbstractSeen | None = None,
) -> Sandwich:
    """Lower and upper bound of `E log p(y | x)` over `n` rows drawn from the model, in nats a row.

        lower: log 1/S sum_{s=1..S} w_s            upper: log 1/S (w(z*) + sum_{s=1..S-1} w_s)

    with z* the latent that the row was made from: it is a draw of the exact posterior, so the second is at or above
    log p in expectation. The draws are like those of `weighted`. Both are of the model's own rows, not of data:
    what they tell is how far to trust estimates by such draws. `x` (n, p) are covariates; `seen` tells which cells of a
    row are. Source: Grosse et al. 2015, section 3.

    >>> from tacit.distributions import Bernoulli, Categorical
    >>> from tacit.models import Constant, Selected
    >>> model = LatentModel(Constant(Categorical(jnp.zeros(2))), Selected(Bernoulli(jnp.array([[-2.0], [2.0]]))))
    >>> found = sandwich(model, model.prior, 2000, key=jax.random.key(0), num_samples=8)
    >>> found.lower.value < -0.69315 < found.upper.value  # log 1/2
    True
    """
    if n < 1 or num_samples < 2:
        raise UsageError(f"{n} rows of {num_samples} draws give no bounds.", mend="Use at least 1 row and 2 draws.")
    if x is not None and len(x) != n:
        raise UsageError(f"{len(x)} rows of covariates do not fit {n} rows.", where="x", mend="Give one a row.")
    known = None if x is None else placed(x, float)
    found = _bounds(model, posterior, jax.random.split(key, n), known, num_samples, seen or AllSeen())
    lower, upper = (np.asarray(values, np.float64) for values in found)
    note = f"{num_samples:,} draws, rows drawn from the model"
    kinds: Any = ("upper bound", "lower bound")
    return Sandwich(
        mean_result("log-likelihood from below", lower, kind="lower bound", note=note),
        mean_result("log-likelihood from above", upper, kind="upper bound", note=note),
        paired_difference("upper - lower", upper, lower, kinds=kinds, note=note),
        lower,
        upper,
    )
