"""How a deep model reads the columns of a table: by their kinds, or all as one likelihood says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Bool, Float

from tacit._errors import DataError, UsageError, shown
from tacit.data.column import CHOSEN, Column, fit_column
from tacit.data.encode import Rows, encode
from tacit.data.findings import Finding
from tacit.data.kinds import Kind
from tacit.data.schema import Schema
from tacit.data.table import Table

LIKELIHOODS: dict[str, Kind | None] = {
    "auto": None,
    "bernoulli": "binary",
    "gaussian": "real",
    "log-normal": "positive",
    "poisson": "count",
    "categorical": "categorical",
}
"""The kind that every column is read as; None leaves it to the values."""

FAR = 1e15  # the largest number in model units that single precision is asked to hold: its square is summed over cells
BITS = (0, 1)  # levels of a column of a 0/1 table
MOST_LEVELS = 20  # of a column whose values hardly ever come twice


def read_columns(table: Table, likelihood: str, types: Mapping[str, str] | None = None) -> Schema:
    """The schema of a table by the name of a likelihood.

    A table of numbers that are all 0 or 1 has Bernoulli columns, constant ones too: pixels of an image that are never
    on are part of it. With "bernoulli" other numbers from 0 to 1 are grey levels. Raises `UsageError` for an unknown
    likelihood, `DataError` for cells that do not suit it.
    """
    if likelihood not in LIKELIHOODS:
        known = ", ".join(LIKELIHOODS)
        raise UsageError(f"{likelihood!r} is no likelihood.", where="likelihood", mend=f"Use one of {known}.")
    if likelihood == "auto":
        return bits_schema(table) if not types and holds_bits(table) else Schema.infer(table, types=types)
    if types:
        mend = "Leave types out, or use likelihood='auto'."
        raise UsageError("a likelihood says it of all columns already.", where="types", mend=mend)
    if likelihood == "bernoulli":
        _check_shares(table)
        return bits_schema(table) if holds_bits(table) else Schema(tuple(_grey(table, name) for name in table.names))
    schema = Schema.infer(table)
    if likelihood == "categorical":
        _check_repeated(table, schema.names)
    with _as_likelihoods_say():
        return Schema.infer(table, types=dict.fromkeys(schema.names, str(LIKELIHOODS[likelihood])))


def with_likelihood(table: Table, schema: Schema, likelihood: str) -> Schema:
    """A schema that was inferred or given, with its modelled columns read as the name of a likelihood says.

    With "auto" columns stay as they are, unless all of them hold the numbers 0 and 1 only and the kind of none was
    chosen: then they are Bernoulli, and so are constant ones, as in `read_columns`. Raises as that does.
    """
    if likelihood not in LIKELIHOODS:
        read_columns(table, likelihood)
    kind = LIKELIHOODS[likelihood]
    chosen = [one.name for one in schema.modelled if one.why == CHOSEN]
    if chosen and kind is None:
        return schema
    if chosen:
        mend = "Leave --type out, or --set likelihood."
        raise UsageError("a likelihood says it of all columns already.", where=f"--type {chosen[0]}", mend=mend)
    plain = only(table, [one.name for one in schema.modelled])
    if kind == "binary":
        _check_shares(plain)
    if kind == "binary" or (kind is None and holds_bits(plain)):
        idle = [one.name for one in schema.columns if one.role == "ignored" and one.why != CHOSEN]
        fits, read = (holds_bits, _bit) if holds_bits(plain) else (_holds_shares, _grey)
        pixels = {*plain.names, *(name for name in idle if fits(only(table, [name])))}
        return Schema(tuple(read(table, one.name) if one.name in pixels else one for one in schema.columns))
    if kind is None:
        return schema
    if kind == "categorical":
        _check_repeated(table, schema.names)
    with _as_likelihoods_say():
        return Schema(tuple(fit_column(table, c.name, kind, CHOSEN) if c.modelled else c for c in schema.columns))


@contextmanager
def _as_likelihoods_say() -> Iterator[None]:
    """What a column that does not suit a likelihood is told: another likelihood mends it, its kind cannot be chosen."""
    try:
        yield
    except DataError as error:
        mend = "Correct the cell, leave the column out, or use likelihood='auto'."
        raise DataError(error.what, where=error.where, mend=mend) from None


def bits_schema(table: Table) -> Schema:
    """Every column of a table as 0 or 1."""
    return Schema(tuple(_bit(table, name) for name in table.names))


def _bit(table: Table, name: str) -> Column:
    return Column(name, "binary", dtype=table.dtype(name), levels=BITS, why="0 or 1, as all columns")


def _grey(table: Table, name: str) -> Column:
    return Column(name, "binary", dtype=table.dtype(name), why="grey levels from 0 to 1, as all columns")


def only(table: Table, names: list[str]) -> Table:
    """The table of these columns."""
    return replace(table, data=table.data.select(names))


def holds_bits(table: Table) -> bool:
    """Whether every cell that is present is the number 0 or 1."""
    return all(is_number(table, name) and not _odd(table.numbers(name)).any() for name in table.names)


def _holds_shares(table: Table) -> bool:
    """Whether every cell that is present is a number from 0 to 1."""
    return all(is_number(table, name) and not _outside(table.numbers(name)).any() for name in table.names)


def encode_rows(schema: Schema, table: Table, *, require: str = "all") -> Rows:
    """`encode` without roles; a table of pixels is read in one piece. Raises as `encode` does."""
    names = schema.names
    grey = all(column.grey for column in schema.modelled)
    plain = grey or all(column.levels == BITS for column in schema.modelled)
    plain = plain and set(names) <= set(table.names)
    if plain and all(is_number(table, name) for name in names):
        y = np.stack([table.numbers(name) for name in names], axis=1)
        if not (_outside(y) if grey else _odd(y)).any() and not np.isnan(y).all(axis=1).any():
            return Rows(y, np.zeros(len(y)), np.ones(len(y)))
    return encode(schema, table, require="any" if require == "any" else "all", roles=False)


@dataclass(frozen=True, eq=False)
class Cells:
    """Encoded rows as models take them: 0 where a cell is missing; `observed` is None where none is."""

    y: Float[np.ndarray, "n d"]
    observed: Bool[np.ndarray, "n d"] | None

    @classmethod
    def of(cls, y: Float[np.ndarray, "n d"]) -> Cells:
        """From events with NaN where a cell is missing."""
        missing = np.isnan(y)
        return cls(np.where(missing, 0.0, y), ~missing if missing.any() else None)


def within_reach(schema: Schema, y: Float[np.ndarray, "n d"], reach: float) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Rows as training sees them: real cells that lie further off than `reach` are taken to lie there."""
    span = schema.layout.span("normal")
    far = np.abs(y[:, span]) > reach
    if not far.any():
        return y, ()
    near = y.copy()
    near[:, span] = np.clip(y[:, span], -reach, reach)
    found = [
        Finding(
            "warning",
            "far-cells",
            f"{count} value{'s lie' if count > 1 else ' lies'} more than {reach:g} standard units off; training takes "
            f"{'them' if count > 1 else 'it'} to lie there.",
            name,
            "Correct them if they are wrong; their own densities are low.",
        )
        for name, count in zip(schema.layout.normal, far.sum(axis=0), strict=True)
        if count
    ]
    return near, tuple(found)


