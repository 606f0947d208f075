"""Other ways to predict a column from the others, for `tacit compare`: they share rows and units, no code."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from tacit.data.column import Column
from tacit.data.encode import encode
from tacit.data.schema import Schema
from tacit.distributions.predictive import AbstractPrediction, LogNormalMixturePrediction, NormalMixturePrediction
from tacit.inference.fit import Progress
from tacit.workflow.conditional_fit import Task
from tacit.workflow.conditional_job import LEVELS, Part
from tacit.workflow.fit_table import Job, fit_table

SMALL = 20_000  # rows below which threads wait for one another longer than they work


@dataclass(frozen=True, eq=False)
class Peer:
    """Predictions of some rows: a log density (n,) in nats and the user's units, a distribution of the one target, or
    its quantiles (n, levels) at `LEVELS`."""

    name: str
    log_prob: Float[np.ndarray, " n"] | None = None
    prediction: AbstractPrediction | None = None
    quantiles: Float[np.ndarray, "n q"] | None = None
    note: str = ""


def joint_mixture(
    task: Task, schema: Schema, train: np.ndarray, heldout: np.ndarray, job: Job, progress: Progress
) -> Peer:
    """The joint mixture of all columns, fitted to the training rows and conditioned exactly on the covariates.

        log p(y | x) = log p(y, x) - log p(x)

    The targets are read as in `task`, so that densities are over the same thing.
    """
    chosen = {column.name: column for column in task.schema.columns}
    whole = Schema(tuple(chosen.get(column.name, column) for column in schema.columns))
    fitted = fit_table(whole, encode(whole, task.table.take(train)), job, progress=progress)
    rows = encode(whole, task.table.take(heldout), roles=False)
    hidden = rows.y.copy()
    hidden[:, [place for name in chosen for place in whole.layout.places(name)]] = np.nan
    alone = Schema(tuple(column for column in whole.columns if column.name not in chosen))
    given = replace(rows, y=hidden, log_jacobian=encode(alone, task.table.take(heldout), roles=False).log_jacobian)
    density = fitted.model.log_prob(rows) - fitted.model.log_prob(given)
    name = f"joint mixture of {fitted.model.mixture.n_components}, conditioned"
    single = next(iter(chosen)) if len(chosen) == 1 else None
    return Peer(name, density, None if single is None else fitted.model.predict(rows, single))


def boosted_quantiles(train: Part, part: Part, target: str, seed: int, progress: Progress) -> Peer:
    """scikit-learn's boosted trees, one fit for each of 19 quantiles, which are sorted: no density."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    y, found = train.table.numbers(target), np.empty((len(part.x), len(LEVELS)))
    with threadpool_limits(1 if len(y) < SMALL else None):
        for place, level in enumerate(LEVELS):
            progress("boosting", place, len(LEVELS))
            model = HistGradientBoostingRegressor(loss="quantile", quantile=level, random_state=seed)
            found[:, place] = model.fit(train.x, y, sample_weight=train.weight).predict(part.x)
    progress("boosting", len(LEVELS), len(LEVELS))
    return Peer("boosted quantiles (scikit-learn)", quantiles=np.sort(found, axis=1), note="gives no density")


def has_ngboost() -> bool:
    """Whether NGBoost is installed."""
    return importlib.util.find_spec("ngboost") is not None


def boosted_normal(column: Column, train: Part, part: Part, seed: int) -> Peer:
    """NGBoost: one normal whose mean and scale are boosted trees (of the logarithm of a positive target)."""
    from ngboost import NGBRegressor

    model: Any = NGBRegressor(verbose=False, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train.x, train.rows.y[:, 0], sample_weight=train.weight)
        found = model.pred_dist(part.x).params
    kind = LogNormalMixturePrediction if column.kind == "positive" else NormalMixturePrediction
    loc, scale = (np.asarray(found[name], float)[:, None] for name in ("loc", "scale"))
    prediction = kind(np.zeros(loc.shape), loc, scale, center=column.center, scale=column.scale)
    return Peer("NGBoost", prediction.log_prob(part.table.numbers(column.name)), prediction)
