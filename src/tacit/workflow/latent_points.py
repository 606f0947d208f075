"""Single values of columns from their families: moments that average over latents, and the best values they make."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array
from tacit.data.decode import decode
from tacit.data.schema import Schema
from tacit.distributions import AbstractDistribution, Bernoulli, CategoricalColumn, DiagonalNormal, Product
from tacit.workflow.latent_rows import BITS


def moments(family: AbstractDistribution) -> Float[Array, " m"]:
    """Means of normals, probabilities of ones and of levels, rates of counts: block by block, in the event's order."""
    blocks: Any = family.blocks if isinstance(family, Product) else (family,)
    return jnp.concatenate([_moments(block) for block in blocks])


def _moments(block: Any) -> Array:
    if isinstance(block, DiagonalNormal):
        return block.loc
    if isinstance(block, Bernoulli):
        return block.probs
    return jax.nn.softmax(block.logits) if isinstance(block, CategoricalColumn) else block.rate


def best_columns(schema: Schema, found: Float[np.ndarray, "n m"]) -> dict[str, np.ndarray]:
    """Columns in the user's units from moments: one value for every cell.

    The mean of a real column, the median of a positive or count one, the most probable level; of a column of zeros and
    ones the probability of a one.
    """
    columns = decode(schema, best_events(schema, found))
    start = len(schema.layout.normal)
    for place, name in enumerate(schema.layout.bernoulli, start=start):
        if schema[name].levels == BITS:
            columns[name] = found[:, place]
    return columns


def best_events(schema: Schema, found: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n d"]:
    """The same as encoded rows: a bit is 1 where that is the more probable."""
    layout = schema.layout
    y = np.full((len(found), layout.width), np.nan)
    plain = layout.span("bernoulli").stop
    y[:, :plain] = found[:, :plain]
    y[:, layout.span("bernoulli")] = found[:, layout.span("bernoulli")] > 0.5
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
