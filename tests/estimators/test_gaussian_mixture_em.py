"""EM behind the estimator: against scikit-learn from the same start, and what must hold of any EM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture as Reference

from tacit import GaussianMixture

KINDS = ["full", "tied", "diag", "spherical"]
K, D, N = 2, 3, 256


def _rows(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    label = random.random(N) < 0.4
    return np.where(label[:, None], random.normal(2.0, 1.0, (N, D)), random.normal(-1.0, 0.7, (N, D)))


def _start(X: np.ndarray, kind: str) -> dict[str, Any]:
    precision = np.linalg.inv(np.cov(X.T))
    precisions = {
        "full": np.stack([precision] * K),
        "tied": precision,
        "diag": np.stack([np.diag(precision)] * K),
        "spherical": np.full(K, 1 / X.var(axis=0).mean()),
    }
    return {"weights_init": [0.3, 0.7], "means_init": X[:K].copy(), "precisions_init": precisions[kind]}


def _holes(X: np.ndarray) -> np.ndarray:
    """Rows with about a fifth of their cells missing, one of them with no cell at all."""
    gone = np.random.default_rng(1).random(X.shape) < 0.2
    gone[5] = True
    return np.where(gone, np.nan, X)


def _fit(X: np.ndarray, kind: str, weight: np.ndarray | None = None, **settings: Any) -> GaussianMixture:
    defaults = {"n_components": K, "covariance_type": kind, "tol": 0.0, "max_iter": 25, **_start(_rows(), kind)}
    return GaussianMixture(**{**defaults, **settings}).fit(X, sample_weight=weight)


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("kind", KINDS)
def test_same_start_gives_the_parameters_of_scikit_learn(kind: str) -> None:
    X = _rows() * [1.0, 30.0, 0.2] + [0.0, 100.0, -4.0]
    settings = {"n_components": K, "covariance_type": kind, "tol": 0.0, "max_iter": 50, **_start(X, kind)}
    theirs, ours = Reference(**settings).fit(X), GaussianMixture(**settings).fit(X)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_", "lower_bounds_"):
        ours_, theirs_ = (np.asarray(getattr(model, name)) for model in (ours, theirs))
        assert ours_.shape == theirs_.shape
        assert_allclose(ours_, theirs_, rtol=1e-9, atol=1e-9 * np.abs(theirs_).max(), err_msg=name)
    for name in ("score_samples", "predict_proba", "predict", "score", "bic", "aic"):
        assert_allclose(getattr(ours, name)(X), getattr(theirs, name)(X), rtol=1e-9, atol=1e-9, err_msg=name)
    assert ours.lower_bound_ == pytest.approx(theirs.lower_bound_, rel=1e-12)
    assert (ours.n_iter_, ours.converged_) == (50, False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("holes", [False, True])
def test_log_likelihood_never_falls(kind: str, holes: bool) -> None:
    X = _holes(_rows()) if holes else _rows()
    bounds = np.array(_fit(X, kind, reg_covar=0.0).lower_bounds_)
    assert np.diff(bounds).min() >= -1e-10 * abs(bounds[-1])
    assert bounds[-1] > bounds[0] + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_missing_cells_are_integrated_out(kind: str) -> None:
    X = _holes(_rows())
    model = _fit(X, kind)
    covariances = {
        "full": model.covariances_,
        "tied": [model.covariances_] * K,
        "diag": [np.diag(row) for row in np.atleast_2d(model.covariances_)],
        "spherical": [value * np.eye(D) for value in np.ravel(model.covariances_)],
    }[kind]
    expected = np.zeros(N)
    shares = np.tile(model.weights_, (N, 1))
    for i, row in enumerate(X):
        seen = ~np.isnan(row)
        if seen.any():
            terms = model.weights_ * [
                multivariate_normal.pdf(row[seen], mean[seen], np.asarray(covariance)[np.ix_(seen, seen)])
                for mean, covariance in zip(model.means_, covariances, strict=True)
            ]
            expected[i], shares[i] = np.log(terms.sum()), terms / terms.sum()
    assert_allclose(model.score_samples(X), expected, rtol=1e-10, atol=1e-10)
    assert_allclose(model.predict_proba(X), shares, rtol=1e-8, atol=1e-10)


def test_mean_of_a_column_with_holes_uses_the_other_columns() -> None:
    # y = x + noise, and y is missing where x is large: the mean of the present y is far too low
    random = np.random.default_rng(2)
    x = random.normal(size=N)
    X = np.column_stack([x, x + 0.1 * random.normal(size=N), random.normal(size=N)])
    full = X[:, 1].mean()
    X[x > 0.5, 1] = np.nan
    model = GaussianMixture(max_iter=200, tol=1e-9).fit(X)
    assert abs(model.means_[0, 1] - full) < 0.05
    assert np.nanmean(X[:, 1]) < full - 0.3


@pytest.mark.parametrize("kind", ["full", "spherical"])
def test_integer_weights_are_repeated_rows_and_zero_weights_inert(kind: str) -> None:
    X = _rows()
    weight = np.random.default_rng(3).integers(0, 4, N)
    odd = X.copy()
    odd[weight == 0] = 1e6
    weighted, repeated = _fit(odd, kind, weight), _fit(np.repeat(X, weight, axis=0), kind)
    for name in ("weights_", "means_", "covariances_", "lower_bounds_"):
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-10, atol=1e-12)
    assert weighted.selection_.candidate.bic == pytest.approx(repeated.selection_.candidate.bic, rel=1e-12)
    assert weighted.score(X, sample_weight=weight) == pytest.approx(repeated.score(np.repeat(X, weight, axis=0)))


def test_affine_map_of_the_columns_maps_the_parameters() -> None:
    X, scale, shift = _rows(), np.array([3.0, 1e-3, 700.0]), np.array([10.0, -1.0, 1e5])
    plain = _fit(X, "full", reg_covar=0.0)
    start = _start(X, "full")
    start["means_init"] = start["means_init"] * scale + shift
    start["precisions_init"] = start["precisions_init"] / np.outer(scale, scale)
    mapped = _fit(X * scale + shift, "full", reg_covar=0.0, **start)
    assert_allclose(mapped.means_, plain.means_ * scale + shift, rtol=1e-9)
    assert_allclose(mapped.covariances_, plain.covariances_ * np.outer(scale, scale), rtol=1e-6)
    jacobian = np.log(scale).sum()
    assert_allclose(mapped.score_samples(X * scale + shift), plain.score_samples(X) - jacobian, rtol=1e-8)


def test_permuted_start_permutes_the_components() -> None:
    X, start = _rows(), _start(_rows(), "full")
    plain = _fit(X, "full")
    swapped = {name: np.asarray(value)[::-1] for name, value in start.items()}
    other = _fit(X, "full", **swapped)
    assert_allclose(other.means_, plain.means_[::-1], rtol=1e-10)
    assert_allclose(other.lower_bounds_, plain.lower_bounds_, rtol=1e-12)


def test_part_of_a_start_may_be_given() -> None:
    X = _rows()
    means = [[5.0, 5.0, 5.0], [-5.0, -5.0, -5.0]]
    model = GaussianMixture(n_components=K, means_init=means, max_iter=0, random_state=0).fit(X)
    assert_allclose(model.means_, means)
    assert model.lower_bounds_ == []


def test_more_starts_are_not_worse() -> None:
    X = _rows()
    few, many = (GaussianMixture(n_components=K, n_init=n, tol=1e-7, random_state=0).fit(X).score(X) for n in (1, 5))
    assert many >= few - 1e-5
