"""What is in a table, how each column is read, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tacit.data.column import CONTINUOUS, LOGGED, Column
from tacit.data.concerns import column_concerns
from tacit.data.dependence import dependences
from tacit.data.encode import encode
from tacit.data.facts import Facts
from tacit.data.findings import Finding, Severity
from tacit.data.schema import Schema
from tacit.data.table import Table

_SHOWN_LEVELS = 5
_RANK = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class ColumnReport:
    """One column: how it is read and why, and what it holds.

    `minimum`, `median` and `maximum` are of numeric columns, `levels` the commonest values of the others, with
    how often each occurs; `floor` is the least standard deviation of a component, or 0.
    """

    name: str
    kind: str
    role: str
    why: str
    dtype: str
    missing: int
    distinct: int
    minimum: float | None
    median: float | None
    maximum: float | None
    levels: tuple[tuple[str, int], ...]
    floor: float

    @property
    def summary(self) -> str:
        """The contents in a few words; of a column that is not modelled cells are shown: see `told`."""
        if self.minimum is not None and not self.levels:
            return f"{self.minimum:.6g} to {self.maximum:.6g}, median {self.median:.6g}"
        more = self.distinct - len(self.levels)
        shown = ", ".join(f"{level} {count}" for level, count in self.levels)
        return shown + (f", {more} more" if shown and more > 0 else "")

    @property
    def told(self) -> str:
        """The contents as a file may hold them: no cell of a column that is not modelled, which may name people."""
        return self.summary if self.role == "model" else ""


@dataclass(frozen=True)
class CheckReport:
    """The columns of a table and the findings about it, the gravest first."""

    source: str
    n_rows: int
    columns: tuple[ColumnReport, ...]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        columns = [
            {**asdict(c), "levels": [list(pair) for pair in c.levels], "summary": c.summary} for c in self.columns
        ]
        findings = [finding.to_dict() for finding in self.findings]
        return {"source": self.source, "rows": self.n_rows, "columns": columns, "findings": findings}


def check(table: Table, schema: Schema) -> CheckReport:
    """Look at every column, and at the table as a whole, as the schema reads it.

    Raises:
        DataError: a cell does not suit the kind of its column, or no column is left to model.

    Example:
        >>> from tacit.data.table import read_table
        >>> table = read_table({"x": [0.5, 1.5, 2.0, 0.5], "c": ["same"] * 4})
        >>> report = check(table, Schema.infer(table))
        >>> [(finding.code, finding.column) for finding in report.findings]
        [('constant', 'c'), ('few-rows', None), ('tied', None)]
    """
    schema.check_modelled(table.source)
    rows = encode(schema, table)
    facts = {column.name: Facts.of(table, column.name) for column in schema.columns}
    findings = [*table.findings, *rows.findings]
    for column in schema.columns:
        findings += column_concerns(column, facts[column.name], table)
    findings += [
        *_few_rows(table, schema),
        *_tied(schema, facts),
        *_duplicates(rows.y, table, schema),
        *_dependent(table, schema),
    ]
    findings.sort(key=lambda finding: _RANK[finding.severity])
    columns = tuple(_report(column, facts[column.name]) for column in schema.columns)
    return CheckReport(table.source, len(table), columns, tuple(findings))


def _report(column: Column, facts: Facts) -> ColumnReport:
    minimum = median = maximum = None
    levels: tuple[tuple[str, int], ...] = ()
    if facts.numeric and facts.n:
        minimum, median, maximum = facts.low, float(np.median(facts.values / 2.0) * 2.0), facts.high
    if facts.n and (not facts.numeric or column.levels):
        values, counts = facts.counts
        top = np.argsort(-counts, kind="stable")[:_SHOWN_LEVELS]
        levels = tuple((str(values[i]), int(counts[i])) for i in top)
    return ColumnReport(
        column.name,
        column.kind,
        column.role,
        column.why,
        facts.dtype,
        facts.n_rows - facts.n,
        facts.n_distinct,
        minimum,
        median,
        maximum,
        levels,
        column.floor,
    )


def _few_rows(table: Table, schema: Schema) -> Iterator[Finding]:
    wanted = 10 * len(schema.names)
    if len(table) < 2:
        yield Finding("error", "few-rows", "One row is no sample of a density.", mend="Give more rows.")
    elif len(table) < wanted:
        columns = "1 column" if len(schema.names) == 1 else f"{len(schema.names)} columns"
        message = f"{len(table)} rows for {columns}: the fit will be uncertain."
        yield Finding("warning", "few-rows", message, mend=f"Give {wanted} rows or more, or drop columns.")


def _duplicates(y: np.ndarray, table: Table, schema: Schema) -> Iterator[Finding]:
    """Rows equal in every modelled cell; said only of continuous columns, a warning where there are many."""
    if not any(column.kind in CONTINUOUS for column in schema.modelled):
        return
    canonical = np.where(np.isnan(y), np.inf, y) + 0.0
    keys = np.ascontiguousarray(canonical).view(np.dtype((np.void, canonical.itemsize * canonical.shape[1])))
    _, first, which = np.unique(keys.reshape(-1), return_index=True, return_inverse=True)
    again = np.flatnonzero(first[which] != np.arange(len(y)))
    if not again.size or len(schema.names) == 1:
        return
    earlier = table.where(int(first[which[again[0]]])).removeprefix(f"{table.source}, ")
    message = (
        f"{again.size} of {len(y)} rows repeat an earlier one in every modelled cell "
        f"({table.where(int(again[0]))} repeats {earlier})."
    )
    mend = "Remove them if they are copies; they make held-out figures too good."
    severity: Severity = "warning" if len(schema.names) > 2 else "note"
    yield Finding(severity, "duplicate-rows", message, mend=mend)


def _tied(schema: Schema, facts: dict[str, Facts]) -> Iterator[Finding]:
    """One note on all columns whose floor follows from rounded values."""
    tied = [c for c in schema.modelled if c.kind in CONTINUOUS and facts[c.name].n_distinct < facts[c.name].n]
    if tied:
        floors = ", ".join(f"{c.name} {c.floor:.3g}{' (log)' if c.kind in LOGGED else ''}" for c in tied)
        message = f"Values are tied (rounded); no component gets a standard deviation below: {floors}."
        yield Finding("note", "tied", message)


def _dependent(table: Table, schema: Schema) -> Iterator[Finding]:
    numeric = [c.name for c in schema.modelled if c.kind in (*CONTINUOUS, "count")]
    for found in dependences({name: table.numbers(name) for name in numeric}):
        message = f"Determined by other columns: {found}."
        mend = f"Leave one of them out, for example --drop {found.column}."
        yield Finding("warning", found.sort, message, found.column, mend)
    coded = [c for c in schema.modelled if c.levels]
    for position, column in enumerate(coded):
        for other in coded[:position]:
            if column.levels == other.levels and table.column(column.name).equals(table.column(other.name)):
                mend = f"Leave one of them out, for example --drop {column.name}."
                yield Finding("warning", "copy", f"Equal to {other.name} in every row.", column.name, mend)
                break
