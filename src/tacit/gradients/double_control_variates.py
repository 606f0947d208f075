"""Double control variates: leave-one-out with the derivatives of the log-weight at the draws."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import (
    along,
    log_shares,
    others_mean,
    own_slope,
    reward_of,
    rows_of,
    squared_norm,
    valued,
)
from tacit.gradients._score import check_discrete, check_samples

stop = jax.lax.stop_gradient


class DoubleControlVariates(AbstractGradient):
    """Leave-one-out on log-weights from which a linear function of the draw is taken off, and given back in the mean.

    With p the mean of a draw, `g_s = d log w/dz` at draw s and `beta_s` the mean of the others' g, for the ELBO

        1/S sum_s (f_s - c beta_s·(z_s - p) - mean_{r != s} (f_r - c g_r·(z_r - p))) grad log q(z_s) + c beta_s grad p

    For other objectives f is the objective as a function of one draw. The scale c is trained along with the model to
    lower the squared norm of the gradient in the logits of q, from `scale`; at 0 it is `LeaveOneOut`, and where f is
    far from linear between the states c stays small. For Categorical, Categoricals and Bernoulli latents; the
    likelihood must have a derivative in the event. Unbiased; S evaluations and their derivative; 2 draws or more.
    Source: after Titsias and Shi 2022, section 3.

    >>> from tacit.distributions import Categorical
    >>> both = DoubleControlVariates(scale=1.0)
    >>> memory = both.init(jax.random.key(1), None)
    >>> estimate = lambda a: both(
    ...     jax.random.key(0), Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 2, None, memory
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.zeros(2)))  # exact: the log-weight is linear
    [-1.  1.]
    """

    unbiased: ClassVar[bool] = True
    scale: float = 0.0

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, "DoubleControlVariates")
        check_samples(num_samples, 2, "DoubleControlVariates")

    def init(self, key: Key, context: PyTree) -> Memory:
        return Memory(trained=jnp.asarray(self.scale, jnp.zeros(()).dtype))

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
        p = jnp.exp(stop(shares))
        events = jax.vmap(q.sample)(jax.random.split(key, num_samples))
        rows = jax.vmap(lambda event: rows_of(q, event))(events)
        log_w, slopes = jax.vmap(jax.value_and_grad(reward))(rows)
        fixed, slopes = stop(log_w), stop(slopes)
        beta, places = others_mean(slopes), jnp.arange(num_samples)

        def replaced(s: Scalar, instead: Scalar) -> Scalar:
            return combine(fixed.at[s].set(instead))

        def slope(c: Scalar) -> Any:
            flat = fixed - c * jnp.sum(slopes * (rows - p), axis=(1, 2))
            baseline, step = jax.vmap(jax.value_and_grad(replaced, 1))(places, others_mean(flat))
            linear = c * step[:, None, None] * beta
            left = combine(fixed) - baseline - jnp.sum(linear * (rows - p), axis=(1, 2))
            return jnp.sum(left[:, None, None] * rows + linear * p, axis=0)

        def loss(c: Scalar) -> tuple[Scalar, Any]:
            g = slope(c)
            return squared_norm(shares, g), g

        steeper, g = jax.grad(loss, has_aux=True)(stop(memory.trained))
        surrogate = along(shares, g + own_slope(combine, fixed, rows)) - along(memory.trained, steeper)
        value = combine(log_w)
        return valued(value, value + surrogate), memory.running
