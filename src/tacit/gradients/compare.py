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
from tacit.gradients.leave_one_out import LeaveOneOut
from tacit.gradients.pathwise import Pathwise
from tacit.gradients.reinforce import Reinforce
from tacit.models.enumeration import MOST_STATES, listable

CHUNK = 1000  # draws of a gradient at once
LONGER = 20  # times as many draws for a reference that is not listed
WARM = 64  # steps that running figures take before they are judged


@dataclass(frozen=True)
class Comparison:
    """What one estimator of the gradient in the parameters of q is worth on one problem.

    `bias`: distance of its mean from the reference; `bias_z`: the largest distance over the parameters in standard
    errors, about 2 to 4 by chance alone; `variance`: summed over the parameters; `evaluations`: calls of the
    log-weight a gradient; `seconds`: of one gradient among many at once; `reference`: "listed", or "long run".
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
    estimators: Sequence[AbstractGradient] | Mapping[str, AbstractGradient],
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
    that an estimator takes, 1 or 2. Estimators are named by class and settings, unless they come with names. `context`
    is (y, x) of the row, for baselines that see it. Running figures are warmed up; arrays that an estimator trains are
    those of `memories` (by name), or as they start. Raises `UsageError` where an estimator does not apply.

    >>> from tacit.distributions import Categorical
    >>> q, log_joint = Categorical(jnp.zeros(3)), jnp.array([-11.0, -12.0, -14.0])
    >>> plain, others = compare(
    ...     jax.random.key(0), q, lambda q, z: z @ log_joint - q.log_prob(z), [Reinforce(), LeaveOneOut()],
    ...     num_samples=2, n_draws=2000,
    ... )
    >>> others.name, others.evaluations, others.variance < plain.variance, others.bias_z < 5
    ('LeaveOneOut', 2, True, True)
    """
    named = dict(estimators) if isinstance(estimators, Mapping) else _named(estimators)
    references: dict[int, tuple[np.ndarray, np.ndarray, str]] = {}
    found = []
    for i, (name, estimator) in enumerate(named.items()):
        s = num_samples[name] if isinstance(num_samples, Mapping) else num_samples or _least(estimator, q)
        estimator.check(q, s)
        estimator = estimator.sized(q)
        if s not in references:
            references[s] = _reference(jax.random.fold_in(key, 0), q, log_weight, combine, s, context, n_draws)
        exact, error, kind = references[s]
        keys = jax.random.split(jax.random.fold_in(key, 1 + i))
        memory = (memories or {}).get(name)
        if memory is None:
            memory = _warm(keys[0], estimator, q, log_weight, combine, s, context)
        seen, seconds = _draws(keys[1], estimator, q, log_weight, combine, s, context, memory, n_draws)
        gap = seen.mean(0) - exact
        rounding = 30 * np.finfo(np.float32).eps * np.abs(seen).max(initial=1e-30)
        errors = np.sqrt(seen.var(0) / len(seen) + error**2) + rounding
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


def _named(estimators: Sequence[AbstractGradient]) -> dict[str, AbstractGradient]:
    """By their labels; those that share one are numbered."""
    found: dict[str, AbstractGradient] = {}
    seen: Counter[str] = Counter()
    for estimator in estimators:
        name = label(estimator)
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = estimator
    return found


def _least(estimator: AbstractGradient, q: Any) -> int:
    """1 draw, or 2 where one is not enough; raises `UsageError` where the estimator does not apply."""
    try:
        estimator.check(q, 1)
    except UsageError:
        estimator.check(q, 2)
        return 2
    return 1


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
        arrays, rest = eqx.partition(q, eqx.is_inexact_array)

        def value(arrays: PyTree) -> Array:
            whole = eqx.combine(arrays, rest)
            log_w = jax.vmap(lambda z: log_weight(whole, z))(whole.support())
            tuples = np.array(list(itertools.product(range(whole.n_states), repeat=size)))
            probabilities = jnp.exp(jnp.sum(whole.log_probs()[tuples], axis=1))
            return jnp.sum(probabilities * jax.vmap(combine)(log_w[tuples]))

        exact = np.asarray(ravel_pytree(jax.jit(jax.grad(value))(arrays))[0], float)
        return exact, np.zeros_like(exact), "listed"
    estimator: AbstractGradient = Pathwise() if isinstance(q, AbstractReparameterised) else Reinforce()
    if num_samples > 1 and not isinstance(q, AbstractReparameterised):
        estimator = LeaveOneOut()
    seen, _ = _draws(key, estimator, q, log_weight, combine, num_samples, context, Memory(), LONGER * n_draws)
    return seen.mean(0), seen.std(0) / np.sqrt(len(seen)), "long run"


def _is_mean(key: Key, combine: Combine, num_samples: int) -> bool:
    """Whether the objective of S draws has the expectation of that of one."""
    some = jax.random.normal(key, (3, num_samples))
    return bool(np.allclose(jax.vmap(combine)(some), jnp.mean(some, axis=1), atol=1e-5))
