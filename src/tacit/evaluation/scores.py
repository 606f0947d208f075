"""What a prediction is worth on one row: the probability integral transform and the pinball loss."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tacit._errors import UsageError
from tacit.distributions.predictive import AbstractNumericPrediction


def pit(p: AbstractNumericPrediction, y: ArrayLike, *, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    """Probability integral transform of every row: uniform on (0, 1) where the predictions are right.

        u = F(y-) + v (F(y) - F(y-)),   v uniform on (0, 1)

    Where F has no jump at y this is F(y); at atoms and counts it is randomised. `y` has shape (n,). Source: Czado,
    Gneiting and Held 2009. Raises `UsageError` for values that are not finite, or not one a row.

    Example:
        >>> from tacit.distributions.predictive import NormalMixturePrediction
        >>> p = NormalMixturePrediction(np.zeros((2, 1)), np.zeros((2, 1)), np.ones((2, 1)))
        >>> pit(p, [0.0, 1.96], rng=np.random.default_rng(0)).round(3)
        array([0.5  , 0.975])
    """
    values = observed(p, y)
    below, at = p.cdf(np.nextafter(values, -np.inf)), p.cdf(values)
    return below + rng.random(values.shape) * (at - below)


def pinball(y: ArrayLike, predicted: ArrayLike, level: float) -> Float[np.ndarray, " n"]:
    """Pinball loss of a predicted quantile, max(q (y - ŷ), (q - 1) (y - ŷ)), in the units of y; lower is better.

    `y` and `predicted` have shape (n,). Its expected value is least at the quantile of that level. Source: Koenker
    and Bassett 1978. Raises `UsageError` for other shapes and for a level outside (0, 1).

    Example:
        >>> pinball([1.0, 3.0], [2.0, 2.0], 0.9).round(3)
        array([0.1, 0.9])
    """
    if not 0 < level < 1:
        raise UsageError(f"quantile level {level} is not between 0 and 1.", mend="Use for example 0.9.")
    observations, quantiles = np.asarray(y, np.float64), np.asarray(predicted, np.float64)
    if observations.ndim != 1 or observations.shape != quantiles.shape:
        raise UsageError(f"shapes {observations.shape} and {quantiles.shape} are not one value a row each.")
    gap = observations - quantiles
    return np.maximum(level * gap, (level - 1) * gap)


def crps_of_quantiles(y: ArrayLike, predicted: ArrayLike, levels: ArrayLike) -> Float[np.ndarray, " n"]:
    """CRPS of what gives quantiles only: twice the mean pinball loss over levels that are evenly spaced in (0, 1).

    `predicted` has shape (n, g) for g `levels`. With g levels (j - ½)/g the error falls with g. It is the same
    integral as `p.crps`, ∫ 2 pinball dq, so that quantile regressions can be compared with densities.

    Example:
        >>> from scipy.stats import norm
        >>> levels = (np.arange(100) + 0.5) / 100
        >>> crps_of_quantiles([0.0], norm.ppf(levels)[None], levels).round(3)  # exactly 0.2337
        array([0.234])
    """
    quantiles = np.asarray(predicted, np.float64)
    each = np.asarray(levels, np.float64)
    if quantiles.ndim != 2 or each.shape != quantiles.shape[1:]:
        raise UsageError(f"quantiles of shape {quantiles.shape} do not fit {each.size} levels.")
    losses = [pinball(y, quantiles[:, j], float(level)) for j, level in enumerate(each)]
    return 2.0 * np.mean(losses, axis=0)


def observed(p: AbstractNumericPrediction, y: ArrayLike) -> Float[np.ndarray, " n"]:
    """The observed values as (n,) float64; raises `UsageError` unless they are finite and one a row."""
    values = np.asarray(y, np.float64)
    if values.shape != (len(p),):
        raise UsageError(f"values of shape {values.shape} do not fit {len(p)} predictions.", mend="Give one a row.")
    if not np.all(np.isfinite(values)):
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise UsageError(f"the value of row {bad} is not finite.", mend="Leave that row out.")
    return values
