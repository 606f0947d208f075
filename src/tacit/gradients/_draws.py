"""One function of every draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def each(function: Callable[..., Any], *draws: Any) -> Any:
    """`function` of every draw along a leading axis: `jax.vmap`, but of a single draw without the axis.

    Matrix products without that axis are plain ones, which takes a tenth off the step of a large network.

    >>> import jax.numpy as jnp
    >>> print(each(lambda z: 2 * z, jnp.ones(1)), each(lambda z: 2 * z, jnp.ones(2)))
    [2.] [2. 2.]
    """
    if jax.tree.leaves(draws)[0].shape[0] > 1:
        return jax.vmap(function)(*draws)
    found = function(*jax.tree.map(lambda a: a[0], draws))
    return jax.tree.map(lambda a: a[None], found)
