"""DisARM: antithetic pairs of Bernoulli draws, with the uniforms behind them integrated out."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution, Bernoulli
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._draws import each

stop = jax.lax.stop_gradient


class DisARM(AbstractGradient):
    """`1/2 (f(b) - f(b~)) (-1)^b~ 1[b != b~] sigmoid(|a|)` in the logits a, from pairs `b = 1[u < sigmoid(a)]` and
    `b~ = 1[1 - u < sigmoid(a)]`.

    S pairs, 2 S evaluations; unbiased. For the mean as `combine` f is the log-weight; for others f is L as a function
    of one draw, the other draws of its side held fixed, averaged over the two sides. No variance in q where q is the
    exact posterior. Source: Dong, Mnih and Tucker 2020, equations 7 and 11.

    >>> estimate = lambda a: DisARM()(
    ...     jax.random.key(0), Bernoulli(a), lambda q, z: jnp.sum(z) - q.log_prob(z), jnp.mean, 1, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.ones(2)).round(4))  # logits of 1 are the posterior
    [0. 0.]
    """

    unbiased: ClassVar[bool] = True

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        if not isinstance(q, Bernoulli):
            mend = "Use LeaveOneOut, Reinforce or Enumeration."
            raise UsageError("this latent is not binary.", where="DisARM", mend=mend)

    def evaluations(self, q: Any, num_samples: int) -> int:
        return 2 * num_samples

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
        fixed = stop(q)
        u = jax.random.uniform(key, (num_samples, q.n_columns), q.logits.dtype)
        pairs = jnp.stack([u < fixed.probs, 1 - u < fixed.probs]).astype(q.logits.dtype)
        log_w = jax.vmap(lambda draws: each(lambda z: log_weight(fixed, z), draws))(pairs)
        one, two = stop(log_w)
        gap = 0.5 * (_steps(combine, one, two) - _steps(combine, two, one))  # f(b) - f(b~), (s,)
        sign = jnp.where(pairs[1] == 1, -1.0, 1.0) * (pairs[0] != pairs[1])
        along = 0.5 * gap[:, None] * sign * jax.nn.sigmoid(jnp.abs(fixed.logits))
        # what the stopped q leaves out of log-weights that hold - log q: 0 for the mean
        slope = 1 / num_samples - jax.vmap(jax.grad(combine))(stop(log_w))
        log_q = jax.vmap(jax.vmap(q.log_prob))(pairs)
        value = jnp.mean(jax.vmap(combine)(log_w)) + 0.5 * jnp.sum(slope * (log_q - stop(log_q)))
        return value + jnp.sum(along * (q.logits - fixed.logits)), memory.running


def _steps(combine: Combine, here: Float[Array, " s"], there: Float[Array, " s"]) -> Scalar:
    """What the objective gains by each entry of `here` over that of `there`, the rest as it is here; (s,)."""
    swapped = jax.vmap(lambda s: combine(here.at[s].set(there[s])))(jnp.arange(here.shape[0]))
    return combine(here) - swapped
