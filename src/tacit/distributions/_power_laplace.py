"""The Laplace transform of a power of an exponential variable, by quadrature."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Scalar

FARTHEST = (-40.0, 3.8)  # where log E lies: what is outside weighs less than rounding, also relative to 1 - phi
EDGE = 80.0  # exp(-exp of this) is 0 and exp of this is still a float32


def negative_log_laplace(log_c: Float[Array, " n"], power: Scalar, spacing: float) -> Float[Array, " n"]:
    """`h(a) = -log phi(e^a)` with `phi(c) = E exp(-c E^r)`, E ~ Exp(1) and r = `power`, positive or negative.

    The trapezoid rule in `t = log E` at the given spacing. It needs |r| <= 1; beyond, exchange the two exponential
    variables in `phi(c) = P(E' > c E^r)`:

        phi_r(e^a) = 1 - phi_{1/r}(e^{-a/r})   r > 1          phi_r(e^a) = phi_{1/r}(e^{-a/r})   r < -1

    Accurate in relative terms where h is small (r < 1), and to rounding in phi elsewhere.
    """
    t = np.arange(*FARTHEST, spacing)
    weights = jnp.asarray(spacing * np.exp(t - np.exp(t)), log_c.dtype)
    steep = jnp.abs(power) > 1
    small = jnp.where(steep, 1 / power, power)
    place = jnp.where(steep, -log_c / power, log_c)
    exponent = jnp.exp(jnp.minimum(place[:, None] + small * jnp.asarray(t, log_c.dtype), EDGE))
    complement = jnp.sum(weights * -jnp.expm1(-exponent), axis=-1)  # 1 - phi of the power that is at most 1 in size
    eps = jnp.finfo(log_c.dtype).eps
    tail = -jnp.log(jnp.maximum(complement, jnp.finfo(log_c.dtype).tiny))
    return jnp.where(power > 1, tail, -jnp.log1p(-jnp.minimum(complement, 1 - eps)))
