"""One column of the schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tacit._errors import DataError, shown
from tacit.data.columns import NUMBER, DType, matches
from tacit.data.facts import Facts
from tacit.data.kinds import CONSTANT, MAX_LEVELS, Kind, read_as
from tacit.data.measure import measure
from tacit.data.table import Table

Role = Literal["model", "ignored", "weight", "group", "time"]
ROLES: tuple[Role, ...] = get_args(Role)
Level = str | int | float | bool

CONTINUOUS: tuple[Kind, ...] = ("real", "positive", "zero-inflated")
LOGGED: tuple[Kind, ...] = ("positive", "zero-inflated")
CHOSEN = "chosen by you"  # why a column has its kind
CODED: tuple[Kind, ...] = ("binary", "categorical")


@dataclass(frozen=True)
class Column:
    """How a column is read, and why.

    `levels` are the values of a binary or categorical column in the order of their codes; a binary one without levels
    holds grey levels, numbers from 0 to 1, which are taken as they are. `center`, `scale` and `floor` belong to
    continuous kinds and are in the units of T(value): the value, or its logarithm for the positive and zero-inflated
    kinds; the `center` of a constant column is its value. `floor` is the smallest standard deviation a component may
    have.
    """

    name: str
    kind: Kind
    role: Role = "model"
    dtype: DType = "float"
    levels: tuple[Level, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    floor: float = 0.0
    why: str = ""

    @property
    def modelled(self) -> bool:
        """Whether the column is part of the event."""
        return self.role == "model" and self.kind != "id"

    @property
    def grey(self) -> bool:
        """Whether its cells are numbers from 0 to 1, each the share of ones."""
        return self.modelled and self.kind == "binary" and not self.levels

    @property
    def constant(self) -> bool:
        """Whether it is a number, the same in every cell, which is its `center`: it takes no part in the event."""
        return self.role == "ignored" and self.dtype in ("int", "float") and self.why.startswith(CONSTANT)

    def to_dict(self) -> dict[str, Any]:
        """The column as JSON."""
        return {**self.__dict__, "levels": list(self.levels)}


def fit_column(table: Table, name: str, kind: Kind, why: str) -> Column:
    """A modelled column with its levels, or its centre, scale and floor, measured on the table.

    Raises:
        DataError: a cell does not suit the kind, or there are too few or too many levels.
    """
    facts, dtype = Facts.of(table, name), table.dtype(name)
    if kind in CODED:
        levels = tuple(_level(value) for value in facts.counts[0].tolist())
        _check_levels(table, name, kind, levels)
        return Column(name, kind, dtype=dtype, levels=levels, why=why)
    values = checked_numbers(table, name, kind)
    values = values[~np.isnan(values)]
    if kind == "count":
        return Column(name, kind, dtype=dtype, why=why)
    measured = measure(values[values > 0] if kind in LOGGED else values, log=kind in LOGGED)
    return Column(name, kind, "model", dtype, (), measured.center, measured.scale, measured.floor, why)


def checked_numbers(table: Table, name: str, kind: Kind) -> np.ndarray:
    """The cells of a numeric kind as float64 with NaN for missing.

    Raises:
        DataError: the first cell that does not suit the kind, by line, with its value.
    """
    dtype = table.dtype(name)
    if dtype in ("text", "date", "other"):
        _refuse_text(table, name, kind)
    values = table.numbers(name)
    if dtype == "int" and values.size and np.nanmax(np.abs(values), initial=0.0) > 2.0**53:
        row = int(np.nanargmax(np.abs(values)))
        raise _unsuited(table, row, name, kind, "is beyond 2^53, where float64 cannot tell neighbours apart")
    if kind == "positive" and (values <= 0).any():
        raise _unsuited(table, int(np.argmax(values <= 0)), name, kind, "is not above zero")
    if kind in ("count", "zero-inflated") and (values < 0).any():
        raise _unsuited(table, int(np.argmax(values < 0)), name, kind, "is below zero")
    if kind == "binary" and ((values < 0) | (values > 1)).any():
        raise _unsuited(table, int(np.argmax((values < 0) | (values > 1))), name, kind, "is not between 0 and 1")
    if kind == "count" and (values % 1.0 > 0).any():
        raise _unsuited(table, int(np.argmax(values % 1.0 > 0)), name, kind, "is not a whole number")
    return values


def _refuse_text(table: Table, name: str, kind: Kind) -> None:
    """Raise for the first cell that is present and not a number; a column without cells passes."""
    present = np.flatnonzero(table.present(name))
    if present.size:
        cells = table.column(name).drop_null()
        first = int(np.argmin(matches(cells, NUMBER))) if table.dtype(name) == "text" else 0
        raise _unsuited(table, int(present[first]), name, kind, "is not a number")


def _unsuited(table: Table, row: int, name: str, kind: Kind, reason: str) -> DataError:
    value = table.column(name)[row].as_py()
    return DataError(
        f"{shown(value)} {reason}, but the column is read as {kind}.",
        where=table.where(row, name),
        mend=f"Correct the cell, leave it empty, or choose another kind with {read_as(name, 'KIND')}.",
    )


def _level(value: Any) -> Level:
    return value if isinstance(value, str | bool | int | float) else str(value)


def _check_levels(table: Table, name: str, kind: Kind, levels: tuple[Level, ...]) -> None:
    if kind == "binary" and len(levels) != 2:
        raise DataError(
            f"A binary column has two distinct values; this one has {len(levels)}.",
            where=table.where(column=name),
            mend=f"Choose another kind, such as {read_as(name, 'categorical')}.",
        )
    if len(levels) < 2 or len(levels) > 10 * MAX_LEVELS:
        raise DataError(
            f"A categorical column has between 2 and {10 * MAX_LEVELS} levels; this one has {len(levels)}.",
            where=table.where(column=name),
            mend=f"Leave it out with --drop {name}.",
        )


def level_codes(column: Column, table: Table) -> np.ndarray:
    """Codes 0..L-1 as float64, NaN for missing cells and -1 for values that are no level.

    Numbers and truth values meet text levels and the other way round, since the same column may come as either: a
    cell that reads as one is the level of the same text, or else the only level that reads as the same.
    """
    cells = table.column(column.name)
    present = table.present(column.name)
    codes = np.full(len(table), np.nan)
    if isinstance(column.levels[0], str):
        if (dtype := table.dtype(column.name)) in ("int", "float", "bool"):
            codes[present] = _codes_by_value(column.levels, cells.drop_null(), dtype)
            return codes
        cells, levels = pc.cast(cells, pa.string()), pa.array(column.levels, pa.string())
    elif table.dtype(column.name) in ("int", "float", "bool"):
        cells, levels = pc.cast(cells, pa.float64(), safe=False), pa.array(map(float, column.levels))
    else:
        levels = pa.array([str(level) for level in column.levels])
        cells = pc.cast(cells, pa.string())
    found = pc.fill_null(pc.index_in(cells, value_set=levels), -1)
    codes[present] = found.to_numpy(zero_copy_only=False)[present]
    return codes


def _codes_by_value(levels: tuple[Level, ...], cells: pa.Array, dtype: DType) -> np.ndarray:
    """Codes of numbers or truth values (n,) among levels that are text, -1 for none: "1e5" is 100000."""
    texts = [str(level) for level in levels]
    codes = pc.fill_null(pc.index_in(pc.cast(cells, pa.string()), value_set=pa.array(texts)), -1).to_numpy()
    values = [_as_number(text, dtype) for text in texts]
    once = [value if values.count(value) == 1 else None for value in values]
    numbers = pc.cast(cells, pa.float64(), safe=False)
    by_value = pc.fill_null(pc.index_in(numbers, value_set=pa.array(once, pa.float64())), -1).to_numpy()
    return np.where(codes >= 0, codes, by_value)


def _as_number(text: str, dtype: DType) -> float | None:
    """The number that a text reads as, 0 or 1 for a truth value; None for other text."""
    if dtype == "bool":
        return {"false": 0.0, "true": 1.0}.get(text.lower())
    return float(text) if re.match(NUMBER, text) else None
