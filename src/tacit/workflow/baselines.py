"""Plain densities that a conditional model has to beat: a constant one, and one linear in the covariates."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln

from tacit.data.column import Column
from tacit.data.schema import Schema
from tacit.distributions.predictive import (
    AbstractPrediction,
    CategoricalPrediction,
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    PoissonMixturePrediction,
)

_PENALTIES = np.logspace(-3, 4, 29)  # of the ridge, in rows of standardised covariates
_LOG_2PI = float(np.log(2 * np.pi))

Weighted = tuple[Float[np.ndarray, "t p"], Float[np.ndarray, "t d"], Float[np.ndarray, " t"]]
Plain = tuple[Float[np.ndarray, "n p"], Float[np.ndarray, "n d"]]


@dataclass(frozen=True, eq=False)
class Baseline:
    """A plain model of rows that took no part in its fit: `log_prob` (n,) of the encoded targets, without Jacobian.

    `prediction` is that of the targets' first column, in the user's units.
    """

    name: str
    log_prob: Float[np.ndarray, " n"]
    prediction: AbstractPrediction


def baselines(
    schema: Schema,
    train: Weighted,
    rows: Plain,
) -> tuple[Baseline, Baseline]:
    """A constant and a linear model of the targets: fitted to `train` (x, y, weight), judged on `rows` (x, y).

    Numbers: one normal, and least squares with a ridge whose penalty and residual covariance are those of leaving
    one row out (log-normal where the target is positive). Counts: Poisson, constant and log-linear. Categories: the
    shares, and multinomial logistic regression. Everything is in the standardised units of `schema`.
    """
    column = schema.modelled[0]
    if column.kind == "count":
        return _counts(train, rows)
    if column.levels:
        return _categories(column, train, rows)
    return _numbers(schema, train, rows)


def _numbers(schema: Schema, train: Weighted, rows: Plain) -> tuple[Baseline, Baseline]:
    x, y, weight = train
    share = weight / weight.sum()
    mean = share @ y
    constant = ((y - mean) * share[:, None]).T @ (y - mean)
    predicted, residual = ridge(x, y, weight, rows[0])
    floor = np.diag([(column.floor / column.scale) ** 2 for column in schema.modelled])
    found = (
        ("constant", np.broadcast_to(mean, rows[1].shape), constant + floor),
        ("linear", predicted, residual + floor),
    )
    kind = "log-normal" if all(column.kind == "positive" for column in schema.modelled) else "Gaussian"
    first, second = (
        Baseline(f"{name} {kind}", _normal(rows[1], loc, cov), _predicted(schema.modelled[0], loc, cov))
        for name, loc, cov in found
    )
    return first, second


def _normal(y: np.ndarray, loc: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, (y - loc).T)
    log_determinant = np.log(np.diag(factor)).sum()
    density: np.ndarray = -0.5 * np.sum(white**2 + _LOG_2PI, axis=0) - log_determinant
    return density


def _predicted(column: Column, loc: np.ndarray, covariance: np.ndarray) -> AbstractPrediction:
    kind = LogNormalMixturePrediction if column.kind == "positive" else NormalMixturePrediction
    means = loc[:, :1]
    scales = np.full(means.shape, np.sqrt(covariance[0, 0]))
    return kind(np.zeros(means.shape), means, scales, center=column.center, scale=column.scale)


def ridge(
    x: Float[np.ndarray, "t p"],
    y: Float[np.ndarray, "t d"],
    weight: Float[np.ndarray, " t"],
    new: Float[np.ndarray, "n p"],
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "d d"]]:
    """Means at `new` and the covariance of the residuals, by ridge regression with an intercept that is not shrunk.

        r_i = (y_i - f(x_i)) / (1 - h_i)        the residual of row i where it is left out, h_i its leverage

    The penalty has the least weighted sum of r²; the covariance is the weighted mean of r rᵀ. Source: Golub, Heath and
    Wahba 1979.
    """
    share = weight / weight.sum()
    x_mean, y_mean = share @ x, share @ y
    root = np.sqrt(weight)[:, None]
    u, s, vt = np.linalg.svd(root * (x - x_mean), full_matrices=False)
    rotated = u.T @ (root * (y - y_mean))

    def residuals(penalty: float) -> np.ndarray:
        """Of every row where it is left out."""
        shrunk = s**2 / (s**2 + penalty)
        leverage = np.minimum((u**2) @ shrunk + share, 1 - 1e-6)
        left: np.ndarray = (y - y_mean - (u @ (shrunk[:, None] * rotated)) / root) / (1 - leverage)[:, None]
        return left

    penalty = min(_PENALTIES, key=lambda one: float(share @ np.sum(residuals(one) ** 2, axis=1)))
    left_out = residuals(penalty)
    slopes = vt.T @ ((s / (s**2 + penalty))[:, None] * rotated)
    return y_mean + (new - x_mean) @ slopes, (left_out * share[:, None]).T @ left_out


def _counts(train: Weighted, rows: Plain) -> tuple[Baseline, Baseline]:
    from sklearn.linear_model import PoissonRegressor

    x, y, weight = train
    mean = max(float(weight @ y[:, 0] / weight.sum()), 1e-3)
    model = PoissonRegressor(alpha=1.0 / weight.sum(), max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one that has not quite converged still is a baseline
        model.fit(x, y[:, 0], sample_weight=weight)
        linear = model.intercept_ + rows[0] @ model.coef_
    rates = {"constant Poisson": np.full(len(rows[0]), np.log(mean)), "log-linear Poisson": np.clip(linear, -30, 30)}
    first, second = (
        Baseline(
            name,
            rows[1][:, 0] * log_rate - np.exp(log_rate) - gammaln(rows[1][:, 0] + 1),
            PoissonMixturePrediction(np.zeros((len(log_rate), 1)), np.exp(log_rate)[:, None]),
        )
        for name, log_rate in rates.items()
    )
    return first, second


def _categories(column: Column, train: Weighted, rows: Plain) -> tuple[Baseline, Baseline]:
    """Both have one more row, spread over the levels, so that a level without training rows is possible."""
    from sklearn.linear_model import LogisticRegression

    x, y, weight = train
    codes, total, size = y[:, 0].astype(int), weight.sum(), len(column.levels)
    counts = np.bincount(codes, weight, minlength=size)
    shares = np.broadcast_to(counts / total, (len(rows[0]), size))
    logistic = shares
    if np.count_nonzero(counts) > 1:
        model = LogisticRegression(C=1.0, max_iter=1000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, codes, sample_weight=weight)
            logistic = np.zeros(shares.shape)
            logistic[:, model.classes_] = model.predict_proba(rows[0])
    told = rows[1][:, 0].astype(int)
    found = []
    for name, probabilities in (("shares of the levels", shares), ("logistic regression", logistic)):
        smoothed = (total * probabilities + 1.0 / size) / (total + 1.0)
        prediction = CategoricalPrediction(column.levels, smoothed)
        found.append(Baseline(name, np.log(smoothed[np.arange(len(told)), told]), prediction))
    return found[0], found[1]
