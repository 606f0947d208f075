"""A random key for a row, from what the row holds; and what that means for the error of a mean over rows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

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


def error_over_draws(error: Float[np.ndarray, " n"], share: Float[np.ndarray, " n"], *cells: Any) -> float:
    """The Monte Carlo error of `sum_n share_n value_n`, where rows with equal cells (n, d) have the same draws.

    Errors of rows that differ are independent; those of rows that are equal add up.

    >>> error, share = np.ones(4), np.full(4, 0.25)
    >>> error_over_draws(error, share, np.arange(4.0)[:, None]), error_over_draws(error, share, np.zeros((4, 1)))
    (0.5, 1.0)
    """
    held = np.column_stack([np.nan_to_num(np.asarray(a, np.float64), nan=np.inf) for a in cells if a is not None])
    place: dict[bytes, int] = {}
    row = [place.setdefault(cells.tobytes(), len(place)) for cells in held + 0.0]  # + 0: -0 is 0
    return float(np.sqrt(np.sum(np.bincount(row, share * error) ** 2)))
