"""Inverse and log determinant of many small positive definite matrices, the matrices along the last axis.

Every operation runs over all matrices at once in memory order, and four columns are swept in each pass over a block
of rows. (The loops of `_cholesky` have each matrix in one piece: the better layout for one matrix or few.)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from tacit._typing import Array

BLOCK = 4  # columns swept together; the matrices have a multiple of them


def invert(a: Float[Array, "p p n"], columns: Int[Array, ""]) -> tuple[Float[Array, "p p n"], Float[Array, " n"]]:
    """Inverses and log determinants of the leading `columns` x `columns` parts; the rest must be the identity.

    The sweep operator (Goodnight 1979) on blocks: with B a diagonal block and the others written as in

        [[B, C'], [C, D]]  ->  [[-B^-1, B^-1 C'], [C B^-1, D - C B^-1 C']],

    minus the inverse is left when all blocks are swept. NaN where a matrix is not positive definite. What is outside
    the leading part, rounded up to whole blocks, is not to be read.
    """
    p, _, n = a.shape
    n_blocks = -(-columns // BLOCK)
    eye = jnp.eye(BLOCK, dtype=a.dtype)[..., None]

    def sweep(t: Int[Array, ""], carry: tuple[Array, Array]) -> tuple[Array, Array]:
        blocks, log_det = carry
        panel = blocks[t]
        inverse, log_det_here = _invert_block(jax.lax.dynamic_slice_in_dim(panel, t * BLOCK, BLOCK, 1))
        solved = sum(inverse[:, j][:, None] * panel[j][None] for j in range(BLOCK))
        # the columns of this block are to become C B^-1 = C - C (1 - B^-1): then one formula serves all columns
        factor = jax.lax.dynamic_update_slice_in_dim(solved, eye - inverse, t * BLOCK, 1)

        def eliminate(i: Int[Array, ""], blocks: Array) -> Array:
            rows = blocks[i]
            left = jax.lax.dynamic_slice_in_dim(rows, t * BLOCK, BLOCK, 1)
            return blocks.at[i].set(rows - sum(left[:, j][:, None] * factor[j][None] for j in range(BLOCK)))

        blocks = jax.lax.fori_loop(0, n_blocks, eliminate, blocks)
        swept = jax.lax.dynamic_update_slice_in_dim(solved, -inverse, t * BLOCK, 1)
        return blocks.at[t].set(swept), log_det + log_det_here

    start = a.reshape(p // BLOCK, BLOCK, p, n), jnp.zeros(n, a.dtype)
    blocks, log_det = jax.lax.fori_loop(0, n_blocks, sweep, start)
    return -blocks.reshape(p, p, n), log_det


def _invert_block(a: Float[Array, "q q n"]) -> tuple[Float[Array, "q q n"], Float[Array, " n"]]:
    """Inverse and log determinant, entry by entry: the same sweep, one column at a time."""
    q = a.shape[0]
    swept = {(i, k): a[i, k] for i in range(q) for k in range(i, q)}
    log_det = jnp.zeros(a.shape[2:], a.dtype)
    for j in range(q):
        pivot = swept[j, j]
        row = [swept[min(i, j), max(i, j)] for i in range(q)]
        log_det = log_det + jnp.log(pivot)
        for i, k in swept:
            if i == j == k:
                swept[i, k] = -1 / pivot
            elif j in (i, k):
                swept[i, k] = row[k if i == j else i] / pivot
            else:
                swept[i, k] = swept[i, k] - row[i] * row[k] / pivot
    return -jnp.stack([jnp.stack([swept[min(i, k), max(i, k)] for k in range(q)]) for i in range(q)]), log_det
