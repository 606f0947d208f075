"""Impossible outcomes that do not occur."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array


def times(statistic: Float[Array, " t"], coefficient: Float[Array, " t"]) -> Float[Array, " t"]:
    """`statistic * coefficient`, with 0 times an infinite coefficient 0.

    Only the infinite coefficients are masked, so the product stays linear in the statistic: at a one-hot event its
    gradient is the coefficient in the zero cells too.
    """
    return statistic * jnp.where((statistic == 0) & jnp.isinf(coefficient), 0.0, coefficient)
