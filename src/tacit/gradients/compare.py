"""Gradient estimators side by side on one problem: bias, variance and cost."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.distributions import AbstractReparameterised
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._checks import check_count, check_log_weight, samples_of
from tacit.gradients.enumeration import Enumeration
from tacit.gradients.leave_one_out import LeaveOneOut
from tacit.gradients.names import gradient_of
from tacit.gradients.pathwise import Pathwise
from tacit.gradients.reinforce import Reinforce
from tacit.models.enumeration import MOST_STATES, listable

CHUNK = 1000  # draws of a gradient at once
LONGER = 20  # times as many draws for a reference that is not listed
SELDOM = 10  # times that a state is met on average, below which draws do not show its variance
FEW_STATES = 4096  # up to which each of them is looked at by itself
WARM = 64  # steps that running figures take before they are judged


@dataclass(frozen=True)
class Comparison:
    """What one estimator of the gradient in the parameters of q is worth on one problem.

    `bias`: distance of its mean from the reference; `bias_z`: the largest distance over the parameters in standard
    errors, up to 2 to 4 by chance alone. States that so few draws hardly meet (of 4,096 at most) add to these what a
    listing says of them, so a bias smaller than that takes more draws to see. `variance`: summed over the parameters;
    `evaluations`: calls of the log-weight a gradient; `seconds`: of one gradient among many at once; `reference`:
    "listed", or "long run".
    """

    name: str
    unbiased: bool
    bias: float
    bias_z: float
    variance: float
    evaluations: int
    seconds: float
    reference: str

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return asdict(self)


def compare(
    key: Key,
    q: Any,
    log_weight: LogWeight,
    estimators: Sequence[AbstractGradient | str] | Mapping[str, AbstractGradient | str],
    *,
    num_samples: int | Mapping[str, int] | None = None,
    combine: Combine = jnp.mean,
    context: PyTree = None,
    memories: Mapping[str, Memory] | None = None,
    n_draws: int = 10_000,
) -> list[Comparison]:
    """Bias, variance and cost of estimators of the gradient of `E_q[combine(log w(z_1), ..., log w(z_S))]` in q.

    The reference is the exact gradient where the states of q, and all tuples of S of them, can be listed; else a
    run 20 times as long. `num_samples` may differ by name, so as to compare at equal evaluations; None is the least
    that an estimator takes, 1 or 2. Estimators are objects or names of `GRADIENTS`; objects are named by class and
    settings, unless they come with names. `context` is (y, x) of the row, for baselines that see it. Running figures
    are warmed up; arrays that an estimator trains are those of `memories` (by name), or as they start.

    Raises `UsageError` where an estimator does not apply, for counts that are none, and for a log-weight that is not
    one number, is NaN, or has an expectation without a finite gradient.

    >>> from tacit.distributions import Categorical
    >>> q, log_joint = Categorical(jnp.zeros(3)), jnp.array([-11.0, -12.0, -14.0])
    >>> plain, others = compare(
    ...     jax.random.key(0), q, lambda q, z: z @ log_joint - q.log_prob(z), [Reinforce(), LeaveOneOut()],
    ...     num_samples=2, n_draws=2000,
    ... )
    >>> others.name, others.evaluations, others.variance < plain.variance, others.bias_z < 5
    ('LeaveOneOut', 2, True, True)
    """
    named = _named(estimators)
    check_count(n_draws, 2, "n_draws")
    samples = {name: samples_of(num_samples, name, estimator, q) for name, estimator in named.items()}
    check_log_weight(jax.random.fold_in(key, 0), q, log_weight)
    references: dict[int, tuple[np.ndarray, np.ndarray, str]] = {}
    found = []
    for i, (name, estimator) in enumerate(named.items()):
        s, estimator = samples[name], estimator.sized(q)
        if s not in references:
            references[s] = _reference(jax.random.fold_in(key, 0), q, log_weight, combine, s, context, n_draws)
        exact, error, kind = references[s]
        if not np.isfinite(exact).all():
            mend = "See that it and its derivative are finite wherever q has draws."
            raise UsageError("its expectation has no finite gradient in q.", where="log_weight", mend=mend)
        keys = jax.random.split(jax.random.fold_in(key, 1 + i))
        memory = (memories or {}).get(name)
        if memory is None:
            memory = _warm(keys[0], estimator, q, log_weight, combine, s, context)
        seen, seconds = _draws(keys[1], estimator, q, log_weight, combine, s, context, memory, n_draws)
        gap = seen.mean(0) - exact
        rounding = 30 * np.finfo(np.float32).eps * np.abs(seen).max(initial=1e-30)
        missed = 0.0 if isinstance(estimator, Enumeration) else error  # it draws nothing
        errors = np.sqrt(seen.var(0) / len(seen) + missed**2) + rounding
        found.append(
            Comparison(
                name,
                estimator.unbiased,
                float(np.linalg.norm(gap)),
                float(np.max(np.abs(gap) / errors)),
                float(seen.var(0).sum()),
                estimator.evaluations(q, s),
                seconds,
                kind,
            )
        )
    return found


def label(estimator: Any) -> str:
    """The class of an estimator and the settings that are not its usual ones, those of its baseline too.

    >>> label(LeaveOneOut(plain=True))
    'LeaveOneOut(plain=True)'
    """
    own = []
    for f in fields(estimator):
        value = getattr(estimator, f.name)
        if repr(value) == repr(f.default):
            continue
        if isinstance(value, eqx.Module):
            own.append(label(value))
        elif not eqx.is_array(value):
            own.append(f"{f.name}={value!r}")
    return type(estimator).__name__ + (f"({', '.join(own)})" if own else "")


def _named(
    estimators: Sequence[AbstractGradient | str] | Mapping[str, AbstractGradient | str],
) -> dict[str, AbstractGradient]:
    """By the names they come with, or by their labels, numbered where they share one; `UsageError` for none."""
    if not isinstance(estimators, Sequence | Mapping) or isinstance(estimators, str) or not estimators:
        mend = "Give a list, such as ['reinforce', LeaveOneOut()]."
        raise UsageError(f"{estimators!r} is no list of estimators.", where="estimators", mend=mend)
    if isinstance(estimators, Mapping):
        return {name: gradient_of(given) for name, given in estimators.items()}
    found: dict[str, AbstractGradient] = {}
    seen: Counter[str] = Counter()
    for given in estimators:
        estimator = gradient_of(given)
        name = given if isinstance(given, str) else label(estimator)
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = estimator
    return found


def gradient_in_q(
    key: Key,
    estimator: AbstractGradient,
    q: Any,
    log_weight: LogWeight,
    combine: Combine,
    num_samples: int,
    context: PyTree,
    memory: Memory,
) -> Array:
    """One draw of the estimated gradient in the parameters of q, as a vector."""
    arrays, rest = eqx.partition(q, eqx.is_inexact_array)

    def value(arrays: PyTree) -> Array:
        whole = eqx.combine(arrays, rest)
        return estimator(key, whole, log_weight, combine, num_samples, context, memory)[0]

    return ravel_pytree(jax.grad(value)(arrays))[0]


def _draws(key: Key, *arguments: Any) -> tuple[np.ndarray, float]:
    """Many draws of the gradient (n, p), and the seconds that one took."""
    *settings, n_draws = arguments
    size = min(CHUNK, n_draws)
    many = jax.jit(jax.vmap(lambda key: gradient_in_q(key, *settings)))
    keys = jax.random.split(key, (-(-n_draws // size), size))
    jax.block_until_ready(many(keys[0]))  # compiles
    began = time.perf_counter()
    parts = [np.asarray(many(chunk), float) for chunk in keys]
    return np.concatenate(parts), (time.perf_counter() - began) / keys.size


def _warm(key: Key, estimator: AbstractGradient, q: Any, log_weight: LogWeight, *rest: Any) -> Memory:
    """The memory after some steps in which only the running figures were replaced."""
    combine, num_samples, context = rest
    rows = jax.tree.map(lambda a: jnp.asarray(a)[None], context)
    start = estimator.init(jax.random.fold_in(key, 0), rows)
    if start.running is None:
        return start

    def step(running: PyTree, key: Key) -> tuple[PyTree, None]:
        memory = Memory(start.trained, running)
        return estimator(key, q, log_weight, combine, num_samples, context, memory)[1], None

    keys = jax.random.split(jax.random.fold_in(key, 1), WARM)
    return Memory(start.trained, jax.lax.scan(step, start.running, keys)[0])


def _reference(
    key: Key, q: Any, log_weight: LogWeight, combine: Combine, num_samples: int, context: PyTree, n_draws: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """The gradient to compare with, its standard errors, and how it was had."""
    size = 1 if _is_mean(key, combine, num_samples) else num_samples
    if listable(q) and q.n_states**size <= MOST_STATES:
        return *_listed(q, log_weight, combine, size, n_draws * num_samples // size), "listed"
    estimator: AbstractGradient = Pathwise() if isinstance(q, AbstractReparameterised) else Reinforce()
    if num_samples > 1 and not isinstance(q, AbstractReparameterised):
        estimator = LeaveOneOut()
    seen, _ = _draws(key, estimator, q, log_weight, combine, num_samples, context, Memory(), LONGER * n_draws)
    return seen.mean(0), seen.std(0) / np.sqrt(len(seen)), "long run"


def _listed(q: Any, log_weight: LogWeight, combine: Combine, size: int, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    """The exact gradient, and the standard errors that the states add which so many draws hardly meet.

    Draws that lack a state do not show its variance. So tuples of draws whose rarest state is met less than `SELDOM`
    times have that of the plain score function: with g what they add to the gradient, `g^2 / (times they are met)`.
    """
    arrays, rest = eqx.partition(q, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(arrays)
    tuples = np.array(list(itertools.product(range(q.n_states), repeat=size)))
    rarest = np.take_along_axis(tuples, np.argmin(np.asarray(q.log_probs())[tuples], axis=1)[:, None], axis=1)[:, 0]

    def by_rarest(flat: Array) -> tuple[Array, Array]:
        whole = eqx.combine(unravel(flat), rest)
        log_w = jax.vmap(lambda z: log_weight(whole, z))(whole.support())
        probabilities = jnp.exp(jnp.sum(whole.log_probs()[tuples], axis=1))
        values = probabilities * jax.vmap(combine)(log_w[tuples])
        value, mass = (jax.ops.segment_sum(a, rarest, whole.n_states) for a in (values, probabilities))
        return value, mass

    @jax.jit
    def found(flat: Array) -> tuple[Array, Array]:
        _, pull, mass = jax.vjp(by_rarest, flat, has_aux=True)
        met = n_draws * jnp.maximum(mass, jnp.finfo(flat.dtype).tiny)

        def add(total: Array, state: Array) -> tuple[Array, None]:
            (part,) = pull(jnp.zeros_like(mass).at[state].set(1.0))
            return total + jnp.where(met[state] < SELDOM, part**2 / met[state], 0.0), None

        (exact,) = pull(jnp.ones_like(mass))
        states = jnp.arange(q.n_states if q.n_states <= FEW_STATES else 0)
        return exact, jnp.sqrt(jax.lax.scan(add, jnp.zeros_like(flat), states)[0])

    exact, missed = (np.asarray(a, float) for a in found(flat))
    return exact, missed


def _is_mean(key: Key, combine: Combine, num_samples: int) -> bool:
    """Whether the objective of S draws has the expectation of that of one."""
    some = jax.random.normal(key, (3, num_samples))
    return bool(np.allclose(jax.vmap(combine)(some), jnp.mean(some, axis=1), atol=1e-5))