def is_number(table: Table, name: str) -> bool:
    """Whether the cells of a column are numbers, or truth values."""
    return table.dtype(name) in ("int", "float", "bool")


def _odd(values: np.ndarray) -> np.ndarray:
    """Which cells are there and neither 0 nor 1."""
    return ~(np.isnan(values) | (values == 0.0) | (values == 1.0))


def _outside(values: np.ndarray) -> np.ndarray:
    """Which cells are there and not between 0 and 1."""
    return (values < 0.0) | (values > 1.0)


def _check_repeated(table: Table, names: Iterable[str]) -> None:
    """Raise `DataError` for a column of which next to no value comes twice: as levels they would say nothing."""
    for name in names:
        present = int(table.present(name).sum())
        levels = pc.count_distinct(table.column(name), mode="only_valid").as_py()
        if levels > MOST_LEVELS and levels > present / 2:
            what = f"it has {levels:,} values in {present:,} rows, and a categorical likelihood makes each a level."
            raise DataError(
                what, where=table.where(column=name), mend="Use likelihood='auto', or leave the column out."
            )


def _check_shares(table: Table) -> None:
    for name in table.names:
        odd = _outside(table.numbers(name)) if is_number(table, name) else table.present(name)
        if odd.any():
            row = int(np.argmax(odd))
            value = table.column(name)[row].as_py()
            mend = "Divide grey levels by the largest there can be (X / 255), or use likelihood='auto'."
            what = f"{shown(value)} is neither 0 nor 1 nor a grey level between, as a Bernoulli likelihood needs."
            raise DataError(what, where=table.where(row, name), mend=mend)
