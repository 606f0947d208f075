"""Local expectation gradients: exact in each digit, given the others."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import along, log_shares, own_slope, reward_of, rows_of, valued
from tacit.gradients._draws import each
from tacit.gradients._score import check_discrete


class LocalExpectation(AbstractGradient):
    """`sum_s sum_d sum_k grad q_d(k) f(z_s with digit d put to k)`: each digit listed, the others as they were drawn.

    f is the objective as a function of one draw. Exact for q where there is one digit and one draw; no variance in q
    where q is the exact posterior. For Categorical, Categoricals and Bernoulli latents. Unbiased; `S (1 + D (K - 1))`
    evaluations. Source: Titsias and Lázaro-Gredilla 2015, equation 9.

    >>> from tacit.distributions import Categorical
    >>> estimate = lambda a: LocalExpectation()(
    ...     jax.random.key(0), Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.zeros(2)))
    [-1.  1.]
    """

    unbiased: ClassVar[bool] = True

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, "LocalExpectation")

    def evaluations(self, q: Any, num_samples: int) -> int:
        d, k = log_shares(q).shape
        return num_samples * (1 + int(d) * (int(k) - 1))

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
        shares, reward = log_shares(q), reward_of(q, log_weight)
        d, k = shares.shape
        events = jax.vmap(q.sample)(jax.random.split(key, num_samples))
        rows = jax.vmap(lambda event: rows_of(q, event))(events)
        log_w = each(reward, rows)

        def listed(s: Array, row: Float[Array, "d k"]) -> Float[Array, "d k"]:
            """The slope in `shares` from draw s: its other states are its own, moved on by 1 to k - 1 places."""

            def moved(digit: Array, places: Array) -> Scalar:
                other = row.at[digit].set(jnp.roll(row[digit], places))
                return combine(log_w.at[s].set(reward(other)))

            gains = jax.vmap(lambda digit: jax.vmap(lambda j: moved(digit, j))(jnp.arange(1, k)))(jnp.arange(d))
            gains = gains - combine(log_w)
            states = jnp.stack([jnp.roll(row, j, axis=-1) for j in range(1, k)], axis=1)  # (d, k - 1, k)
            gains = jnp.where(jnp.sum(jnp.exp(shares)[:, None] * states, axis=-1) > 0, gains, 0.0)  # impossible: inf
            return jnp.exp(shares) * jnp.sum(gains[:, :, None] * states, axis=1)

        slope = jax.vmap(listed)(jnp.arange(num_samples), rows).sum(axis=0) + own_slope(combine, log_w, rows)
        value = combine(log_w)
        return valued(value, value + along(shares, slope)), memory.running
