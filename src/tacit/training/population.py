"""Members that are trained together: one more leading axis on every array, and the rows that each of them sees."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, PyTree

from tacit._device import placed


class Population(NamedTuple):
    """The rows of each of m members; a place out of the table is padding.

    `rows` (m, r) are trained on; `validation` (m, v) judge every epoch, and the best parameters are kept.
    """

    rows: Int[np.ndarray, "m r"]
    validation: Int[np.ndarray, "m v"]

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.rows)

    def take(self, members: Int[np.ndarray, " a"]) -> Self:
        """Some of the members."""
        return type(self)(self.rows[members], self.validation[members])


def stack(trees: list[Any]) -> Any:
    """Trees of one structure as one tree with a leading member axis on every array."""
    return jax.tree.map(lambda *leaves: _laid(np.stack, leaves) if eqx.is_array(leaves[0]) else leaves[0], *trees)


def take(tree: PyTree, members: Any) -> Any:
    """Some of the members of a stacked tree (an index: one of them, without the axis)."""

    def taken(leaf: Any) -> Any:
        return _laid(lambda arrays: arrays[0][members], (leaf,)) if eqx.is_array(leaf) else leaf

    return jax.tree.map(taken, tree)


def spread_settings(tree: PyTree, size: int) -> Any:
    """Numbers that all members share become one a member; arrays are taken to have the member axis."""

    def spread(leaf: Any) -> Any:
        if isinstance(leaf, bool | int) or not (isinstance(leaf, float) or eqx.is_inexact_array_like(leaf)):
            return leaf
        array = np.asarray(leaf)
        return placed(np.broadcast_to(array, (size,)) if array.ndim == 0 else array, jnp.result_type(float))

    return jax.tree.map(spread, tree)


def _laid(function: Any, arrays: Any) -> jax.Array:
    """A rearrangement of arrays, made by NumPy: nothing is compiled for it."""
    if not jnp.issubdtype(arrays[0].dtype, jax.dtypes.prng_key):
        return placed(function([np.asarray(a) for a in arrays]))
    implementation = jax.random.key_impl(arrays[0])
    plain = function([np.asarray(jax.random.key_data(a)) for a in arrays])
    return jax.random.wrap_key_data(placed(plain), impl=implementation)
