"""Events back to columns in user units and types."""

from __future__ import annotations

import numpy as np

from tacit.data.column import LOGGED, Column
from tacit.data.schema import Schema

LOG_RANGE = float(np.log(np.finfo(float).tiny)), float(np.log(np.finfo(float).max))
"""Of logarithms whose exponential is a float above zero."""


def decode(schema: Schema, y: np.ndarray) -> dict[str, np.ndarray]:
    """Events (n, D) as columns in user units and types, in the order of the table; the inverse of `encode`.

    Missing cells are NaN in float columns and None in all others; a column that was read from whole numbers
    comes back as whole numbers, rounded. A positive column comes back above zero and finite, however far off.

    Example:
        >>> from tacit.data.encode import encode
        >>> from tacit.data.table import read_table
        >>> table = read_table({"x": [0.5, -1.25, 2.5, 0.0], "s": ["a", "b", "a", None]})
        >>> schema = Schema.infer(table)
        >>> decode(schema, encode(schema, table).y)
        {'x': array([ 0.5 , -1.25,  2.5 ,  0.  ]), 's': array(['a', 'b', 'a', None], dtype=object)}
    """
    layout = schema.layout
    columns: dict[str, np.ndarray] = {}
    for column in schema.modelled:
        if column.levels:
            columns[column.name] = _levels(column, y[:, layout.places(column.name)[0]])
            continue
        if column.grey:
            columns[column.name] = y[:, layout.index("bernoulli", column.name)]
            continue
        if column.kind == "count":
            values = y[:, layout.index("poisson", column.name)]
        else:
            values = (y[:, layout.index("normal", column.name)] + column.center / column.scale) * column.scale
            values = np.exp(np.clip(values, *LOG_RANGE)) if column.kind in LOGGED else values
        if column.kind == "zero-inflated":
            indicator = y[:, layout.index("bernoulli", column.name)]
            values = np.where(indicator == 0, 0.0, np.where(np.isnan(indicator), np.nan, values))
        columns[column.name] = _whole(values) if column.dtype in ("int", "bool") else values
    return columns


def _levels(column: Column, codes: np.ndarray) -> np.ndarray:
    present = ~np.isnan(codes)
    levels = np.array(column.levels, dtype=object)
    if present.all() and column.dtype != "text":
        levels = np.array(column.levels)
    cells = np.full(len(codes), None, dtype=object) if levels.dtype == object else np.zeros(len(codes), levels.dtype)
    cells[present] = levels[codes[present].astype(int)]
    return cells


def _whole(values: np.ndarray) -> np.ndarray:
    """Rounded int64, or objects with None where cells are missing or beyond int64."""
    fits = np.abs(values) < 2.0**63
    if fits.all():
        return np.rint(values).astype(np.int64)
    cells = np.full(len(values), None, dtype=object)
    cells[fits] = np.rint(values[fits]).astype(np.int64)
    return cells
