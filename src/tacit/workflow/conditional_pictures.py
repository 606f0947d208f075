"""Predictions along the covariate that moves them most, the others held at usual cells: for fan charts and maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tacit._errors import UsageError
from tacit.data.covariate import Covariate
from tacit.data.table import Table
from tacit.distributions.predictive import AbstractNumericPrediction
from tacit.workflow.conditional_job import MOST_DRAWS, predicted
from tacit.workflow.conditional_table import ConditionalTable
from tacit.workflow.prediction_pictures import density_record, fan_record

GRID = 90  # values of the covariate in a picture
_LOOK = 15  # in the search for the most important covariate
_MOST = 50  # covariates that are looked at


@dataclass(frozen=True)
class Usual:
    """One cell for every covariate: the present one nearest the median, or the most frequent one."""

    cells: dict[str, pa.Array]

    @classmethod
    def of(cls, model: ConditionalTable, table: Table) -> Usual:
        """The usual cells of a table's rows."""
        return cls({c.column.name: _usual(c, table) for c in model.covariates.columns})

    def varying(self, name: str, values: np.ndarray) -> Table:
        """A table whose rows differ in one column only."""
        columns = {}
        for other, cell in self.cells.items():
            columns[other] = pa.array(values) if other == name else pa.concat_arrays([cell] * len(values))
        return Table(pa.table(columns), "picture")

    def told(self, name: str) -> dict[str, Any]:
        """The cells of the other columns as plain values."""
        return {other: cell[0].as_py() for other, cell in self.cells.items() if other != name}


def _usual(covariate: Covariate, table: Table) -> pa.Array:
    name = covariate.column.name
    cells = table.column(name).drop_null()
    if not len(cells):
        return table.column(name)[:1]
    if covariate.numeric:
        values = table.numbers(name)[table.present(name)]
        place = int(np.argmin(np.abs(values - np.median(values))))
    else:
        counts = cells.dictionary_encode()
        codes = np.asarray(counts.indices)
        place = int(np.argmax(codes == np.bincount(codes).argmax()))
    return cells[place : place + 1]


def prediction_record(model: ConditionalTable, table: Table, *, seed: int) -> dict[str, Any] | None:
    """Fan and map of the first numeric target along one numeric covariate, over the rows of a table; None without one.

    The covariate is the one along which the predicted median moves most between its 5 % and 95 % points, all others
    held at their usual cells, which the record tells. It holds no row of the table.
    """
    target = next((column.name for column in model.schema.modelled if not column.levels), None)
    numeric = [c for c in model.covariates.columns if c.numeric and len(np.unique(_present(table, c))) > 2]
    if target is None or not numeric:
        return None
    usual = Usual.of(model, table)
    if len(numeric) > 1:
        numeric = sorted(numeric[:_MOST], key=lambda c: -_effect(model, usual, table, c, target))
    chosen = numeric[0]
    name = chosen.column.name
    values = _grid(_present(table, chosen), chosen, GRID, (0.0, 1.0))
    p = _predict(model, usual, name, values, target)
    components = model.mixtures(np.zeros((1, len(model.covariates.names))))[0].shape[1] if model.exact else MOST_DRAWS
    return {
        "target": target,
        "along": name,
        "others": usual.told(name),
        "fan": fan_record(values, p, names=(name, target), densest=components <= MOST_DRAWS, seed=seed),
        "density": density_record(values, p, names=(name, target), n_values=140, seed=seed),
        "sampled": None if model.exact else MOST_DRAWS,
    }


def _present(table: Table, covariate: Covariate) -> np.ndarray:
    name = covariate.column.name
    return table.numbers(name)[table.present(name)]


def _effect(model: ConditionalTable, usual: Usual, table: Table, covariate: Covariate, target: str) -> float:
    """How far the predicted median moves along a covariate."""
    values = _grid(_present(table, covariate), covariate, _LOOK, (0.05, 0.95))
    return float(np.ptp(_predict(model, usual, covariate.column.name, values, target).quantile(0.5)))


def _predict(
    model: ConditionalTable, usual: Usual, name: str, values: np.ndarray, target: str
) -> AbstractNumericPrediction:
    x = model.covariates.encode(usual.varying(name, values)).x
    found = predicted(model, x, target)
    if not isinstance(found, AbstractNumericPrediction):
        raise UsageError(f"{target!r} holds levels, which have no order.", where="target", mend="Draw a numeric one.")
    return found


def _grid(present: np.ndarray, covariate: Covariate, size: int, ends: tuple[float, float]) -> np.ndarray:
    """Ascending values of a covariate, evenly spaced; whole numbers of a count, and of columns of whole numbers."""
    low, high = np.quantile(present, ends)
    if low == high:
        low, high = present.min(), present.max()
    values = np.linspace(low, high, size)
    whole = covariate.column.kind == "count" or (covariate.column.dtype == "int" and high - low > size)
    return np.unique(np.round(values)) if whole else values
