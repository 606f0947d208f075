"""A table back with its missing cells filled, and every other cell as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tacit._errors import few
from tacit.data.column import CONTINUOUS
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.workflow.table_mixture import TableMixture


class Decodes(Protocol):
    """A model of the columns of a table."""

    @property
    def schema(self) -> Schema:
        """How they are read."""

    def decode(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Events as columns in the user's units."""


def filled(model: Decodes, table: Table, y: np.ndarray) -> pa.Table:
    """The table with the empty cells of its modelled columns taken from the events (n, D).

    Columns and their order are those of the table, and so are their types, unless what fills a column is not of its
    type: where the present cells of this table happen to be whole, or a text column has only numbers in it.
    """
    found = model.decode(y)
    columns = [
        _fill(table.column(name), found[name], model.schema[name].dtype) if name in found else table.column(name)
        for name in table.names
    ]
    return pa.table(columns, names=list(table.names))


def left_missing(model: Decodes, table: Table) -> str | None:
    """Which missing cells `filled` leaves, in a sentence: those of columns that the model does not have."""
    left = [name for name in table.names if name not in model.schema.names and table.column(name).null_count]
    return f"missing cells of {few(left)} stay as they are: columns that the model does not have" if left else None


def with_given(model: TableMixture, columns: dict[str, np.ndarray], given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Decoded columns with the numbers as they were given, where the way to the model's units and back rounds them."""
    exact = {}
    for name, value in given.items():
        if model.schema[name].kind in CONTINUOUS:
            number, found = float(str(value)), columns[name]
            whole = found.dtype.kind == "i" and number.is_integer()
            exact[name] = np.full(len(found), number, found.dtype if whole else float)
    return {**columns, **exact}


def _fill(cells: pa.Array, values: np.ndarray, dtype: str) -> pa.Array:
    """Only the empty cells, of a column that was fitted as `dtype`; an entirely empty one takes the type of the new."""
    if not cells.null_count:
        return cells
    new = pa.array(values, from_pandas=True)
    if cells.null_count == len(cells):
        return new
    if pa.types.is_integer(cells.type) and pa.types.is_floating(new.type) and dtype == "int":
        new = pc.round(new)
    is_empty = pa.array(cells.is_null())
    try:
        return pc.if_else(is_empty, new.cast(cells.type), cells)
    except pa.ArrowInvalid:  # it would lose something
        return pc.if_else(is_empty, new, cells.cast(new.type))
