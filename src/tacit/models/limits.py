"""Smooth limits: from any number to a scale between a floor and a ceiling, and to a location within reach."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array

SATURATED = 20.0  # beyond its reach by so much, a location has no slope left in float32


def log_scale(
    raw: Float[Array, " d"], floor: Float[Array, " d"], ceiling: Float[Array, " d"] | None
) -> Float[Array, " d"]:
    """`log(floor + 1 / (e^-raw + 1 / (ceiling - floor)))`; without a ceiling `log(floor + e^raw)`.

    >>> scale = jnp.exp(log_scale(jnp.array([-50.0, 0.0, 50.0]), jnp.full(3, 0.5), jnp.full(3, 2.5)))
    >>> [round(float(s), 3) for s in scale]
    [0.5, 1.167, 2.5]
    """
    above = raw if ceiling is None else -jnp.logaddexp(-raw, -jnp.log(ceiling - floor))
    return jnp.logaddexp(above, jnp.log(floor))


def location(raw: Float[Array, " d"], reach: Float[Array, " d"] | None) -> Float[Array, " d"]:
    """`raw - s(raw - reach) + s(-raw - reach)`, s the softplus: raw itself within ±reach, ±reach beyond.

    Inside ±reach by t it is off by e^-t, in the units of raw.

    >>> print(location(jnp.array([-1e9, 0.5, 1e9]), jnp.full(3, 10.0)).round(3))
    [-10.    0.5  10. ]
    """
    if reach is None:
        return raw
    near = jnp.clip(raw, -reach - SATURATED, reach + SATURATED)  # or large numbers cancel
    return near - jax.nn.softplus(near - reach) + jax.nn.softplus(-near - reach)


def within_ball(rows: Float[Array, "d e"], radius: Float[Array, " d"]) -> Float[Array, "d e"]:
    """Every row v drawn in to `r v / √(r² + |v|²)`, which is shorter than its radius r and near v where v is short."""
    return rows * (radius / jnp.sqrt(radius**2 + jnp.sum(rows**2, axis=-1)))[:, None]
