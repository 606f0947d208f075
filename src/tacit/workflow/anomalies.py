"""How odd a row is: the probability of a lower density, given which of its cells are present."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tacit.data.encode import Rows
from tacit.inference import rows as exact
from tacit.workflow.table_mixture import TableMixture

SIMULATED_ROWS = 16_000  # for one pattern of present cells; fewer where there are many patterns
SIMULATED_TOTAL = 400_000
LEAST_SIMULATED = 2_000
CALIBRATION_POINTS = 1025


@dataclass(frozen=True)
class Anomaly:
    """An odd row: its place, its p-value, and the columns by how little the rest of the row expects their values."""

    row: int
    p_value: float
    surprise: tuple[tuple[str, float], ...]  # -log p(column | rest) in nats, largest first


def log_density(model: TableMixture, y: np.ndarray) -> np.ndarray:
    """Log density (n,) of the present cells in model units: logs of positive columns, so tails on both sides count."""
    return np.logaddexp.reduce(exact.log_joints(model.mixture, y), axis=1)


def pvalues(model: TableMixture, rows: Rows, seed: int = 0) -> np.ndarray:
    """`P(p(Y) <= p(y))` (n,) for rows Y of the model with the same cells present: an estimate by simulation.

    The same for every pattern of missing cells, so rows with and without holes can be ranked together. The smallest
    value is 1 / (rows simulated + 1).
    """
    present = _present_columns(model, rows.y)
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    n_simulated = int(np.clip(SIMULATED_TOTAL // len(patterns), LEAST_SIMULATED, SIMULATED_ROWS))
    simulated, _ = model.sample(n_simulated, seed)
    observed = log_density(model, rows.y)
    values = np.empty(len(rows.y))
    for i, pattern in enumerate(patterns):
        mine = which.ravel() == i
        reference = np.sort(log_density(model, _with_cells(model, simulated, pattern)))
        lower = np.searchsorted(reference, observed[mine], side="right")
        values[mine] = (1 + lower) / (n_simulated + 1)
    return values


def _present_columns(model: TableMixture, y: np.ndarray) -> np.ndarray:
    """Which columns of the table are present (n, columns); the last place of a column tells."""
    last = [model.schema.layout.places(name)[-1] for name in model.schema.names]
    return ~np.isnan(y[:, last])


def _with_cells(model: TableMixture, y: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Events with only these columns left."""
    y = y.copy()
    for name, keep in zip(model.schema.names, present, strict=True):
        if not keep:
            y[:, list(model.schema.layout.places(name))] = np.nan
    return y


def calibrate(pvalues_of_training: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The training rows' p-values at even quantiles, to be kept with the model; a row counts as its weight says.

    The i-th smallest p-value stands at the share of the weight below it, and half its own.
    """
    order = np.argsort(pvalues_of_training, kind="stable")
    values, shares = pvalues_of_training[order], weight[order] / weight.sum()
    places = np.cumsum(shares) - shares / 2
    return np.interp(np.linspace(0, 1, CALIBRATION_POINTS), places, values)


def threshold(model: TableMixture, rate: float) -> float:
    """The p-value below which `rate` of the training rows lie."""
    return float(np.interp(rate, np.linspace(0, 1, len(model.calibration)), model.calibration))


def surprises(model: TableMixture, rows: Rows) -> np.ndarray:
    """`-log p(column | rest of the row)` (n, columns) in nats and model units: exact; 0 where the cell is missing."""
    whole = log_density(model, rows.y)
    columns = []
    for name in model.schema.names:
        rest = rows.y.copy()
        rest[:, list(model.schema.layout.places(name))] = np.nan
        columns.append(log_density(model, rest) - whole)
    return np.stack(columns, axis=1)


def anomalies(model: TableMixture, rows: Rows, rate: float, seed: int = 0) -> list[Anomaly]:
    """The rows odder than all but `rate` of the training rows, oddest first, with what makes them so; all for 1."""
    p, density = pvalues(model, rows, seed), log_density(model, rows.y)
    odd = np.flatnonzero(p <= (threshold(model, rate) if rate < 1 else 1.0))
    odd = odd[np.lexsort((density[odd], p[odd]))]
    if not len(odd):
        return []
    found = []
    for row, values in zip(odd, surprises(model, rows.take(odd)), strict=True):
        order = np.argsort(-values)
        named = tuple((model.schema.names[j], float(values[j])) for j in order if values[j] != 0)
        found.append(Anomaly(int(row), float(p[row]), named))
    return found
