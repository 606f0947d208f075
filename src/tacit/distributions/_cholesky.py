"""Cholesky factor and triangular inverse of small matrices, in operations that batch.

Under vmap these are short fused loops over the whole stack. The LAPACK calls behind `jnp.linalg` are not used: two
batched ones at a time can wait for each other forever on a machine with two cores (see docs/decisions).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from tacit._typing import Array

BLOCK = 64  # columns up to which a matrix is worked off column by column; larger ones are halved


def cholesky(a: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """Lower L with `L L' = A`; NaN where A is not positive definite. Reads the lower triangle only."""
    d = a.shape[0]
    if d > BLOCK:
        h = d // 2
        top = cholesky(a[:h, :h])
        side = a[h:, :h] @ inverse_lower(top).T
        return jnp.block([[top, jnp.zeros((h, d - h), a.dtype)], [side, cholesky(a[h:, h:] - side @ side.T)]])
    rows = jnp.arange(d)

    def step(j: Int[Array, ""], carry: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, factor = carry
        column = jnp.where(rows >= j, rest[:, j] / jnp.sqrt(rest[j, j]), 0.0)
        return rest - column[:, None] * column, factor.at[:, j].set(column)

    return jax.lax.fori_loop(0, d, step, (a, jnp.zeros_like(a)))[1]


def inverse_lower(factor: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """Inverse of a lower triangular matrix."""
    d = factor.shape[0]
    if d > BLOCK:
        h = d // 2
        top, bottom = inverse_lower(factor[:h, :h]), inverse_lower(factor[h:, h:])
        side = -bottom @ (factor[h:, :h] @ top)
        return jnp.block([[top, jnp.zeros((h, d - h), factor.dtype)], [side, bottom]])
    eye = jnp.eye(d, dtype=factor.dtype)

    def step(i: Int[Array, ""], inverse: Array) -> Array:
        # the rows from i on are still 0, so the product sees the finished ones only
        row = eye[i] - jnp.sum(factor[i][:, None] * inverse, axis=0)
        return inverse.at[i].set(row / factor[i, i])

    return jax.lax.fori_loop(0, d, step, jnp.zeros_like(factor))


def solve_lower(factor: Float[Array, "d d"], b: Float[Array, " d"]) -> Float[Array, " d"]:
    """`factor^-1 b` by forward substitution: less work than an inverse where every right side has its own factor."""
    places = jnp.arange(len(b))

    def step(rest: Array, i: Int[Array, ""]) -> tuple[Array, Array]:
        x = rest[i] / factor[i, i]
        return rest - jnp.where(places > i, x * factor[:, i], 0.0), x

    return jax.lax.scan(step, b, places)[1]
