"""Which arrays of a model are trained: all floating ones, except those inside `Fixed`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from tacit._typing import Array


class Fixed(eqx.Module):
    """Numbers that belong to a model but are not trained: a scale floor, a standardisation, a given temperature.

    >>> import jax.numpy as jnp
    >>> trained, rest = partition((jnp.ones(2), Fixed(jnp.zeros(3))))
    >>> trained
    (Array([1., 1.], dtype=float32), Fixed(value=None))
    """

    value: Array


def partition(tree: PyTree) -> tuple[PyTree, PyTree]:
    """The tree with everything that is not trained replaced by None, and the tree with the rest."""

    spec = jax.tree.map(_trained, tree, is_leaf=lambda node: isinstance(node, Fixed))
    return eqx.partition(tree, spec)


def _trained(node: Any) -> bool:
    return not isinstance(node, Fixed) and eqx.is_inexact_array(node)
