"""LinearGaussian: the four procedures against closed forms, its answers against SciPy's normal, files, bad input."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import tacit
from tacit import LinearGaussian
from tacit._errors import DataError, UsageError

COLUMNS = [0, 2, 5, 6, 9, 11, 12]


@pytest.fixture(scope="module")
def wine() -> np.ndarray:
    return load_wine().data[:, COLUMNS]


@pytest.fixture(scope="module")
def model(wine: np.ndarray) -> LinearGaussian:
    return LinearGaussian(2, noise="diagonal", random_state=0).fit(wine)


@pytest.mark.parametrize("method", ["transform", "latent_covariance", "reconstruct", "inverse_transform", "score"])
def test_a_model_that_is_not_fitted_says_so(wine: np.ndarray, method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(LinearGaussian(), method)(wine)


def closed_form(X: np.ndarray, m: int) -> float:
    d = X.shape[1]
    values = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    noise = values[m:].mean()
    return -0.5 * (d * np.log(2 * np.pi) + np.log(values[:m]).sum() + (d - m) * np.log(noise) + d)


def normal_of(model: LinearGaussian) -> tuple[np.ndarray, np.ndarray]:
    return model.mean_, model.components_.T @ model.components_ + np.diag(model.noise_variance_)


@pytest.mark.parametrize("standardise", [True, False])
def test_isotropic_em_is_the_closed_form_in_the_units_of_the_data(wine: np.ndarray, standardise: bool) -> None:
    found = LinearGaussian(2, standardise=standardise, random_state=0).fit(wine)
    scale = wine.std(0) if standardise else np.ones(len(COLUMNS))
    expected = closed_form(wine / scale, 2) - np.log(scale).sum()
    assert found.score(wine) == pytest.approx(expected, abs=1e-6)
    assert found.converged_
    assert found.gap_ == 0.0
    share = found.noise_variance_ / scale**2
    np.testing.assert_allclose(share, share[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("inference", "within", "settings"),
    [
        ("joint", 1e-5, {"max_iter": 1500}),
        ("local", 1e-5, {"max_iter": 1500}),
        ("amortised", 1e-2, {"max_iter": 1500}),
        ("joint", 1e-3, {"n_mc_samples": 4, "max_iter": 600}),
    ],
)
def test_every_procedure_comes_to_the_same(
    wine: np.ndarray, inference: str, within: float, settings: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = LinearGaussian(2, inference=inference, random_state=0, **settings).fit(wine)
    scale = wine.std(0)
    best = closed_form(wine / scale, 2) - np.log(scale).sum()
    assert best - within < found.score(wine) < best + 1e-9
    assert -1e-9 < found.gap_ < within
    assert found.gap_ == pytest.approx(found.score(wine) - found.bound_)


@pytest.mark.parametrize(
    ("settings", "converged"),
    [
        ({"inference": "joint"}, True),
        ({"inference": "joint", "learning_rate": 1e-6, "max_iter": 200}, True),  # L-BFGS knows no rate
        ({"inference": "joint", "max_iter": 24}, False),
        ({"inference": "joint", "n_mc_samples": 4}, True),
        ({"inference": "joint", "n_mc_samples": 4, "learning_rate": 1e-6, "max_iter": 100}, False),
        ({"inference": "local"}, True),
        ({"inference": "local", "learning_rate": 1e-6, "max_iter": 100}, False),
        ({"inference": "amortised", "max_iter": 1000}, True),
        ({"inference": "amortised", "max_iter": 5}, False),
    ],
)
def test_a_training_has_converged_where_more_steps_would_gain_nothing(
    wine: np.ndarray, settings: dict[str, Any], converged: bool
) -> None:
    found = LinearGaussian(2, random_state=0, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found.fit(wine)
    scale = wine.std(0)
    short = closed_form(wine / scale, 2) - np.log(scale).sum() - found.score(wine)
    assert found.converged_ == converged == (short < 1e-3)


def test_an_encoder_that_holes_keep_from_being_exact_converges_all_the_same(wine: np.ndarray) -> None:
    holed = np.where(np.random.default_rng(0).random(wine.shape) < 0.3, np.nan, wine)
    found = LinearGaussian(2, inference="joint", random_state=0).fit(holed)
    assert found.converged_
    assert found.gap_ > 0.01
    with pytest.warns(ConvergenceWarning, match="ran out of steps"):
        LinearGaussian(2, inference="joint", max_iter=40, random_state=0).fit(holed)


def test_joint_training_without_draws_ends_at_the_maximum_of_a_narrow_valley() -> None:
    X = load_breast_cancer().data[:, :10]  # radius, perimeter and area say nearly the same
    best = LinearGaussian(2, noise="diagonal", n_init=1, tol=1e-9, random_state=0).fit(X)
    found = LinearGaussian(2, noise="diagonal", inference="joint", n_init=1, tol=1e-9, random_state=0).fit(X)
    assert found.score(X) == pytest.approx(best.score(X), abs=1e-6)
    assert found.converged_
    assert abs(found.gap_) < 1e-6
    assert (np.diff(found.bounds_[1001:]) > -1e-9).all()  # L-BFGS never lowers the bound


@pytest.mark.parametrize("noise", ["isotropic", "diagonal"])
def test_units_and_bounds_of_joint_training(wine: np.ndarray, noise: str) -> None:
    settings: dict[str, Any] = {"noise": noise, "inference": "joint", "n_init": 1, "random_state": 0}
    found = LinearGaussian(2, **settings).fit(wine)
    assert found.bounds_[-1] == found.bound_ == found.fitted_.starts[0]
    assert -1e-10 < found.gap_ < 1e-6
    scale = 10.0 ** np.arange(-3, 4)
    other = LinearGaussian(2, standardise=noise == "isotropic", **settings).fit(wine * scale)
    assert other.score(wine * scale) == pytest.approx(found.score(wine) - np.log(scale).sum(), abs=1e-6)
    loose = LinearGaussian(2, tol=0.5, learning_rate=1e-6, max_iter=400, **settings).fit(wine)  # stops soon, as asked
    assert loose.converged_
    assert loose.n_iter_ < 400
    with pytest.warns(ConvergenceWarning, match="after 1 steps; raise max_iter"):
        LinearGaussian(2, max_iter=1, **settings).fit(wine)


def test_columns_that_determine_each_other_stall_joint_training_which_says_so() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 6))  # of rank 2: the noise goes to its floor
    with pytest.warns(ConvergenceWarning, match="The fit (stalled|ran out of steps)"):
        found = LinearGaussian(2, noise="diagonal", inference="joint", n_init=1, random_state=0).fit(X)
    assert not found.converged_
    exact = LinearGaussian(2, noise="diagonal", random_state=0).fit(X)
    assert exact.converged_
    assert exact.score(X) > found.score(X) + 0.01


def test_the_best_of_several_starts_of_factor_analysis_is_kept_and_the_others_told() -> None:
    X = load_breast_cancer().data  # has two optima
    one, found = (LinearGaussian(3, noise="diagonal", n_init=n, random_state=0).fit(X) for n in (1, 5))
    assert found.score(X) > one.score(X) + 0.5
    assert found.score(X) == pytest.approx(max(found.fitted_.starts), abs=1e-4)
    assert [f.code for f in found.findings_ if f.code == "starts-differ"] == ["starts-differ"]
    assert len(LinearGaussian(1, random_state=0).fit(X[:, :4]).fitted_.starts) == 1
    joint = LinearGaussian(1, noise="diagonal", inference="joint", n_init=2, random_state=0).fit(X[:, :4])
    assert joint.score(X[:, :4]) == pytest.approx(max(joint.fitted_.starts), abs=1e-4)
    assert len(joint.fitted_.starts) == 2


def test_densities_are_those_of_the_implied_normal(wine: np.ndarray, model: LinearGaussian) -> None:
    mean, covariance = normal_of(model)
    np.testing.assert_allclose(model.score_samples(wine), multivariate_normal(mean, covariance).logpdf(wine), rtol=1e-9)
    holed = wine[:4].copy()
    holed[:, [1, 3]] = np.nan
    part = [0, 2, 4, 5, 6]
    expected = multivariate_normal(mean[part], covariance[np.ix_(part, part)]).logpdf(wine[:4, part])
    np.testing.assert_allclose(model.score_samples(holed), expected, rtol=1e-9)
    assert model.evaluate(wine).kind == "exact"


def test_columns_given_others_are_those_of_the_implied_normal(wine: np.ndarray, model: LinearGaussian) -> None:
    mean, covariance = normal_of(model)
    gain = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    expected = mean[0] + (wine[:5, 1:] - mean[1:]) @ gain
    found = model.predict_distribution(wine[:5], "x0")
    np.testing.assert_allclose(found.mean(), expected, rtol=1e-9)
    np.testing.assert_allclose(found.std(), np.sqrt(covariance[0, 0] - covariance[0, 1:] @ gain), rtol=1e-9)
    holed = wine[:5].copy()
    holed[:, 0] = np.nan
    np.testing.assert_allclose(model.impute(holed)[:, 0], expected, rtol=1e-9)
    drawn = np.stack([one[:, 0] for one in model.impute(holed, draws=400, random_state=0)])
    assert np.all(np.abs(drawn.mean(0) - expected) < 5 * found.std() / 20)
    given = model.condition({f"x{j}": wine[0, j] for j in range(1, len(COLUMNS))})
    assert given.predict_distribution("x0").mean()[0] == pytest.approx(expected[0])


def test_latents_are_the_posterior_and_independent_of_each_other(wine: np.ndarray, model: LinearGaussian) -> None:
    mean, covariance = normal_of(model)
    gain = np.linalg.solve(covariance, model.components_.T)
    np.testing.assert_allclose(model.transform(wine), (wine - mean) @ gain, atol=1e-9)
    within = model.latent_covariance(wine[:1])[0]
    np.testing.assert_allclose(within, np.eye(2) - model.components_ @ gain, atol=1e-9)
    assert abs(within[0, 1]) < 1e-9
    z = model.transform(wine)
    np.testing.assert_allclose(model.inverse_transform(z), mean + z @ model.components_, rtol=1e-9)
    np.testing.assert_allclose(model.reconstruct(wine), model.inverse_transform(z))
    assert list(model.get_feature_names_out()) == ["lineargaussian0", "lineargaussian1"]


def test_draws_have_the_moments(model: LinearGaussian) -> None:
    mean, covariance = normal_of(model)
    drawn = model.sample(20_000, random_state=0)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((drawn.mean(0) - mean) / scale, 0, atol=5 / np.sqrt(20_000))
    np.testing.assert_allclose(np.corrcoef(drawn.T), covariance / np.outer(scale, scale), atol=0.05)


def test_positive_columns_go_by_their_logarithms(wine: np.ndarray) -> None:
    table = {f"c{j}": wine[:, j] for j in range(3)}
    logs = {name: np.log(values) for name, values in table.items()}
    found = LinearGaussian(1, types=dict.fromkeys(table, "positive"), random_state=0).fit(table)
    plain = LinearGaussian(1, random_state=0).fit(logs)
    jacobian = -sum(logs.values())
    np.testing.assert_allclose(found.score_samples(table), plain.score_samples(logs) + jacobian, atol=1e-6)
    assert found.sample(3, random_state=0)["c0"].min() > 0


@pytest.mark.slow
def test_holes_and_weights(wine: np.ndarray) -> None:
    holed = wine.copy()
    holed[::3, 1] = np.nan
    weight = np.random.default_rng(0).integers(0, 3, len(wine))
    weighted = LinearGaussian(1, random_state=0).fit(holed, sample_weight=weight)
    repeated = LinearGaussian(1, random_state=0).fit(np.repeat(holed, weight, axis=0))
    np.testing.assert_allclose(weighted.score(wine), repeated.score(wine), atol=1e-4)
    assert np.isfinite(weighted.score_samples(holed)).all()


def test_a_file_gives_the_same_answers(wine: np.ndarray, model: LinearGaussian, tmp_path: Any) -> None:
    model.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    assert isinstance(again, LinearGaussian)
    np.testing.assert_array_equal(again.score_samples(wine), model.score_samples(wine))
    np.testing.assert_array_equal(again.transform(wine), model.transform(wine))
    assert (again.gap_, again.verdict_, again.findings_) == (model.gap_, model.verdict_, model.findings_)


@pytest.mark.slow
def test_held_out_rows_judge(wine: np.ndarray) -> None:
    found = LinearGaussian(1, noise="diagonal", holdout=0.25, random_state=0).fit(wine)
    figure, plain = found.fitted_.figures
    assert figure.kind == plain.kind == "exact"
    assert figure.n == len(found.fitted_.heldout) > 30
    assert found.fitted_.differences[0].value > 0


@pytest.mark.parametrize(
    ("settings", "table", "match"),
    [
        ({"n_latents": 3}, {"a": [1.0, 2, 4], "b": [2.0, 1, 5]}, "too many for 2 columns"),
        ({"inference": "em", "n_mc_samples": 3}, {"a": [1.0, 2, 4], "b": [2.0, 1, 5]}, "EM draws nothing"),
        ({"inference": "gibbs"}, {"a": [1.0, 2, 4], "b": [2.0, 1, 5]}, "amortised"),
        ({"noise": "full"}, {"a": [1.0, 2, 4], "b": [2.0, 1, 5]}, "isotropic"),
        ({}, {"a": [1.0, 2, 4, 5], "s": ["u", "v", "u", "v"]}, "'s' is binary"),
    ],
)
def test_bad_input_is_told(settings: dict[str, Any], table: dict[str, Any], match: str) -> None:
    with pytest.raises((UsageError, DataError), match=match):
        LinearGaussian(**settings).fit(table)


def test_other_shapes_of_latents_are_told(model: LinearGaussian) -> None:
    with pytest.raises(UsageError, match=r"not \(n, 2\)"):
        model.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(UsageError, match="missing or infinite"):
        model.inverse_transform([[np.nan, 0.0]])
    assert clone(model).get_params() == model.get_params()


@pytest.mark.slow
def test_it_passes_scikit_learns_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(LinearGaussian())
