"""The covariates of a table as numbers: complete, standardised rows x for p(y | x)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from tacit._errors import DataError
from tacit.data.covariate import Covariate, fit_covariate
from tacit.data.dependence import dependences
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.data.table import Table

FAR = 1.0  # standard deviations beyond the least or largest training value


class Far(NamedTuple):
    """`rows` (n,): whether a numeric covariate is far outside the training range; `column` (n,): the worst, or None."""

    rows: Bool[np.ndarray, " n"]
    column: np.ndarray


class Encoded(NamedTuple):
    """`x` (n, p) without a hole, findings about the rows, and `far` (n,): rows far outside the training range."""

    x: Float[np.ndarray, "n p"]
    findings: tuple[Finding, ...]
    far: Bool[np.ndarray, " n"]


@dataclass(frozen=True)
class Covariates:
    """The covariates of a table, measured on its training rows.

    - Numeric columns: (T(value) - mean) / s.d. over the training cells that are present, in two passes. T is the
      value. For a positive or zero-inflated column whose skewness is beyond 2 it is the logarithm, log(value), or
      log(1 + value / median above 0) where zeros occur, if that has the smaller skewness.
    - Binary columns: the code less its training mean. Categorical ones: a 0/1 feature for every level that occurs in
      the training rows; all are 0 for another level, which is a finding.
    - A missing cell is 0 (for a number the mean), beside a 0/1 feature "COLUMN is missing" if a training row had one,
      else with a finding.
    - A column that is constant over the training rows is left out, with a finding. Collinear columns stay, with one.

    A row is far from the training rows where a standardised number lies more than one s.d. beyond their range.

    Example:
        >>> from tacit.data.table import read_table
        >>> table = read_table({"a": [1.5, 2.5, None, 3.5], "b": ["u", "v", "w", "u"]})
        >>> schema = Schema.infer(table, types={"b": "categorical"})
        >>> covariates = Covariates.fit(schema, table)
        >>> covariates.names
        ('a', 'a is missing', 'b = u', 'b = v', 'b = w')
        >>> covariates.encode(table.take(np.array([1, 2]))).x
        array([[0., 0., 0., 1., 0.],
               [0., 1., 0., 0., 1.]])
    """

    columns: tuple[Covariate, ...]
    findings: tuple[Finding, ...] = ()

    @classmethod
    def fit(cls, schema: Schema, table: Table, rows: Int[np.ndarray, " t"] | None = None) -> Covariates:
        """Measure the modelled columns of a schema on the table, or on some of its rows.

        Raises:
            DataError: a column is lacking, a cell does not suit its kind, there is no row, or no covariate is left.
        """
        _check_present(schema.names, table, "all")
        part = table if rows is None else table.take(np.asarray(rows, dtype=np.int64))
        if not len(part):
            raise DataError("There is no training row.", where=table.source, mend="Give at least two rows.")
        columns, findings = [], []
        for column in schema.modelled:
            covariate, said = fit_covariate(column, part)
            columns.append(covariate)
            findings += said
        kept = tuple(covariate for covariate in columns if covariate.names)
        if not kept:
            raise DataError(
                "No covariate is left: each has one value in the training rows.",
                where=table.source,
                mend="Give columns that vary, or more rows.",
            )
        return cls(kept, (*findings, *_collinear(kept, part)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the p features."""
        return tuple(name for covariate in self.columns for name in covariate.names)

    def encode(self, table: Table, *, require: Literal["all", "any"] = "all") -> Encoded:
        """The rows of a table as x (n, p). Columns may come in any order; further ones are ignored.

        Args:
            table: the rows.
            require: "all": a column that the table lacks is an error; "any": it is missing in every row, as long as
                one column is there.

        Raises:
            DataError: a column is lacking, or a cell does not suit the kind of its column; names the line.
        """
        absent = _check_present([covariate.column.name for covariate in self.columns], table, require)
        blocks: list[np.ndarray] = []
        findings = [Finding("warning", "absent-column", "Not in the table; missing in every row.", n) for n in absent]
        for covariate in self.columns:
            block, said = covariate.features(None if covariate.column.name in absent else table, len(table))
            blocks.append(block)
            findings += said
        x = np.hstack(blocks)
        far = self.far(x)
        if far.rows.any():
            first = int(np.argmax(far.rows))
            message = (
                f"{far.rows.sum()} of {len(x)} rows have a covariate more than {FAR:g} s.d. outside the range of the "
                f"training rows (first: {table.where(first, far.column[first])})."
            )
            findings.append(Finding("warning", "far", message))
        return Encoded(x, tuple(findings), far.rows)

    def far(self, x: Float[np.ndarray, "n p"]) -> Far:
        """Which rows have a numeric covariate more than one s.d. beyond the training range, and the worst column."""
        names = np.array([*(c.column.name for c in self.columns if c.numeric), None], dtype=object)
        if len(names) == 1:
            return Far(np.zeros(len(x), bool), np.full(len(x), None))
        beyond, place = np.empty((len(x), len(names) - 1)), 0
        ranged = iter(beyond.T)
        for covariate in self.columns:
            if covariate.numeric:
                values = x[:, place]
                np.maximum(covariate.low - values, values - covariate.high, out=next(ranged))
            place += len(covariate.names)
        rows = beyond.max(axis=1) > FAR
        return Far(rows, names[np.where(rows, beyond.argmax(axis=1), -1)])

    def to_dict(self) -> dict[str, Any]:
        """The covariates as JSON."""
        return {
            "columns": [covariate.to_dict() for covariate in self.columns],
            "findings": [finding.to_dict() for finding in self.findings],
        }

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Covariates:
        """The inverse of `to_dict`."""
        columns = tuple(Covariate.from_dict(entry) for entry in tree["columns"])
        return cls(columns, tuple(Finding(**entry) for entry in tree["findings"]))


def _check_present(names: tuple[str, ...] | list[str], table: Table, require: Literal["all", "any"]) -> list[str]:
    """The names that the table lacks, or DataError."""
    absent = [name for name in names if name not in table.names]
    if absent and (require == "all" or len(absent) == len(names)):
        raise DataError(
            f"The table lacks {'covariate' if len(absent) == 1 else 'covariates'} {', '.join(map(repr, absent))}.",
            where=table.source,
            mend=f"Its columns are {', '.join(table.names)}.",
        )
    return absent


def _collinear(columns: tuple[Covariate, ...], table: Table) -> list[Finding]:
    """Numeric covariates that others determine; the fit of a mean stands, single slopes mean nothing."""
    numbers = {c.column.name: table.numbers(c.column.name) for c in columns if c.numeric}
    message = "Determined by other covariates: {}. Predictions stand; its own slope means little."
    return [Finding("note", found.sort, message.format(found), found.column) for found in dependences(numbers)]
