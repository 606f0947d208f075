"""One covariate: how a column becomes numbers that a regression or a network can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from tacit.data.column import CODED, LOGGED, Column, checked_numbers
from tacit.data.encode import coded
from tacit.data.facts import skewness
from tacit.data.findings import Finding
from tacit.data.table import Table

SKEWED = 2.0  # |skewness| from which a logarithm is tried
LIMIT = 1e15  # standardised values are held within it, so that single precision can square them

Transform = Literal["raw", "log", "log1p"]


@dataclass(frozen=True)
class Covariate:
    """How one column is read, measured on the training rows.

    A numeric column is `(T(value) - center) / spread`, with T the value, log(value) or log(1 + value / unit), and
    between `low` and `high` over the training rows; a binary one is its code less `center`, the share of its second
    level; a categorical one has a 0/1 feature for each level that occurs in the training rows (`column.levels`).
    A constant column has no `value`. `indicator` says that the 0/1 feature "COLUMN is missing" exists.
    """

    column: Column
    value: bool
    indicator: bool
    transform: Transform = "raw"
    unit: float = 1.0
    center: float = 0.0
    spread: float = 1.0
    low: float = 0.0
    high: float = 0.0

    @property
    def numeric(self) -> bool:
        """Whether the value is one standardised number."""
        return self.value and self.column.kind not in CODED

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its features."""
        name, levels = self.column.name, self.column.levels
        values: tuple[str, ...] = ()
        if self.value and levels:
            values = tuple(f"{name} = {level}" for level in (levels[1:] if self.column.kind == "binary" else levels))
        elif self.value:
            logged = {"raw": name, "log": f"log({name})", "log1p": f"log(1 + {name} / {self.unit:.6g})"}
            values = (logged[self.transform],)
        return (*values, f"{name} is missing") if self.indicator else values

    def features(self, table: Table | None, n: int) -> tuple[Float[np.ndarray, "n f"], list[Finding]]:
        """The features of n rows; without a table, all cells are missing."""
        name = self.column.name
        present = np.zeros(n, bool) if table is None else table.present(name)
        blocks: list[np.ndarray] = []
        findings: list[Finding] = []
        if self.value and table is None:
            blocks.append(np.zeros((n, len(self.names) - self.indicator)))
        elif self.value and table is not None:
            values, findings = self._values(table)
            blocks.append(values)
        if self.indicator:
            blocks.append((~present).astype(float)[:, None])
        elif table is not None and not present.all():
            first = table.where(int(np.argmin(present)))
            message = (
                f"{(~present).sum()} of {n} cells are missing (first: {first}), of which no training row had any; "
            )
            read = "read as none of the levels." if self.column.kind == "categorical" else "read as the mean."
            findings.append(Finding("warning", "unseen-missing", message + read, name))
        return np.hstack(blocks) if blocks else np.zeros((n, 0)), findings

    def _values(self, table: Table) -> tuple[Float[np.ndarray, "n f"], list[Finding]]:
        column = self.column
        if column.kind not in CODED:
            values = transformed(checked_numbers(table, column.name, column.kind), self.transform, self.unit)
            with np.errstate(over="ignore"):
                white = (
                    values / 2.0 - self.center / 2.0
                ) / self.spread  # halves: the difference may exceed every float
            return np.nan_to_num(2.0 * np.clip(white, -LIMIT / 2.0, LIMIT / 2.0))[:, None], []
        codes, findings = coded(column, table, read_as="none")
        if column.kind == "binary":
            return np.nan_to_num(codes - self.center)[:, None], findings
        return (codes[:, None] == np.arange(len(column.levels))).astype(float), findings

    def to_dict(self) -> dict[str, Any]:
        """The covariate as JSON."""
        return {**self.__dict__, "column": self.column.to_dict()}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Covariate:
        """The inverse of `to_dict`."""
        column = {**tree["column"], "levels": tuple(tree["column"]["levels"])}
        return cls(**{**tree, "column": Column(**column)})


def fit_covariate(column: Column, table: Table) -> tuple[Covariate, list[Finding]]:
    """The covariate measured on the rows of a table, and what was left out.

    Raises:
        DataError: a cell does not suit the kind of its column.
    """
    present = table.present(column.name)
    bare = Covariate(column, value=False, indicator=bool(present.any() and not present.all()))
    fitted = _coded(bare, table) if column.kind in CODED else _numeric(bare, table)
    if fitted.value:
        return fitted, []
    what = "has one value" if present.any() else "has no cell"
    message = f"The column {what} in the training rows and is left out."
    if fitted.indicator:
        message = "The column has one value in the training rows; only whether it is missing is used."
    return fitted, [Finding("warning", "constant", message, column.name)]


def _coded(bare: Covariate, table: Table) -> Covariate:
    codes, _ = coded(bare.column, table, read_as="none")
    codes = codes[~np.isnan(codes)]
    found = np.unique(codes).astype(int)
    if len(found) < 2:
        return bare
    if bare.column.kind == "binary":
        return replace(bare, value=True, center=float(codes.mean()))
    levels = tuple(bare.column.levels[code] for code in found)
    return replace(bare, value=True, column=replace(bare.column, levels=levels))


def _numeric(bare: Covariate, table: Table) -> Covariate:
    column = bare.column
    values = checked_numbers(table, column.name, column.kind)
    values = values[~np.isnan(values)]
    transform, unit = _transform(values) if column.kind in LOGGED else ("raw", 1.0)
    values = transformed(values, transform, unit)
    center, spread = _moments(values)
    if spread == 0.0:
        return bare
    low, high = (float((end / 2.0 - center / 2.0) / spread * 2.0) for end in (values.min(), values.max()))
    return replace(bare, value=True, transform=transform, unit=unit, center=center, spread=spread, low=low, high=high)


def _transform(values: Float[np.ndarray, " n"]) -> tuple[Transform, float]:
    """A logarithm where the skewness of the values is beyond 2 and that of the logarithm is smaller.

    The logarithm is log(value) where no value is 0, else log(1 + value / the median of those above 0).
    """
    above = values[values > 0]
    if not above.size or abs(skewness(values)) <= SKEWED:
        return "raw", 1.0
    transform: Transform = "log" if above.size == values.size else "log1p"
    unit = 1.0 if transform == "log" else float(np.median(above / 2.0) * 2.0)
    smaller = abs(skewness(transformed(values, transform, unit))) < abs(skewness(values))
    return (transform, unit) if smaller else ("raw", 1.0)


def transformed(values: Float[np.ndarray, " n"], transform: Transform, unit: float) -> Float[np.ndarray, " n"]:
    """The value, its logarithm, or log(1 + value / unit), which no large value overflows."""
    if transform == "raw":
        return values
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 is -inf before log(1 + .), and missing cells stay NaN
        logs = np.log(values)
        return logs if transform == "log" else np.logaddexp(0.0, logs - np.log(unit))


def _moments(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Mean and standard deviation in two passes about the median, scaled so that nothing overflows; 0 if constant."""
    if not values.size:
        return 0.0, 0.0
    middle = float(np.median(values / 2.0))
    half = values / 2.0 - middle
    size = float(np.max(np.abs(half)))
    if size == 0.0:
        return 2.0 * middle, 0.0
    mean = float(np.mean(half / size))
    deviation = float(np.sqrt(np.mean((half / size - mean) ** 2)))
    return 2.0 * (middle + size * mean), 2.0 * (size * deviation)
