"""Sum and sample: the likeliest states are listed, one of the rest is drawn."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import along, check_single, valued
from tacit.gradients._score import check_discrete
from tacit.models.enumeration import check_listable

stop = jax.lax.stop_gradient


class SumAndSample(AbstractGradient):
    """`sum_{k in C} q_k f_k + (1 - q(C)) f_j`, with C the `listed` likeliest states and j drawn from q outside of C.

    Its derivative in q is `sum_{k in C} q_k (f_k - b) grad log q_k + (1 - q(C)) (f_j - b) grad log q_j`, with the mean
    of f over C as baseline b, which does not depend on the draw. C holds the states that are likeliest now. No variance
    in q where q is the exact posterior. For latents whose states can be listed; the expectation of one draw, so
    `num_samples` is 1. Unbiased; `listed + 1` evaluations. Source: Liu et al. 2019, equation 6.

    >>> from tacit.distributions import Categorical
    >>> estimate = lambda a: SumAndSample(2)(
    ...     jax.random.key(0), Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.array([0.0, 0.0, -100.0])).round(4))  # what is drawn has no share
    [-1.  1.  0.]
    """

    unbiased: ClassVar[bool] = True
    listed: int = eqx.field(static=True, default=3)

    def __check_init__(self) -> None:
        if self.listed < 1:
            raise UsageError(f"listed={self.listed!r} is not 1 or more.", where="SumAndSample", mend="Use listed=3.")

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, "SumAndSample")
        check_listable(q, "SumAndSample")
        check_single(num_samples, "SumAndSample")
        if self.listed >= q.n_states:  # type: ignore[attr-defined]  # check_listable has seen to it
            what = f"listed={self.listed} leaves none of the {q.n_states} states to draw from."  # type: ignore[attr-defined]
            raise UsageError(what, where="SumAndSample", mend="Use Enumeration.")

    def evaluations(self, q: Any, num_samples: int) -> int:
        return self.listed + 1

    def __call__(
        self,
        key: Key,
        q: Any,
        log_weight: LogWeight,
        combine: Combine,
        num_samples: int,
        context: PyTree,
        memory: Memory,
    ) -> tuple[Scalar, PyTree]:
        states, log_q = q.support(), q.log_probs()
        fixed = stop(log_q)
        _, first = jax.lax.top_k(fixed, self.listed)
        rest = fixed.at[first].set(-jnp.inf)
        drawn = jax.random.categorical(key, rest)
        places = jnp.append(first, drawn)
        weights = jnp.exp(jnp.append(fixed[first], jax.nn.logsumexp(rest)))

        def one(z: Array) -> Scalar:
            return combine(log_weight(stop(q), z)[None])

        rewards = jax.vmap(one)(states[places])
        baseline = weights[:-1] @ rewards[:-1] / jnp.sum(weights[:-1])
        value = weights @ rewards
        return valued(value, value + along(log_q[places], weights * (rewards - baseline))), memory.running
