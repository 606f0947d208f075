"""The columns that weigh, group and order rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tacit._errors import DataError
from tacit.data.column import Role, checked_numbers
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.data.table import Table

_FAR_FEWER = 4  # times fewer rows by weight than there are


def row_weights(schema: Schema, table: Table) -> np.ndarray:
    """Row weights (n,): ones without a weight column.

    Raises:
        DataError: the column is lacking, a weight is missing or negative, or all are zero.
    """
    name = _holder(schema, table, "weight")
    if name is None:
        return np.ones(len(table))
    weight = checked_numbers(table, name, "real")
    if (weight < 0).any():
        where = table.where(int(np.argmax(weight < 0)), name)
        raise DataError("The weight is negative.", where=where, mend="Give zero or more.")
    if not weight.any():
        where = table.where(column=name)
        raise DataError("All weights are zero.", where=where, mend="Give some row a weight.")
    return weight


def few_by_weight(weight: np.ndarray | None) -> list[Finding]:
    """A warning where the weights of rows sum to far less than their number: they are taken as counts of rows."""
    n = 0 if weight is None else int(np.count_nonzero(weight))
    total = 0.0 if weight is None else float(np.sum(weight))
    if total >= n / _FAR_FEWER:
        return []
    message = (
        f"The weights of {n:,} rows sum to {total:.3g}. A weight counts a row as so many: fit, choice and BIC are "
        f"those of {total:.3g} rows."
    )
    return [Finding("warning", "few-by-weight", message, mend="Scale them to sum to the number of rows there are.")]


def group_codes(schema: Schema, table: Table) -> np.ndarray | None:
    """Codes 0.. (n,) of the group of each row, in order of appearance; None without a group column."""
    name = _holder(schema, table, "group")
    if name is None:
        return None
    encoded = pc.dictionary_encode(table.column(name))
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False)).astype(np.int64)


def time_order(schema: Schema, table: Table) -> np.ndarray | None:
    """Times (n,): numbers as they are, dates and moments as seconds; None without a time column.

    Raises:
        DataError: the column is lacking, has missing cells, or holds neither numbers nor dates.
    """
    name = _holder(schema, table, "time")
    if name is None or table.dtype(name) in ("int", "float"):
        return None if name is None else table.numbers(name)
    cells = table.column(name)
    for moment in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            ticks = pc.cast(pc.cast(cells, moment, safe=False), pa.int64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        return np.asarray(ticks.to_numpy(zero_copy_only=False)) / 1e6
    raise DataError(
        "The time column holds neither numbers nor ISO dates of one form.",
        where=table.where(column=name),
        mend="Write dates as 2026-01-31.",
    )


def _holder(schema: Schema, table: Table, role: Role) -> str | None:
    """The name of the column with the role, once it is known to be there without a missing cell."""
    column = schema.with_role(role)
    if column is None:
        return None
    if column.name not in table.names:
        raise DataError(f"The table lacks the {role} column {column.name!r}.", where=table.source, mend="Add it.")
    present = table.present(column.name)
    if not present.all():
        where = table.where(int(np.argmin(present)), column.name)
        raise DataError(f"The {role} is missing.", where=where, mend="Fill the cell.")
    return column.name
