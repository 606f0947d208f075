"""First and second moments packed in one vector: [y_i y_j for i <= j, y, 1]."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Scalar


def pack(second: Float[Array, "d d"], first: Float[Array, " d"], mass: Scalar) -> Float[Array, " t"]:
    """Symmetric second moments, first moments and mass as one vector."""
    rows, columns = np.triu_indices(first.shape[0])
    return jnp.concatenate([second[rows, columns], first, mass[None]])


def unpack(packed: Float[Array, " t"], d: int) -> tuple[Float[Array, "d d"], Float[Array, " d"], Scalar]:
    """The inverse of `pack`."""
    place = np.zeros((d, d), int)
    place[np.triu_indices(d)] = np.arange(d * (d + 1) // 2)
    place = np.maximum(place, place.T)  # both triangles read the one that is stored: a gather, no slow scatter
    return packed[place], packed[-1 - d : -1], packed[-1]


def products(y: Float[Array, " d"]) -> Float[Array, " t"]:
    """Packed moments of one row.

    Slices, not a gather: under vmap each is one strided multiplication, and the tile is built at memory speed.
    """
    d = y.shape[0]
    return jnp.concatenate([y[i] * y[i:] for i in range(d)] + [y, jnp.ones(1, y.dtype)])
