"""Rows of a table as float64 events by a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tacit._errors import DataError, UsageError, shown
from tacit.data.column import LOGGED, Column, checked_numbers, level_codes
from tacit.data.columns import DEFAULT_TOKENS
from tacit.data.findings import Finding
from tacit.data.row_roles import group_codes, row_weights, time_order
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table

LARGEST = 1e140
"""Of a cell's distance from the centre, in floors: its square, summed over columns, is still a float."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Encoded rows: log p(user units) = log p(y) + log_jacobian.

    `y` is (n, D) in the order of `Schema.layout`, NaN where a cell is missing; `log_jacobian` (n,) sums
    log |dy / d value| over the continuous cells that are present; `weight` is (n,), ones without a weight
    column; `group` (n,) numbers the groups; `time` (n,) orders the rows (seconds for dates). Of a conditional model
    `x` (n, p) are the covariates.
    """

    y: np.ndarray
    log_jacobian: np.ndarray
    weight: np.ndarray
    group: np.ndarray | None = None
    time: np.ndarray | None = None
    findings: tuple[Finding, ...] = ()
    x: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> Rows:
        """The rows named by index, in that order."""
        group, time, x = (None if a is None else a[rows] for a in (self.group, self.time, self.x))
        return Rows(self.y[rows], self.log_jacobian[rows], self.weight[rows], group, time, self.findings, x)


def encode(schema: Schema, table: Table, *, require: Literal["all", "any"] = "all", roles: bool = True) -> Rows:
    """The rows of a table as events. Columns may come in any order; further ones are ignored, with a finding.

    A value that is no level of its column counts as missing, and a number so far off that the square of its distance
    would overflow is taken to lie at `LARGEST` floors, where no density is left anyway; both with a finding.

    Args:
        schema: how columns are read.
        table: the rows.
        require: "all": a modelled column that the table lacks is an error; "any": it is missing in every row,
            as long as one column is there.
        roles: whether weight, group and time columns are wanted too (not for rows that are only scored).

    Raises:
        DataError: a column is lacking, or a cell does not suit the kind of its column; names the line.

    Example:
        >>> table = read_table({"x": [0.5, -1.25, 2.5, 0.0], "s": ["a", "b", "a", None]})
        >>> schema = Schema.infer(table)
        >>> encode(schema, table).y[:, 1]
        array([ 0.,  1.,  0., nan])
    """
    absent = [name for name in schema.names if name not in table.names]
    if absent and (require == "all" or len(absent) == len(schema.names)):
        raise DataError(
            f"The table lacks {'column' if len(absent) == 1 else 'columns'} {', '.join(map(repr, absent))}.",
            where=table.source,
            mend=f"Its columns are {', '.join(table.names)}.",
        )
    layout, findings = schema.layout, _about_columns(schema, table, absent)
    y = np.full((len(table), layout.width), np.nan)
    log_jacobian = np.zeros(len(table))
    for column in schema.modelled:
        if column.name in absent:
            continue
        if column.levels:
            codes, unseen = coded(column, table)
            findings += unseen
            y[:, layout.places(column.name)[0]] = codes
            continue
        values = checked_numbers(table, column.name, column.kind)
        if column.grey:
            y[:, layout.index("bernoulli", column.name)] = values
            continue
        if column.kind == "count":
            y[:, layout.index("poisson", column.name)] = values
            continue
        if column.kind == "zero-inflated":
            present = ~np.isnan(values)
            y[present, layout.index("bernoulli", column.name)] = (values[present] > 0).astype(float)
            values = np.where(values > 0, values, np.nan)
        transformed = np.log(values) if column.kind in LOGGED else values
        y[:, layout.index("normal", column.name)], far = _within_reach(column, table, transformed)
        findings += far
        slope = -transformed - np.log(column.scale) if column.kind in LOGGED else -np.log(column.scale)
        log_jacobian += np.where(np.isnan(values), 0.0, slope)
    empty = np.isnan(y).all(axis=1)
    if empty.any():
        first = table.where(int(np.argmax(empty)))
        message = f"{empty.sum()} of {len(y)} rows have no cell present (first: {first})."
        findings.append(Finding("warning", "empty-row", message))
    if not roles:
        return Rows(y, log_jacobian, np.ones(len(table)), findings=tuple(findings))
    group, time = group_codes(schema, table), time_order(schema, table)
    return Rows(y, log_jacobian, row_weights(schema, table), group, time, tuple(findings))


def given_row(schema: Schema, given: Mapping[str, Any]) -> Rows:
    """One row from values by column name, as text or as Python values; all other cells are missing.

    Raises:
        UsageError: an unknown column or level, with the known ones; a value that is missing or beyond all measure.
        DataError: a value that does not suit the kind of its column.

    Example:
        >>> table = read_table({"x": [0.5, -1.25, 2.5, 0.0], "s": ["a", "b", "a", None]})
        >>> given_row(Schema.infer(table), {"s": "b"}).y
        array([[nan,  1.]])
    """
    for name in given:
        if name not in schema.names:
            raise UsageError(
                f"{name!r} is not a column of the model.", mend=f"Its columns are {', '.join(schema.names)}."
            )
    cells = {name: [_given_text(name, value)] for name, value in given.items()}
    if not cells:
        width = schema.layout.width
        return Rows(np.full((1, width), np.nan), np.zeros(1), np.ones(1))
    rows = encode(schema, read_table(pa.table(cells), title="given values"), require="any", roles=False)
    for finding in rows.findings:
        if finding.column is None or finding.code not in ("unseen-level", "far-off"):
            continue
        value, levels = given[finding.column], ", ".join(map(str, schema[finding.column].levels))
        if finding.code == "far-off":
            raise UsageError(f"{value!r} is too far off.", where=finding.column, mend="Give another value.")
        raise UsageError(f"{value!r} is not a level of {finding.column!r}.", mend=f"Its levels are {levels}.")
    return Rows(rows.y, rows.log_jacobian, rows.weight)


def _given_text(name: str, value: Any) -> str:
    """A given value as text; raises `UsageError` where it says that the value is missing."""
    text = "" if value is None else str(value).strip()
    if text in DEFAULT_TOKENS:
        raise UsageError(
            f"the value given for {name!r} is missing.", where="given", mend="Give a value, or leave the column out."
        )
    return text


def _about_columns(schema: Schema, table: Table, absent: list[str]) -> list[Finding]:
    known = {column.name for column in schema.columns}
    extra = [name for name in table.names if name not in known]
    findings = [Finding("warning", "absent-column", "Not in the table; missing in every row.", n) for n in absent]
    if extra:
        message = f"Columns that the schema does not know are ignored: {', '.join(extra)}."
        findings.append(Finding("note", "extra-columns", message))
    return findings


def _within_reach(column: Column, table: Table, transformed: np.ndarray) -> tuple[np.ndarray, list[Finding]]:
    """Transformed cells in model units, those beyond `LARGEST` floors from the centre moved to there."""
    with np.errstate(over="ignore"):
        y = transformed / column.scale - column.center / column.scale
    reach = LARGEST * (column.floor or column.scale) / column.scale
    far = np.abs(y) > reach
    if not far.any():
        return y, []
    first = int(np.argmax(far))
    message = (
        f"{far.sum()} cells lie so far off that the density there is no number; they are taken to lie {LARGEST:g} "
        f"times the floor away (first: {table.numbers(column.name)[first]:.6g}, {table.where(first)})."
    )
    mend = "Correct the cells, or leave them empty."
    return np.clip(y, -reach, reach), [Finding("warning", "far-off", message, column.name, mend)]


def coded(column: Column, table: Table, *, read_as: str = "missing") -> tuple[np.ndarray, list[Finding]]:
    """Codes 0..L-1 of a binary or categorical column, NaN where a cell is missing or, with a finding, no level.

    Raises:
        DataError: a cell of a binary column is neither of its values.
    """
    codes = level_codes(column, table)
    unseen = np.flatnonzero(codes == -1)
    if not unseen.size:
        return codes, []
    first = int(unseen[0])
    cells = table.column(column.name)
    if column.kind == "binary":
        raise DataError(
            f"{shown(cells[first].as_py())} is neither {column.levels[0]!r} nor {column.levels[1]!r}.",
            where=table.where(first, column.name),
            mend="Correct the cell, or leave it empty.",
        )
    examples = list(dict.fromkeys(str(cells[int(row)].as_py())[:60] for row in unseen[:1000]))[:3]
    hold = "cell holds" if unseen.size == 1 else "cells hold"
    message = (
        f"{unseen.size} {hold} no known level, read as {read_as}: {', '.join(examples)} (first: {table.where(first)})."
    )
    codes[unseen] = np.nan
    mend = f"Known levels: {', '.join(map(str, column.levels[:20]))}."
    return codes, [Finding("warning", "unseen-level", message, column.name, mend)]
