"""Bad input to GaussianMixture: a typed error that says what, where and how to mend it, or a recorded finding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from tacit import GaussianMixture
from tacit._errors import DataError, FitError, UsageError

D, N = 3, 256


def _rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, D))


def _with(value: float) -> np.ndarray:
    X = _rows()
    X[3, 1] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (_with(np.inf), "infinity"),
        (_with(-np.inf), "infinity"),
        (_with(1e200), "column 1: the value 1e\\+200 lies more than"),
        (np.full((N, D), np.nan), "column 0: no value is present"),
        (_rows()[:1], "minimum of 2 is required"),
        (_rows()[0], "Reshape your data"),
        (np.array([["a", "b"], ["c", "d"]]), "could not convert"),
        (np.empty((0, D)), "0 sample"),
    ],
)
def test_rows_that_cannot_be_used(X: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        GaussianMixture().fit(X)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.r_[-1.0, np.ones(N - 1)], "row 0 is -1"),
        (np.r_[np.ones(N - 1), np.nan], f"row {N - 1} is nan"),
        (np.zeros(N), "all weights are zero"),
        (np.ones(N - 1), "shape"),
        (np.r_[1.0, np.zeros(N - 1)], "positive weight"),
        (["heavy"] * N, "not numbers"),
    ],
)
def test_weights_that_cannot_be_used(weight: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        GaussianMixture().fit(_rows(), sample_weight=weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"n_components": []}, "n_components"),
        ({"n_components": [1, 2.5]}, "n_components"),
        ({"n_components": "many"}, "n_components"),
        ({"covariance_type": "round"}, "covariance_type"),
        ({"reg_covar": -1.0}, "reg_covar"),
        ({"cv": 1}, "cv"),
        ({"n_components": [1, 2], "cv": [([0], [1])]}, "exactly one test part"),
        ({"n_components": [1, 2], "means_init": np.zeros((2, D))}, "one number of components"),
        ({"means_init": np.full((1, D), np.nan)}, "not finite"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GaussianMixture(**settings).fit(_rows())


def test_more_components_than_rows() -> None:
    with pytest.raises(DataError, match="n_components = 5, n_samples = 3"):
        GaussianMixture(n_components=5).fit(_rows()[:3])


def test_columns_that_differ_at_prediction() -> None:
    model = GaussianMixture().fit(_rows())
    with pytest.raises(DataError, match="expecting 3 features"):
        model.score_samples(_rows()[:, :2])
    with pytest.raises(DataError, match="infinity"):
        model.predict(_with(np.inf))


def test_values_of_1e200_and_large_offsets_are_only_units() -> None:
    X = _rows()
    plain = GaussianMixture(reg_covar=0.0).fit(X)
    huge = GaussianMixture(reg_covar=0.0).fit(X * 1e200)
    assert_allclose(huge.means_, plain.means_ * 1e200, rtol=1e-9)
    assert huge.score(X * 1e200) == pytest.approx(plain.score(X) - D * np.log(1e200), rel=1e-12)
    assert [finding.code for finding in huge.findings_] == ["overflow"]
    drawn, _ = huge.sample(5, random_state=0)
    assert_allclose(drawn, plain.sample(5, random_state=0)[0] * 1e200, rtol=1e-9)
    shifted = GaussianMixture(reg_covar=0.0).fit(X + 1e9)
    assert shifted.score(X + 1e9) == pytest.approx(plain.score(X), abs=1e-6)
    assert_allclose(shifted.covariances_, plain.covariances_, atol=1e-6)


def test_tiny_values_meet_the_floor() -> None:
    model = GaussianMixture().fit(_rows() * 1e-200)
    assert_allclose(model.covariances_[0], 1e-6 * np.eye(D), atol=1e-18)
    assert [finding.code for finding in model.findings_] == ["variance-floor"]


def test_constant_column_is_recorded() -> None:
    X = _rows()
    X[:, 2] = 4.0
    model = GaussianMixture().fit(X)
    assert {(f.code, f.column) for f in model.findings_} == {("constant", "column 2"), ("variance-floor", None)}
    assert model.covariances_[0, 2, 2] == pytest.approx(1e-6)
    others = GaussianMixture().fit(X[:, :2])
    peak = norm.logpdf(0.0, 0.0, 1e-3)
    assert_allclose(model.score_samples(X), others.score_samples(X[:, :2]) + peak, rtol=1e-9)


def test_duplicate_rows_collapse_with_a_word_unless_there_is_a_floor() -> None:
    X = np.repeat(_rows()[:2], 5, axis=0)
    with pytest.raises(FitError, match="increase reg_covar"):
        GaussianMixture(n_components=3, reg_covar=0.0, random_state=0).fit(X)
    model = GaussianMixture(n_components=3, random_state=0).fit(X)
    assert np.isfinite(model.score(X))
    assert "variance-floor" in {finding.code for finding in model.findings_}


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_far_outlier_leaves_the_density_of_the_bulk_right(kind: str) -> None:
    X = _rows()
    X[-1] = 1e8
    bulk = X[:-1]
    model = GaussianMixture(n_components=2, covariance_type=kind, random_state=0, reg_covar=1e-3).fit(X)
    alone = GaussianMixture(covariance_type=kind, reg_covar=1e-3).fit(bulk)
    expected = alone.score_samples(bulk) + np.log((N - 1) / N)
    assert_allclose(model.score_samples(bulk), expected, rtol=0, atol=1e-9)


def test_rows_far_from_everything_still_have_responsibilities() -> None:
    model = GaussianMixture(n_components=2, random_state=0).fit(_rows())
    far = np.array([[1e200, -1e300, 0.0], [1e308, 1e308, -1e308]])
    shares = model.predict_proba(far)
    assert_allclose(shares.sum(axis=1), 1.0)
    assert np.all(model.score_samples(far) < -1e200)


def test_row_with_nothing_present_says_nothing() -> None:
    model = GaussianMixture(n_components=2, random_state=0).fit(_rows())
    nothing = np.full((1, D), np.nan)
    assert model.score_samples(nothing)[0] == pytest.approx(0.0, abs=1e-12)
    assert_allclose(model.predict_proba(nothing)[0], model.weights_)
