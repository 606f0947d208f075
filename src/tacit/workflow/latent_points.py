"""Single values of columns from their families: moments that average over latents, and the best values they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from tacit._typing import Array
from tacit.data.column import Column
from tacit.data.decode import decode
from tacit.data.schema import Schema
from tacit.distributions import (
    AbstractDistribution,
    Bernoulli,
    CategoricalColumns,
    DiagonalNormal,
    MultivariateNormal,
    Product,
)
from tacit.workflow.latent_rows import BITS


def moments(family: AbstractDistribution) -> Float[Array, " m"]:
    """Means of normals, probabilities of ones and of levels, rates of counts: block by block, in the event's order."""
    blocks: Any = family.blocks if isinstance(family, Product) else (family,)
    return jnp.concatenate([_moments(block) for block in blocks])


def _moments(block: Any) -> Array:
    if isinstance(block, DiagonalNormal | MultivariateNormal):
        return block.loc
    if isinstance(block, Bernoulli):
        return block.probs
    return block.probs.ravel() if isinstance(block, CategoricalColumns) else block.rate


def one_by_one(
    family: AbstractDistribution, y: Float[Array, " d"], observed: Bool[Array, " d"] | None
) -> AbstractDistribution:
    """The family with every real column by itself: missing ones given those present, and present ones unconditionally.

    Only normals that vary together are changed by that; y holds 0 in missing cells.
    """

    def moments_of(normal: MultivariateNormal) -> tuple[Array, Array]:
        if observed is None:
            return normal.loc, normal.variance
        seen = observed[: normal.n_columns]
        given, left = normal.moments_given(y[: normal.n_columns], seen)
        return jnp.where(seen, normal.loc, given), jnp.where(seen, normal.variance, left)

    return _apart(family, moments_of)


def given_rest(
    family: AbstractDistribution, y: Float[Array, " d"], observed: Bool[Array, " d"]
) -> AbstractDistribution:
    """The family with every present real column by itself, given the other present ones."""
    return _apart(family, lambda normal: normal.moments_given_rest(y[: normal.n_columns], observed[: normal.n_columns]))


def _apart(
    family: AbstractDistribution, moments_of: Callable[[MultivariateNormal], tuple[Array, Array]]
) -> AbstractDistribution:
    """The family with independent normals of these means and variances for those that vary together, if some do."""
    normal, *others = family.blocks if isinstance(family, Product) else (family,)
    if not isinstance(normal, MultivariateNormal):
        return family
    loc, variance = moments_of(normal)
    least = jnp.exp(2 * jnp.diagonal(normal.raw))  # of each column given all before it; rounding may take it lower
    alone = DiagonalNormal(loc, 0.5 * jnp.log(jnp.maximum(variance, 1e-3 * least)))
    return Product((alone, *others)) if others else alone


def best_columns(schema: Schema, found: Float[np.ndarray, "n m"]) -> dict[str, np.ndarray]:
    """Columns in the user's units from moments: one value for every cell.

    The mean of a real column, the median of a positive or count one, the most probable level; of a column of zeros and
    ones, or of grey levels, the probability of a one.
    """
    columns = decode(schema, best_events(schema, found))
    start = len(schema.layout.normal)
    for place, name in enumerate(schema.layout.bernoulli, start=start):
        if schema[name].levels == BITS or schema[name].grey:
            columns[name] = found[:, place]
    return columns


def best_events(schema: Schema, found: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n d"]:
    """The same as encoded rows: a bit is 1 where that is the more probable, a grey level the probability."""
    layout = schema.layout
    y = np.full((len(found), layout.width), np.nan)
    plain = layout.span("bernoulli").stop
    y[:, :plain] = found[:, :plain]
    grey = np.array([schema[name].grey for name in layout.bernoulli], bool)
    ones = found[:, layout.span("bernoulli")]
    y[:, layout.span("bernoulli")] = np.where(grey, ones, ones > 0.5)
    start = plain
    for place, (_, size) in enumerate(layout.categorical, start=layout.span("categorical").start):
        y[:, place] = found[:, start : start + size].argmax(axis=1)
        start += size
    from scipy import stats  # costly to import, and few commands need it

    y[:, layout.span("poisson")] = stats.poisson.median(np.maximum(found[:, start:], 1e-12))
    for name in set(layout.normal) & set(layout.bernoulli):
        zero = y[:, layout.index("bernoulli", name)] == 0
        y[zero, layout.index("normal", name)] = np.nan
    return y


def encoded_values(column: Column, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n p"]:
    """Numbers of a positive, zero-inflated or count column as its places of an event hold them."""
    if column.kind == "count":
        return np.asarray(values, float)[:, None]
    with np.errstate(divide="ignore"):
        logs = np.log(np.clip(values, 0.0, np.finfo(float).max))
    located = np.where(values > 0, np.maximum(logs, -745.0) / column.scale - column.center / column.scale, np.nan)
    if column.kind == "positive":
        return located[:, None]
    return np.stack([located, (values > 0).astype(float)], axis=1)
