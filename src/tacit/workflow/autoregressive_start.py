"""Columns one after the other before training: whether rows can be read so, and what the network begins with."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._errors import DataError
from tacit._typing import Key
from tacit.data.schema import Schema
from tacit.distributions.autoregressive_columns import AutoregressiveColumns
from tacit.models import AutoregressiveTable
from tacit.models.autoregressive_table import MODES
from tacit.workflow.latent_columns import log_odds, log_shares

WIDEST = 5000  # numbers of all columns together that the network reads and gives: the square of it are its weights


def obstacle(schema: Schema, y: Float[np.ndarray, "n d"]) -> str | None:
    """Why events have no such density; None where they have."""
    if any(column.kind == "zero-inflated" for column in schema.modelled):
        return "columns of zeros and positive values are not autoregressive"
    if any(column.grey for column in schema.modelled):
        return "grey levels are scored, but cannot be drawn, and the next column would read what was drawn"
    if np.isnan(y).any():
        return "some cells are missing"
    return None


def check_readable(schema: Schema, y: Float[np.ndarray, "n d"]) -> None:
    """Raise `DataError` where there is an obstacle."""
    why = obstacle(schema, y)
    if why is not None:
        what = f"{why}: columns one after the other need all cells before them."
        lacking = np.flatnonzero(np.isnan(y).any(axis=1))
        place = f"row {lacking[0] + 1}" if len(lacking) else ""
        raise DataError(what, where=place, mend="Leave these rows or columns out, or use decoder='independent'.")


def density_of(
    key: Key,
    schema: Schema,
    y: Float[np.ndarray, "n d"],
    weight: Float[np.ndarray, " n"],
    *,
    widths: Sequence[int],
    activation: str,
    n_context: int = 0,
    least: float = 0.0,
) -> AutoregressiveTable:
    """The density before training, given a vector of `n_context`: bits, codes and counts begin at their frequencies.

    No normal of a real column is narrower than the column's floor, or than `least` in its scale. Raises `DataError`
    where the rows cannot be read so, or where the network would be too large.
    """
    check_readable(schema, y)
    layout = schema.layout
    floor = np.array([max(schema[name].floor / schema[name].scale, least) for name in layout.normal])
    means = np.average(y[:, layout.span("poisson")], axis=0, weights=weight)
    levels = layout.levels
    log_means = np.log(np.maximum(means, 1e-3))
    width = y.shape[1] * AutoregressiveColumns.channels(len(floor), levels, MODES)
    if width > WIDEST:
        what = (
            f"a network from column to column would read {width:,} numbers, {width**2:,} weights (at most {WIDEST:,})."
        )
        raise DataError(what, mend="Leave columns, or one of very many levels, out, or use decoder='independent'.")
    table = AutoregressiveTable.init(
        key,
        floor,
        len(layout.bernoulli),
        levels,
        log_means,
        widths,
        n_context=n_context,
        activation=activation,
    )
    start = np.zeros((y.shape[1], table.network.channels))
    start[layout.span("bernoulli"), 0] = log_odds(schema, y, weight)
    for place, logs in enumerate(log_shares(schema, y, weight), start=layout.span("categorical").start):
        start[place, : len(logs)] = logs
    last = table.network.layers[-1]
    bias = last.bias + jnp.asarray(start.reshape(-1), last.bias.dtype)
    found: AutoregressiveTable = eqx.tree_at(lambda t: t.network.layers[-1].bias, table, bias)
    return found
