"""Mixtures of linear regressions with constant weights: fitted by EM in float64, and what they say at x."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._errors import DataError, FitError, UsageError
from tacit.data.measure import measure
from tacit.distributions import DiagonalNormal, LinearNormal, MultivariateNormal
from tacit.distributions.linear_normal import AnyNormal
from tacit.inference import em
from tacit.inference.fit import Fit, Member, Settings
from tacit.inference.population import fit_population
from tacit.inference.source import Source
from tacit.models import FiniteMixture
from tacit.workflow.regression_starts import elemental_starts

RIDGE = 1e-8  # rows of unit spread that ask for slopes of 0, so that collinear covariates have an answer


class Conditional(NamedTuple):
    """The mixture of normals at each row: weights (n, k) in logs, means (n, k, d), and covariances (k, d, d)."""

    log_weights: Float[np.ndarray, "n k"]
    means: Float[np.ndarray, "n k d"]
    covariances: Float[np.ndarray, "k d d"]


def fit_regressions(
    x: Float[np.ndarray, "n p"],
    y: Float[np.ndarray, "n d"],
    weight: Float[np.ndarray, " n"] | None = None,
    *,
    k: int,
    seed: int,
    settings: Settings | None = None,
    diagonal: bool = False,
    floor: Float[np.ndarray, " d"] | None = None,
) -> FiniteMixture:
    """`p(y | x) = sum_k w_k N(y; b_k + W_k x, S_k)`, the best of several starts of EM: the mixture of the first of
    `regression_fits`, which has the arguments and the errors.

    Example:
        >>> random = np.random.default_rng(0)
        >>> x = random.normal(size=(300, 1))
        >>> y = np.where(random.random((300, 1)) < 0.5, 2.0, -2.0) * x + random.normal(0.0, 0.3, (300, 1))
        >>> mixture = fit_regressions(x, y, k=2, seed=0)
        >>> np.sort(mixture.components.slopes.ravel()).round(1)
        array([-2.,  2.])
        >>> conditional(mixture, np.array([[1.0]])).means.shape
        (1, 2, 1)
    """
    return regression_fits(x, y, weight, k=k, seed=seed, settings=settings, diagonal=diagonal, floor=floor)[0].mixture


def regression_fits(
    x: Float[np.ndarray, "n p"],
    y: Float[np.ndarray, "n d"],
    weight: Float[np.ndarray, " n"] | None = None,
    *,
    k: int,
    seed: int,
    settings: Settings | None = None,
    diagonal: bool = False,
    floor: Float[np.ndarray, " d"] | None = None,
) -> list[Fit]:
    """Every start of EM, best first, with its verdict; log-likelihoods are of y given x, in nats, in the units of y.

    Rows with a missing target or of weight 0 are left out. Inside, x and y are standardised, and the slopes have a
    ridge of 1e-8 of a row. A fit with a component of fewer rows than it has numbers for one target comes after
    those without: such a component follows its rows exactly, and its likelihood says nothing.

    Args:
        x: covariates, without holes (`tacit.data.covariates`).
        y: targets, NaN where missing.
        weight: row weights; ones unless given.
        k: number of components.
        seed: of the starts.
        settings: starts, steps and tolerance; where starts begin is told in `regression_starts`.
        diagonal: whether targets are independent in a component; else its covariance is full.
        floor: least s.d. of each target; by the rules of `tacit.data.measure` unless given.

    Raises:
        DataError: shapes that do not fit, a cell of x that is not finite, an infinite target, a weight that is
            negative or not finite, or fewer than two rows.
        UsageError: k below 1.
        FitError: no start ended with finite parameters.
    """
    if k < 1:
        raise UsageError(f"{k} components make no mixture.", mend="Give k of 1 or more.")
    x, y, weight = _complete(x, y, weight)
    floor = np.array([measure(column).floor for column in y.T]) if floor is None else np.asarray(floor, float)
    (x_mean, x_scale), (y_mean, y_scale) = _unit(x, weight), _unit(y, weight)
    rows = np.hstack([(y - y_mean) / y_scale, (x - x_mean) / x_scale])
    regularise = ((floor / y_scale) ** 2, np.float64(RIDGE))
    with jax.enable_x64(True):
        source, family = Source(rows, weight[:, None]), _overall(rows, weight, y.shape[1], diagonal, regularise)
        fits = fit_population(
            source,
            family,
            [Member(k)],
            regularise,
            replace(settings or Settings(), method="random"),
            key=jax.random.key(seed),
            adjust=lambda begun: begun if k == 1 else elemental_starts(begun, family, rows, weight, seed),
        )[0]
    fits.sort(key=lambda fit: not fit.finished or fit.status == em.NON_FINITE or _is_degenerate(fit, weight))
    if fits[0].status == em.NON_FINITE or not np.isfinite(fits[0].log_likelihood):
        raise FitError("No start of the regressions ended with finite parameters.", mend="Give fewer components.")
    shift = float(np.sum(np.log(y_scale)))
    return [
        replace(
            fit,
            mixture=_in_units(fit.mixture, x_mean, x_scale, y_mean, y_scale),
            log_likelihood=fit.log_likelihood - shift * float(weight.sum()),
            bounds=fit.bounds - shift,
        )
        for fit in fits
    ]


def conditional(mixture: FiniteMixture, x: Float[np.ndarray, "n p"]) -> Conditional:
    """What a mixture of regressions says of y at each row of x, in float64; raises DataError for x with holes."""
    x = np.asarray(x, dtype=np.float64)
    slopes = np.asarray(mixture.components.slopes)
    if x.ndim != 2 or x.shape[1] != slopes.shape[-1] or not np.isfinite(x).all():
        raise DataError(
            f"Covariates of shape {x.shape} with {int((~np.isfinite(x)).sum())} cells that are not finite.",
            mend=f"Give finite x of shape (n, {slopes.shape[-1]}).",
        )
    normal = mixture.components.normal
    with jax.enable_x64(True):
        if isinstance(normal, DiagonalNormal):
            covariances = np.asarray(normal.variance)[..., None] * np.eye(slopes.shape[-2])
        else:
            covariances = np.asarray(normal.covariance)
    log_weights = np.asarray(mixture.log_weights) - np.logaddexp.reduce(np.asarray(mixture.log_weights))
    means = np.asarray(normal.loc) + np.einsum("np,kdp->nkd", x, slopes)
    return Conditional(np.tile(log_weights, (len(x), 1)), means, covariances)


def _complete(x: Any, y: Any, weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows that count, as float64, or DataError."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if (
        x.ndim != 2
        or y.ndim != 2
        or not len(x) == len(y) == weight.size
        or weight.ndim != 1
        or 0 in (*x.shape, *y.shape)
    ):
        shapes = f"x {x.shape}, y {y.shape}, weight {weight.shape}"
        raise DataError(f"Shapes do not fit: {shapes}.", mend="Give x (n, p), y (n, d) and weight (n,).")
    for name, wrong in {
        "x": ~np.isfinite(x),
        "y": np.isinf(y),
        "weight": ~(np.isfinite(weight) & (weight >= 0)),
    }.items():
        if wrong.any():
            row = int(np.argwhere(wrong)[0, 0])
            raise DataError(f"A cell of {name} cannot be used.", where=f"row {row}", mend="Give finite numbers.")
    counts = (weight > 0) & ~np.isnan(y).any(axis=1)
    if counts.sum() < 2:
        raise DataError(f"{counts.sum()} rows have all targets and a weight.", mend="Give at least two rows.")
    return x[counts], y[counts], weight[counts]


def _is_degenerate(fit: Fit, weight: Float[np.ndarray, " n"]) -> bool:
    """Whether a component has fewer rows than its slopes, its mean and its scale need."""
    least = fit.mixture.components.slopes.shape[-1] + 2
    return bool(np.min(np.exp(fit.mixture.log_weights)) * weight.sum() < least)


def _unit(values: Float[np.ndarray, "n c"], weight: Float[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means and standard deviations in two passes; 1 where constant."""
    middle = np.median(values, axis=0)
    mean = middle + np.average(values - middle, axis=0, weights=weight)
    with np.errstate(over="ignore"):
        scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
    if not np.isfinite(scale).all():
        raise DataError("The numbers are too large to square.", mend="Give them in a larger unit.")
    return mean, np.where(np.ptp(values, axis=0) > 0, scale, 1.0)


