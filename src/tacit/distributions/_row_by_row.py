"""Normals over rows that may each lack other cells: densities, and expected statistics summed over rows.

Where nearly every row has a pattern of missing cells of its own, the present cells' covariance would have to be
factorised row by row. Here the work is on the missing cells, mostly fewer, and over all rows of a tile at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from tacit._typing import Array
from tacit.distributions import _moments, _sweep

LOG_2PI = 1.8378770664093453


class Completed(NamedTuple):
    """Rows under the components of a stack.

    `log_density` is that of the present cells, in nats. `sums` takes responsibilities (b, k) to the sums over rows
    of the expected statistics given the present cells, (k, t), about the locations of the components.
    """

    log_density: Float[Array, "b k"]
    sums: Callable[[Float[Array, "b k"]], Float[Array, "k t"]]


Completer = Callable[[Float[Array, "b d"], Bool[Array, "b d"], Int[Array, "b p"]], Completed]


def normals(loc: Float[Array, "k d"], whitener: Float[Array, "k d d"], log_scale: Float[Array, " k"]) -> Completer:
    """A completer of rows under k normals, by the inverses of their factors and half their log determinants.

    With `K = S^-1` and `K_mm` its block of missing cells, given the present cells the missing ones are normal about

        e_m = -K_mm^-1 (K e)_m,   e = y - m in present cells and 0 in missing ones,

    with covariance `K_mm^-1`; and `log p(present) = log N(e completed) + 1/2 log det(2 pi K_mm^-1)`. Whitened, the
    first term is flat in the missing cells there, so their rounding hardly touches it.
    """
    k, d = loc.shape
    precision = jnp.swapaxes(whitener, -1, -2) @ whitener
    cells = jnp.pad(jnp.moveaxis(precision, 0, -1), ((0, 1), (0, 1), (0, 0)))  # place d: no cell

    def complete(y: Float[Array, "b d"], observed: Bool[Array, "b d"], missing: Int[Array, "b p"]) -> Completed:
        missing = jnp.pad(missing, ((0, 0), (0, -missing.shape[1] % _sweep.BLOCK)), constant_values=d)
        b, p = missing.shape
        place = missing.T
        lacks = place < d
        pairs = (lacks[:, None] & lacks[None])[..., None]
        one_hot = (missing[..., None] == jnp.arange(d)).astype(loc.dtype)
        present = (y[None] - loc[:, None]) * observed[None]

        block = jnp.where(pairs, cells[place[:, None], place[None]], jnp.eye(p, dtype=loc.dtype)[..., None, None])
        last = jnp.max(jnp.where(lacks, jnp.arange(1, p + 1)[:, None], 0))
        inverse, log_det = _sweep.invert(block.reshape(p, p, b * k), last)
        remaining = jnp.where(pairs, inverse.reshape(p, p, b, k), 0.0)

        pulled = jnp.einsum("kbd,bpd->pbk", present @ precision, one_hot)
        expected = -jnp.sum(remaining * pulled[None], 1)
        rows = present + jnp.einsum("pbk,bpd->kbd", expected, one_hot)
        white = rows @ jnp.swapaxes(whitener, -1, -2)
        constant = jnp.sum(observed, 1)[:, None] * LOG_2PI + log_det.reshape(b, k)
        log_density = -0.5 * (jnp.sum(white**2, -1).T + constant) - log_scale[None]

        def sums(responsibilities: Float[Array, "b k"]) -> Float[Array, "k t"]:
            weighted = rows * responsibilities.T[..., None]
            spread = jnp.zeros_like(cells).at[place[:, None], place[None]].add(remaining * responsibilities[None, None])
            second = jnp.swapaxes(weighted, -1, -2) @ rows + jnp.moveaxis(spread[:d, :d], -1, 0)
            return jax.vmap(_moments.pack)(second, jnp.sum(weighted, 1), jnp.sum(responsibilities, 0))

        return Completed(log_density, sums)

    return complete
