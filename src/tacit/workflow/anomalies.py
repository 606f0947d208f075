"""How odd a row is: the probability of a lower density, given which of its cells are present."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.inference import rows as exact
from tacit.workflow.table_mixture import TableMixture

SIMULATED_ROWS = 16_000  # for one pattern of present cells; fewer where there are many patterns
SIMULATED_TOTAL = 400_000
LEAST_SIMULATED = 2_000
CALIBRATION_POINTS = 1025
TIED = 1e-6  # nats between densities that are equal but for rounding, as those of the same levels are


@dataclass(frozen=True)
class Anomaly:
    """An odd row: its place, its p-value, and the columns by how little the rest of the row expects their values."""

    row: int
    p_value: float
    surprise: tuple[tuple[str, float], ...]  # -log p(column | rest) in nats, largest first


class Odds(Protocol):
    """What is asked of a joint density of a table's columns to judge how odd rows are."""

    @property
    def simulated(self) -> tuple[int, int, int]:
        """Rows for one pattern of present cells at most, for all of them, and for one at least."""

    @property
    def schema(self) -> Schema:
        """How the columns are read."""

    @property
    def calibration(self) -> np.ndarray:
        """P-values of the training rows at even quantiles; those of rows that the model draws, where not known."""

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """Of the present cells of events (n, D), in model units: (n,)."""

    def log_densities(self, y: np.ndarray, present: np.ndarray) -> Iterator[np.ndarray]:
        """Of complete events with only some cells of the row left (p, D), one pattern after the other, each (n,)."""

    def drawn(self, n: int, seed: int) -> np.ndarray:
        """Events (n, D)."""

    def surprises(self, y: np.ndarray) -> np.ndarray:
        """`-log p(column | rest of the row)` (n, columns) in nats; 0 where the cell is missing."""


@dataclass(frozen=True)
class OddsOfMixture:
    """Those of a mixture: exact."""

    model: TableMixture
    simulated: tuple[int, int, int] = (SIMULATED_ROWS, SIMULATED_TOTAL, LEAST_SIMULATED)

    @property
    def schema(self) -> Schema:
        """How the columns are read."""
        return self.model.schema

    @property
    def calibration(self) -> np.ndarray:
        """P-values of the training rows at even quantiles."""
        return self.model.calibration

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """Of the present cells of events (n, D), in model units: (n,)."""
        return log_density(self.model, y)

    def log_densities(self, y: np.ndarray, present: np.ndarray) -> Iterator[np.ndarray]:
        """Of complete events with only some cells left, one pattern after the other."""
        if np.isnan(y).any():  # of a zero, the positive part
            return one_by_one(self, y, present)
        return exact.log_densities(self.model.mixture, y, present)

    def drawn(self, n: int, seed: int) -> np.ndarray:
        """Events (n, D)."""
        return self.model.sample(n, seed)[0]

    def surprises(self, y: np.ndarray) -> np.ndarray:
        """`-log p(column | rest of the row)` (n, columns) in nats: exact."""
        return leaving_out(self, y)


def of(model: TableMixture | Odds) -> Odds:
    """What is asked of a mixture, or of what is asked already."""
    return OddsOfMixture(model) if isinstance(model, TableMixture) else model


def one_by_one(odds: Odds, y: np.ndarray, present: np.ndarray) -> Iterator[np.ndarray]:
    """`log_density` of events with only some cells left, one pattern after the other."""
    return (odds.log_density(np.where(cells, y, np.nan)) for cells in present)


def leaving_out(odds: Odds, y: np.ndarray) -> np.ndarray:
    """`log p(rest) - log p(row)` for every column of events (n, D) in turn, (n, columns)."""
    whole, columns = odds.log_density(y), []
    for name in odds.schema.names:
        rest = y.copy()
        rest[:, list(odds.schema.layout.places(name))] = np.nan
        columns.append(odds.log_density(rest) - whole)
    return np.stack(columns, axis=1)


def log_density(model: TableMixture, y: np.ndarray) -> np.ndarray:
    """Log density (n,) of the present cells in model units: logs of positive columns, so tails on both sides count."""
    return np.logaddexp.reduce(exact.log_joints(model.mixture, y), axis=1)


def pvalues(model: TableMixture | Odds, rows: Rows, seed: int = 0) -> np.ndarray:
    """`P(p(Y) <= p(y))` (n,) for rows Y of the model with the same cells present: an estimate by simulation.

    The same for every pattern of missing cells, so rows with and without holes can be ranked together. Rows of equal
    density count as lower. The smallest value is 1 / (rows simulated + 1).
    """
    odds = of(model)
    present = _present_columns(odds.schema, rows.y)
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    most, total, least = odds.simulated
    n_simulated = int(np.clip(total // len(patterns), least, most))
    simulated = odds.drawn(n_simulated, seed)
    observed = odds.log_density(rows.y)
    values = np.empty(len(rows.y))
    references = odds.log_densities(simulated, _cells(odds.schema, patterns))
    for i, reference in enumerate(references):
        mine = which.ravel() == i
        lower = np.searchsorted(np.sort(reference), observed[mine] + TIED, side="right")
        values[mine] = (1 + lower) / (n_simulated + 1)
    return values


def _present_columns(schema: Schema, y: np.ndarray) -> np.ndarray:
    """Which columns of the table are present (n, columns); the last place of a column tells."""
    last = [schema.layout.places(name)[-1] for name in schema.names]
    return ~np.isnan(y[:, last])


def _cells(schema: Schema, columns: np.ndarray) -> np.ndarray:
    """Which cells of an event (p, D) are there, by which columns of the table are (p, columns)."""
    cells = np.zeros((len(columns), schema.layout.width), bool)
    for j, name in enumerate(schema.names):
        cells[:, list(schema.layout.places(name))] = columns[:, j, None]
    return cells


def calibrate(pvalues_of_training: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The training rows' p-values at even quantiles, to be kept with the model; a row counts as its weight says.

    The i-th smallest p-value stands at the share of the weight below it, and half its own.
    """
    order = np.argsort(pvalues_of_training, kind="stable")
    values, shares = pvalues_of_training[order], weight[order] / weight.sum()
    places = np.cumsum(shares) - shares / 2
    return np.interp(np.linspace(0, 1, CALIBRATION_POINTS), places, values)


def threshold(model: TableMixture | Odds, rate: float) -> float:
    """The p-value below which `rate` of the training rows lie."""
    return float(np.interp(rate, np.linspace(0, 1, len(model.calibration)), model.calibration))


def surprises(model: TableMixture | Odds, rows: Rows) -> np.ndarray:
    """`-log p(column | rest of the row)` (n, columns) in nats and model units; 0 where the cell is missing."""
    return of(model).surprises(rows.y)


def anomalies(model: TableMixture | Odds, rows: Rows, rate: float, seed: int = 0) -> list[Anomaly]:
    """The rows odder than all but `rate` of the training rows, oddest first, with what makes them so; all for 1."""
    odds = of(model)
    p, density = pvalues(odds, rows, seed), odds.log_density(rows.y)
    odd = np.flatnonzero(p <= (threshold(odds, rate) if rate < 1 else 1.0))
    odd = odd[np.lexsort((density[odd], p[odd]))]
    if not len(odd):
        return []
    found = []
    for row, values in zip(odd, surprises(odds, rows.take(odd)), strict=True):
        order = np.argsort(-values)
        named = tuple((odds.schema.names[j], float(values[j])) for j in order if values[j] != 0)
        found.append(Anomaly(int(row), float(p[row]), named))
    return found
