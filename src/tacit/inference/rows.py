"""Exact inference of a finite mixture for many rows at once, holes allowed: NumPy in, NumPy out, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from tacit._device import compiled_lean
from tacit._typing import Array
from tacit.distributions import Product
from tacit.inference.tiles import map_rows
from tacit.models import FiniteMixture

PATTERNS = 64  # of missing cells at once


class _Row(NamedTuple):
    """What a row-wise answer may use. Work on `marginal` and `pattern` alone is shared by the rows of a tile."""

    model: FiniteMixture
    marginal: FiniteMixture  # of the cells present in the pattern
    pattern: Bool[Array, " d"]  # of the columns modelled jointly; the same for all rows of the tile
    y: Float[Array, " d"]
    observed: Bool[Array, " d"]
    index: Int[Array, ""]  # place of the row in the table

    def log_joints(self) -> Float[Array, " k"]:
        densities = jax.vmap(lambda component: component.log_density(self.y, self.observed))
        return jax.nn.log_softmax(self.model.log_weights) + densities(self.marginal.components)


def _over_rows(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Turn `answer(row, *extra)` into a compiled function of (model, y (n, d) with NaN for missing, *extra)."""

    @compiled_lean
    def over_tiles(model: FiniteMixture, y: Array, observed: Array, index: Array, extra: Any) -> Any:
        def tile(inputs: tuple[Array, Array, Array]) -> Any:
            pattern = inputs[1][0]
            marginal = model.marginal(pattern)
            return jax.vmap(lambda *row: answer(_Row(model, marginal, pattern, *row), *extra))(*inputs)

        return jax.lax.map(tile, (y, observed, index))

    def apply(model: FiniteMixture, y: Float[np.ndarray, "n d"], *extra: Any) -> Any:
        y = np.asarray(y, float)
        with jax.enable_x64(True):
            model, extra = jax.tree.map(jnp.asarray, (model, extra))
            return map_rows(
                lambda tiles, observed, index: over_tiles(model, tiles, observed, index, extra),
                y,
                width=model.n_components * y.shape[1],
                pattern_columns=model.components.pattern_columns,
            )

    apply.__name__, apply.__doc__ = answer.__name__, answer.__doc__
    return apply


@_over_rows
def log_joints(row: _Row) -> Float[Array, " k"]:
    """`log w_k + log p(y | theta_k)` of the present cells, (n, k), in nats."""
    return row.log_joints()


def log_densities(
    model: FiniteMixture, y: Float[np.ndarray, "n d"], patterns: Bool[np.ndarray, "p d"]
) -> Iterator[Float[np.ndarray, " n"]]:
    """`log p` of the cells of complete rows that a pattern leaves, in nats, for one pattern after the other.

    The same as `log_joints` with NaN in the other cells, without sorting rows by what they lack.
    """
    with jax.enable_x64(True):
        model, rows = jax.tree.map(jnp.asarray, (model, np.asarray(y, float)))
        for start in range(0, len(patterns), PATTERNS):
            some = patterns[start : start + PATTERNS]
            size = 1 << (len(some) - 1).bit_length()  # few sizes, so that few programs are compiled
            filled = np.concatenate([some, np.repeat(some[-1:], size - len(some), axis=0)])
            yield from np.asarray(_under(model, rows, jnp.asarray(filled)))[: len(some)]


@compiled_lean
def _under(model: FiniteMixture, y: Array, patterns: Array) -> Float[Array, "p n"]:
    def tile(pattern: Array) -> Array:
        marginal, left = model.marginal(pattern), jnp.where(pattern, y, 0.0)
        rows = jax.vmap(lambda row: _Row(model, marginal, pattern, row, pattern, jnp.int32(0)).log_joints())
        return jax.nn.logsumexp(rows(left), axis=1)

    return jax.lax.map(tile, patterns)


@_over_rows
def conditional_normals(row: _Row, column: Int[Array, ""]) -> tuple[Array, Array, Array]:
    """Log joints, and each component's mean and variance of one normal column given the present cells: (n, k) each.

    The normal block comes first; `column` is a place in it.
    """
    components = row.model.components
    normal = components.blocks[0] if isinstance(components, Product) else components
    d = normal.n_columns
    given = jax.vmap(lambda component: component.given(row.y[:d], row.pattern[:d]))(normal)
    variance = given.variance * jnp.ones_like(given.loc)
    return row.log_joints(), given.loc[:, column], variance[:, column]


@_over_rows
def draws(row: _Row, keys: Array) -> tuple[Int[Array, " s"], Float[Array, "s d"]]:
    """For each of s keys a component from the posterior, and the row with its missing cells drawn: (n, s) (n, s, d)."""
    logits = row.log_joints()

    def draw(key: Array) -> tuple[Array, Array]:
        key_z, key_y = jax.random.split(jax.random.fold_in(key, row.index))
        z = jax.random.categorical(key_z, logits)
        component = jax.tree.map(lambda a: a[z], row.model.components)
        drawn = component.given(row.y, row.pattern).sample(key_y)
        return z, jnp.where(row.observed, row.y, drawn)

    return jax.vmap(draw)(keys)
