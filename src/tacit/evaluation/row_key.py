"""A random key for a row, from what the row holds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._typing import Key


def row_key(key: Key, *cells: Any) -> Key:
    """A key that depends on `key` and on the cells of a row (arrays; None is left out), not on the row's place.

    So a row has the same draws, and the same estimate, in any table and order; rows that are equal share theirs.

    >>> a, b = (row_key(jax.random.key(0), jnp.array([1.0, y])) for y in (2.0, 2.5))
    >>> bool(a == row_key(jax.random.key(0), jnp.array([1.0, 2.0]))), bool(a == b)
    (True, False)
    """
    found = [jnp.ravel(a).astype(jnp.float32) + 0.0 for a in cells if a is not None]  # + 0: -0 is 0
    bits = jax.lax.bitcast_convert_type(jnp.concatenate(found), jnp.uint32)
    places = np.arange(1, bits.shape[0] + 1, dtype=np.uint32)
    odd = jnp.asarray(places * np.uint32(2654435761) | np.uint32(1))
    mixed = (bits ^ (bits >> 15)) * odd
    return jax.random.fold_in(key, jnp.sum(mixed ^ (mixed >> 13), dtype=jnp.uint32))
