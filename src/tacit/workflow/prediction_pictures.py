"""What pictures of p(y | x) need, as plain JSON values: predictions on a grid of one covariate, and some points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacit._errors import UsageError
from tacit.distributions.predictive import AbstractNumericPrediction
from tacit.workflow.json_values import as_json

_MOST_POINTS = 600


def fan_record(
    x: ArrayLike,
    p: AbstractNumericPrediction,
    points: tuple[ArrayLike, ArrayLike] | None = None,
    *,
    names: tuple[str, str] = ("x", "y"),
    coverages: Sequence[float] = (0.5, 0.8, 0.95),
    densest: bool = True,
    seed: int,
) -> dict[str, Any]:
    """The record of a fan chart: for every value of x, (g,), the bands in which y lies, from the predictions there.

    `p` predicts y at those g values in order, whatever else is held fixed. With `densest` bands are the smallest
    sets of their coverage, which fall apart where p(y | x) has branches; else equal-tailed intervals about the
    median. `points` are observed x and y; of more than 600 a sample drawn with `seed` is kept, so that the record
    (and the page) holds no more. Raises `UsageError` unless x is ascending and matches the predictions.

    Example:
        >>> from tacit.distributions.predictive import NormalMixturePrediction
        >>> p = NormalMixturePrediction([[0.0], [0.0]], [[0.0], [1.0]], [[1.0], [1.0]])
        >>> record = fan_record([0.0, 1.0], p, coverages=[0.5], densest=False, seed=0)
        >>> np.round(record["bands"][0]["intervals"], 2).tolist(), record["median"]
        ([[[-0.67, 0.67]], [[0.33, 1.67]]], [0.0, 1.0])
    """
    record = {
        "names": names,
        "x": _grid(x, p),
        "bands": [{"coverage": c, "intervals": _intervals(p, c, densest)} for c in sorted(coverages, reverse=True)],
        "whole": np.issubdtype(p.quantile(0.5).dtype, np.integer),
        "median": None if densest else p.quantile(0.5),
        "points": _sample(points, seed),
    }
    clean: dict[str, Any] = as_json(record)
    return clean


def density_record(
    x: ArrayLike,
    p: AbstractNumericPrediction,
    points: tuple[ArrayLike, ArrayLike] | None = None,
    *,
    names: tuple[str, str] = ("x", "y"),
    n_values: int = 160,
    seed: int,
) -> dict[str, Any]:
    """The record of a map of p(y | x): the density at `n_values` values of y, for every value of x, (g,).

    The values of y span nearly all of every prediction and of the points; arguments are those of `fan_record`.
    `density` has shape (g, n_values), in units of 1/y; for counts y are whole numbers and these are probabilities.
    An atom is no density: the zeros of a zero-inflated column are in the points and the fan only.

    Example:
        >>> from tacit.distributions.predictive import NormalMixturePrediction
        >>> p = NormalMixturePrediction([[0.0], [0.0]], [[0.0], [1.0]], [[1.0], [1.0]])
        >>> record = density_record([0.0, 1.0], p, n_values=3, seed=0)
        >>> np.round(record["y"], 2).tolist(), np.round(record["density"], 3).tolist()
        ([-2.7, 0.5, 3.7], [[0.01, 0.352, 0.0], [0.0, 0.352, 0.01]])
    """
    grid, sample = _grid(x, p), _sample(points, seed)
    ends = p.quantile([0.005, 0.995])
    low, high = float(ends.min()), float(ends.max())
    if sample is not None and len(sample["y"]):
        first, last = np.quantile(sample["y"], [0.005, 0.995])
        low, high = min(low, float(first)), max(high, float(last))
    pad = 0.02 * (high - low)  # so that points on the edge, such as zeros, are seen
    whole = np.issubdtype(ends.dtype, np.integer)
    step = max(1, round((high - low) / n_values))
    values = np.arange(int(low), high + step, step) if whole else np.linspace(low - pad, high + pad, n_values)
    density = np.exp(p.log_prob(values[None]))
    record = {"names": names, "x": grid, "y": values, "density": density, "whole": whole, "points": sample}
    clean: dict[str, Any] = as_json(record)
    return clean


def _intervals(p: AbstractNumericPrediction, coverage: float, densest: bool) -> list[NDArray[np.float64]]:
    """A list of intervals for every row; a whole number takes the room of half a unit on each side."""
    found = p.region(coverage) if densest else list(p.interval(coverage)[:, None, :])
    return [ends + np.array([-0.5, 0.5]) if np.issubdtype(ends.dtype, np.integer) else ends for ends in found]


def _grid(x: ArrayLike, p: AbstractNumericPrediction) -> NDArray[np.float64]:
    grid = np.asarray(x, np.float64)
    if grid.shape != (len(p),) or grid.size < 2 or not np.all(np.diff(grid) > 0):
        mend = "Predict at each of two or more ascending values of x."
        raise UsageError("the values of x do not fit the predictions.", where="picture", mend=mend)
    return grid


def _sample(points: tuple[ArrayLike, ArrayLike] | None, seed: int) -> dict[str, Any] | None:
    if points is None:
        return None
    x, y = (np.asarray(values, np.float64) for values in points)
    if x.ndim != 1 or x.shape != y.shape:
        raise UsageError("points need one x and one y each.", where="picture")
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if rows.size > _MOST_POINTS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_POINTS, replace=False))
    return {"x": x[rows], "y": y[rows], "of": int(np.isfinite(x).sum())}
