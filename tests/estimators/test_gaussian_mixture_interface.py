"""What GaussianMixture offers: choice of k, streams, records, and the conventions of scikit-learn."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

import tacit
from tacit import GaussianMixture
from tacit._errors import UsageError

D, N = 3, 256


def _rows(n: int = N, seed: int = 0) -> np.ndarray:
    """Two well separated components, with shares .4 and .6."""
    random = np.random.default_rng(seed)
    label = random.random(n) < 0.4
    return np.where(label[:, None], random.normal(3.0, 1.0, (n, D)), random.normal(-1.0, 0.7, (n, D)))


@pytest.fixture(scope="module")
def fitted() -> GaussianMixture:
    return GaussianMixture(n_components=2, random_state=0).fit(_rows())


def test_import_is_light_and_names_are_found_when_asked_for() -> None:
    code = (
        "import sys, tacit\n"
        "assert not {'jax', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "assert 'GaussianMixture' in dir(tacit)\n"
        "from tacit import GaussianMixture\n"
        "assert tacit.gradients.LeaveOneOut and tacit.objectives.IWAE\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    with pytest.raises(AttributeError, match="no attribute 'Mixtures'"):
        _ = tacit.Mixtures


def test_number_of_components_is_chosen_and_recorded_in_the_units_of_the_data() -> None:
    X = _rows() * [1.0, 50.0, 0.1]
    splits = list(KFold(5, shuffle=True, random_state=0).split(X))
    model = GaussianMixture([1, 2, 3], n_init=3, cv=splits, random_state=0).fit(X)
    assert (model.n_components_, model.selection_.chosen, model.selection_.method) == (2, 2, "density")
    chosen = model.selection_.candidate
    assert chosen.log_likelihood == pytest.approx(model.score(X) * N, rel=1e-12)
    assert (chosen.aic, chosen.bic) == pytest.approx((model.aic(X), model.bic(X)), rel=1e-12)
    shares = model.responsibilities(X)
    entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)))
    assert chosen.icl == pytest.approx(model.bic(X) + 2 * entropy, rel=1e-9)
    one = next(c for c in model.selection_.candidates if c.k == 1)
    folds = [GaussianMixture().fit(X[a]).score_samples(X[b]) for a, b in splits]
    assert one.cv == pytest.approx(np.concatenate(folds).mean(), rel=1e-6)
    assert {(r["k"], r["stage"]) for r in model.restarts_} == {(k, "finished") for k in (1, 2, 3)}
    finished = [r["log_likelihood"] for r in model.restarts_ if r["k"] == 2]
    assert max(finished) == pytest.approx(chosen.log_likelihood)


def test_cross_validation_takes_the_folds_it_is_given() -> None:
    X, splits = _rows(), list(KFold(5).split(_rows()))
    model = GaussianMixture(range(1, 4), n_init=3, cv=splits, random_state=0).fit(X)
    expected = np.concatenate([GaussianMixture().fit(X[a]).score_samples(X[b]) for a, b in splits])
    one = model.selection_.candidates[0]
    assert one.cv == pytest.approx(expected.mean(), abs=1e-9)
    assert one.cv_se == pytest.approx(expected.std(ddof=1) / np.sqrt(N), rel=1e-6)
    assert model.n_components_ == 2


def test_segments_take_components_by_bic_and_their_number_by_icl() -> None:
    model = GaussianMixture("auto", select="segments", n_init=2, random_state=0).fit(_rows(40))
    candidates = model.selection_.candidates
    assert [c.k for c in candidates] == list(range(1, 11))  # 40 rows: ten components of four rows
    assert model.selection_.chosen == min(candidates, key=lambda c: c.bic).k
    best = min(candidates, key=lambda c: c.icl).k
    assert model.selection_.n_segments == min(best, model.selection_.chosen)
    assert model.selection_.candidates[0].cv is None


def test_evaluate_gives_the_score_with_its_error(fitted: GaussianMixture) -> None:
    X, weight = _rows(seed=1), np.arange(N) % 3
    log_probs = fitted.score_samples(X)
    figure = fitted.evaluate(X)
    assert (figure.kind, figure.n) == ("exact", N)
    assert figure.value == pytest.approx(fitted.score(X), rel=1e-12)
    assert figure.standard_error == pytest.approx(log_probs.std(ddof=1) / np.sqrt(N), rel=1e-9)
    weighted = fitted.evaluate(X, sample_weight=weight, groups=np.arange(N) // 8)
    assert weighted.value == pytest.approx(np.average(log_probs, weights=weight), rel=1e-12)
    assert weighted.n_groups == N // 8


def test_sample_follows_the_model() -> None:
    for kind in ("tied", "diag"):
        model = GaussianMixture(n_components=2, covariance_type=kind, random_state=0).fit(_rows() * [1.0, 8.0, 1.0])
        drawn, label = model.sample(40_000, random_state=1)
        assert drawn.shape == (40_000, D)
        assert np.all(np.diff(label) >= 0)
        for k in range(2):
            part = drawn[label == k]
            covariance = np.cov(part.T)
            whole = model.covariances_ if kind == "tied" else np.diag(model.covariances_[k])
            se = np.sqrt(np.outer(np.diag(whole), np.diag(whole)) * 2 / len(part))
            assert np.abs(covariance - whole).max() < 6 * se.max()
            assert np.all(np.abs(part.mean(axis=0) - model.means_[k]) < 6 * np.sqrt(np.diag(whole) / len(part)))
        assert len(label[label == 0]) / 40_000 == pytest.approx(model.weights_[0], abs=0.015)
        assert_array_equal(model.sample(7)[0], model.sample(7)[0])  # random_state of the estimator


@pytest.mark.slow
def test_stepwise_em_approaches_batch_em() -> None:
    X = _rows(200 * 100, seed=4)
    stream = GaussianMixture(n_components=2, random_state=0)
    start = stream.partial_fit(X[:100]).means_
    for chunk in np.split(X[100:], 199):
        before = stream.score(chunk)
        stream.partial_fit(chunk)
    assert stream.lower_bound_ == pytest.approx(before, rel=1e-10)
    assert (stream.verdict_, stream.converged_) == ("streaming", False)
    batch = GaussianMixture(n_components=2, random_state=0, tol=1e-8).fit(X)
    order = np.argsort(stream.means_[:, 0])
    target = batch.means_[np.argsort(batch.means_[:, 0])]
    assert np.abs(stream.means_[order] - target).max() < 0.05
    assert np.abs(start[np.argsort(start[:, 0])] - target).max() > 0.1
    assert 0 <= batch.score(X) - stream.score(X) < 2e-3


def test_stepwise_em_weighs_chunks_and_fills_holes() -> None:
    X = _rows()
    holes = np.where(np.random.default_rng(5).random(X.shape) < 0.2, np.nan, X)
    whole, weighted = (GaussianMixture(n_components=2, random_state=0).partial_fit(X) for _ in range(2))
    whole.partial_fit(np.vstack([holes, holes]))
    weighted.partial_fit(holes, sample_weight=np.full(N, 2.0))
    assert_allclose(weighted.means_, whole.means_, rtol=1e-9)
    assert_allclose(weighted.covariances_, whole.covariances_, rtol=1e-9)
    # one chunk, again: with k = 1 the average of the statistics is that of the rows
    single = GaussianMixture().partial_fit(X).partial_fit(X)
    assert_allclose(single.means_[0], X.mean(axis=0), rtol=1e-9)
    assert_allclose(single.covariances_[0], np.cov(X.T, ddof=0) + 1e-6 * np.eye(D), rtol=1e-8)
    with pytest.raises(UsageError, match="needs a number"):
        GaussianMixture("auto").partial_fit(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_goes_on_where_the_last_fit_ended() -> None:
    X = _rows()
    settings = {"n_components": 2, "n_init": 1, "tol": 0.0, "random_state": 0}
    once = GaussianMixture(max_iter=6, **settings).fit(X)
    twice = GaussianMixture(max_iter=3, warm_start=True, **settings).fit(X)
    first = twice.lower_bound_
    twice.fit(X)
    assert_allclose(twice.means_, once.means_, rtol=1e-12)
    assert twice.lower_bound_ > first
    with pytest.raises(UsageError, match="warm_start"):
        twice.set_params(n_components=3).fit(X)


def test_travels_through_pickle_clone_and_grid_search(fitted: GaussianMixture) -> None:
    X = _rows()
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.score_samples(X), fitted.score_samples(X))
    fresh = clone(fitted)
    assert not hasattr(fresh, "means_")
    assert fresh.get_params() == fitted.get_params()
    search = GridSearchCV(GaussianMixture(n_init=2, random_state=0), {"n_components": [1, 2]}, cv=2).fit(X)
    assert search.best_params_ == {"n_components": 2}


def test_same_seed_same_fit_and_public_state_is_float64(fitted: GaussianMixture) -> None:
    again = GaussianMixture(n_components=2, random_state=0).fit(_rows())
    assert_array_equal(again.means_, fitted.means_)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        value = getattr(fitted, name)
        assert type(value) is np.ndarray
        assert value.dtype == np.float64
    assert_allclose(fitted.precisions_[0] @ fitted.covariances_[0], np.eye(D), atol=1e-9)
    assert (fitted.verdict_, fitted.converged_, fitted.findings_) == ("converged", True, [])


def test_progress_is_printed_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    model = GaussianMixture(n_components=2, random_state=0, verbose=2, verbose_interval=2).fit(_rows())
    printed = capsys.readouterr().out
    assert "starts, up to 2 components: 0 of 30" in printed
    assert f"step 2: {model.lower_bounds_[1]:.5f} nats a row" in printed
    assert f"converged after {model.n_iter_} steps" in printed
