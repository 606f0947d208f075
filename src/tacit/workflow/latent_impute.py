"""The missing cells of rows at their best single values under a deep model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Key
from tacit.data.encode import Rows
from tacit.distributions.predictive import AbstractPrediction
from tacit.evaluation.rows import AbstractOfRow, tiles
from tacit.models import LatentModel
from tacit.workflow.latent_points import best_events, encoded_values
from tacit.workflow.latent_predict import SEED, OneColumn, prediction_of
from tacit.workflow.latent_weights import DRAWS, Moments, Points, Several, WeightedDraws

if TYPE_CHECKING:
    from tacit.workflow.latent_table import LatentTable

MEDIANS = ("positive", "zero-inflated", "count")  # kinds of which the best value is the median; of others the mean says


class MeansAndDraws(AbstractOfRow):
    """The mean over p(z | present) of the first thing read, (m,); the log-weights (s,), and the other things read."""

    draws: WeightedDraws

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Any:
        log_w, (first, *others), _ = self.draws(key, model, posterior, y, x, observed)
        return jax.nn.softmax(log_w) @ first, log_w, others


def imputed(table: LatentTable, rows: Rows) -> Float[np.ndarray, "n d"]:
    """Events with every missing cell at its best single value given the present cells of its row.

    The mean of a real column, the median of a positive, zero-inflated or count one, the most probable level. Where z is
    drawn, the draws of a row serve all of its cells; they are those of `predict` for a cell that is missing.
    """
    holed = np.flatnonzero(np.isnan(rows.y).any(axis=1))
    if not len(holed):
        return rows.y
    table.check_independent("missing cells")
    filled = rows.y.copy()
    filled[holed] = (_listed if table.exact else _sampled)(table, rows.take(holed))
    return filled


def _listed(table: LatentTable, rows: Rows) -> Float[np.ndarray, "n d"]:
    filled = np.where(np.isnan(rows.y), best_events(table.schema, table.expected(rows)), rows.y)
    for name in _medians(table):
        empty = _empty(table, rows.y, name)
        if len(empty):
            _put(table, filled, empty, name, table.predict(rows.take(empty), name))
    return filled


def _sampled(table: LatentTable, rows: Rows) -> Float[np.ndarray, "n d"]:
    names = _medians(table)  # all of them, whatever is missing here: one program serves every call
    read = Several((Moments(), *(OneColumn.of(table, name) for name in names)))
    of_row, key = MeansAndDraws(WeightedDraws(DRAWS, read)), jax.random.key(SEED)
    filled = rows.y.copy()
    found = tiles(of_row, table.model, table.posterior, table.batch(rows), key=key)
    for places, (means, log_w, read_of) in found:
        y = rows.y[places]
        here = np.where(np.isnan(y), best_events(table.schema, means.astype(np.float64)), y)
        for name, values in zip(names, read_of, strict=True):
            empty = _empty(table, y, name)
            if len(empty):
                points = Points.of(log_w[empty], values[empty])
                _put(table, here, empty, name, prediction_of(table.schema[name], points, exact=False))
        filled[places] = here
    return filled


def _medians(table: LatentTable) -> list[str]:
    return [name for name in table.schema.names if table.schema[name].kind in MEDIANS]


def _empty(table: LatentTable, y: Float[np.ndarray, "n d"], name: str) -> np.ndarray:
    """The rows in which a column is missing."""
    return np.flatnonzero(np.isnan(y[:, table.schema.layout.places(name)[-1]]))


def _put(table: LatentTable, filled: np.ndarray, where: np.ndarray, name: str, prediction: AbstractPrediction) -> None:
    """Write the best values of a column into rows."""
    places = np.array(table.schema.layout.places(name))
    filled[np.ix_(where, places)] = encoded_values(table.schema[name], table.best(prediction, name))