def _overall(
    rows: Float[np.ndarray, "n c"], weight: Float[np.ndarray, " n"], d: int, diagonal: bool, regularise: Any
) -> LinearNormal:
    """One regression over all rows: the family of the components, and where their starts look from."""
    p = rows.shape[1] - d
    zeros = np.zeros((1, d))
    normal: AnyNormal = DiagonalNormal(zeros, zeros) if diagonal else MultivariateNormal(zeros, np.zeros((1, d, d)))
    u = np.insert(rows, rows.shape[1], 1.0, axis=1)
    products = (u * weight[:, None]).T @ u
    sums = np.concatenate([products[:-1, :-1][np.triu_indices(d + p)], products[-1]])
    one = LinearNormal(normal, np.zeros((1, d, p))).maximise(jnp.asarray(sums)[None], regularise, centred=False)
    return jax.tree.map(lambda a: np.asarray(a)[0], one)


def _in_units(
    mixture: FiniteMixture, x_mean: np.ndarray, x_scale: np.ndarray, y_mean: np.ndarray, y_scale: np.ndarray
) -> FiniteMixture:
    """The mixture over x and y as they came."""
    components = mixture.components
    slopes = y_scale[:, None] * components.slopes / x_scale
    loc = y_mean + y_scale * components.normal.loc - slopes @ x_mean
    normal = eqx.tree_at(lambda n: n.loc, components.normal, loc)
    if isinstance(normal, DiagonalNormal):
        normal = eqx.tree_at(lambda n: n.log_scale, normal, normal.log_scale + np.log(y_scale))
    else:  # rows of the Cholesky factor, its diagonal in logs
        raw = np.tril(normal.raw, -1) * y_scale[:, None] + normal.raw * np.eye(len(y_scale)) + np.diag(np.log(y_scale))
        normal = eqx.tree_at(lambda n: n.raw, normal, raw)
    return FiniteMixture.of(mixture.log_weights, LinearNormal(normal, slopes))
