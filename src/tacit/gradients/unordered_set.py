"""The unordered set: several states drawn without replacement."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import along, check_single, valued
from tacit.gradients._score import check_discrete
from tacit.models.enumeration import check_listable

stop = jax.lax.stop_gradient
MOST_DRAWS = 8  # the weights take a sum over the subsets of what is drawn


class UnorderedSet(AbstractGradient):
    """`sum_{s in S} P(s first | S) f_s` of a set S of M states drawn without replacement; unbiased, M evaluations.

    `P(s first | S) = q_s R(S, s)` in the notation of the source. The derivative in q is
    `sum_s P(s first | S) (f_s - b_s) grad log q_s` with the baseline
    `b_s = q_s f_s + sum_{r != s} P(r next | s first, S) (1 - q_s) f_r`. M = `draws`, 2 to 8; with as many draws as
    states it is exact. No variance in q where q is the exact posterior. For latents whose states can be listed; the
    expectation of one draw, so `num_samples` is 1. Source: Kool, van Hoof and Welling 2020, equations 8 and 15.

    >>> from tacit.distributions import Categorical
    >>> estimate = lambda a: UnorderedSet(2)(
    ...     jax.random.key(0), Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.zeros(2)).round(4))
    [-1.  1.]
    """

    unbiased: ClassVar[bool] = True
    draws: int = eqx.field(static=True, default=4)

    def __check_init__(self) -> None:
        if not 2 <= self.draws <= MOST_DRAWS:
            what = f"draws={self.draws!r} is not in 2 to {MOST_DRAWS}."
            raise UsageError(what, where="UnorderedSet", mend="Use draws=4, or LeaveOneOut with many draws.")

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, "UnorderedSet")
        check_listable(q, "UnorderedSet")
        check_single(num_samples, "UnorderedSet")
        if self.draws > q.n_states:  # type: ignore[attr-defined]  # check_listable has seen to it
            what = f"{self.draws} different states cannot be drawn from {q.n_states}."  # type: ignore[attr-defined]
            raise UsageError(what, where="UnorderedSet", mend="Use Enumeration.")

    def evaluations(self, q: Any, num_samples: int) -> int:
        return self.draws

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
        log_q = q.log_probs()
        fixed = stop(log_q)
        noise = jax.random.gumbel(key, fixed.shape, fixed.dtype)
        _, places = jax.lax.top_k(fixed + noise, self.draws)  # the order of the draws

        def one(z: Array) -> Scalar:
            return combine(log_weight(stop(q), z)[None])

        rewards = jax.vmap(one)(q.support()[places])
        first, second = weights_of(fixed[places], jax.nn.logsumexp(fixed.at[places].set(-jnp.inf)))
        value = first @ rewards
        return valued(value, value + along(log_q[places], first * (rewards - second @ rewards))), memory.running


def weights_of(log_q: Float[Array, " m"], log_rest: Scalar) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
    """`P(s first | S)`, (m,), and the weights of the baselines, one a row, from the states drawn and the others' mass.

    With V(C) the probability that, once the states in C are gone, the rest of S is drawn before any other,
    `V(C) = sum_{i in S - C} q_i / (1 - q(C)) V(C + i)` and V(S) = 1. Then `P(s first | S) = q_s V({s}) / V({})`, and
    the weight of `f_r` in the baseline of s is `q_r V({s, r}) / V({s})`, or `q_s` for r = s.
    """
    m = log_q.shape[0]
    order = [[i for i in range(m) if subset >> i & 1] for subset in range(2**m)]
    log_v = {2**m - 1: jnp.zeros((), log_q.dtype)}
    for subset in reversed(range(2**m - 1)):
        left = [i for i in range(m) if i not in order[subset]]
        terms = jnp.stack([log_q[i] + log_v[subset | 1 << i] for i in left])
        mass = jax.nn.logsumexp(jnp.append(log_q[jnp.array(left)], log_rest))
        log_v[subset] = jax.nn.logsumexp(terms) - mass
    alone = jnp.stack([log_v[1 << i] for i in range(m)])
    pairs = jnp.stack([jnp.stack([log_v[1 << i | 1 << j] for j in range(m)]) for i in range(m)])
    first = jax.nn.softmax(log_q + alone)
    others = jnp.where(jnp.eye(m, dtype=bool), log_q, log_q + pairs - alone[:, None])
    return first, jnp.exp(others)
