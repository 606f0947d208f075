"""VAE of p(y | x): exact conditionals of a linear one, quadrature, the truth of simulated data, files, bad input."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

import tacit
from tacit import VAE, DiscreteVAE
from tacit._errors import DataError, TacitWarning, UsageError

N, D = 400, 4
LOADING = np.array([[1.5], [-1.0], [0.7], [0.0]])
SLOPES = np.array([[1.0, 0.0], [0.0, -2.0], [0.5, 0.5], [0.0, 1.0]])
NOISE = np.array([0.4, 0.6, 0.5, 0.8])
SHIFT = {"a": 0.0, "b": 1.0}


def draw(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Rows `y = L z + S x + e`, their covariates (a number and a category), and log p(y | x) under the truth."""
    rng = np.random.default_rng(seed)
    x, kind = rng.normal(size=n), np.where(rng.random(n) < 0.4, "b", "a")
    mean = np.stack([x, kind == "b"], axis=1) @ SLOPES.T
    y = mean + rng.normal(size=(n, 1)) @ LOADING.T + NOISE * rng.normal(size=(n, D))
    truth = stats.multivariate_normal(np.zeros(D), LOADING @ LOADING.T + np.diag(NOISE**2)).logpdf(y - mean)
    return pd.DataFrame(y, columns=list("pqrs")), pd.DataFrame({"x": x, "kind": kind}), truth


def quiet(model: Any, X: Any, covariates: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", TacitWarning)
        return model.fit(X, covariates=covariates)


@pytest.fixture(scope="module")
def rows() -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    return draw(N, seed=0)


@pytest.fixture(scope="module")
def linear(rows: Any) -> VAE:
    settings: dict[str, Any] = {"hidden_layer_sizes": (), "max_iter": 150, "learning_rate": 0.01, "n_mc_samples": 4}
    return quiet(VAE(1, weight_decay=0.0, random_state=0, validation_fraction=0.0, **settings), *rows[:2])


@pytest.fixture(scope="module")
def curved(rows: Any) -> VAE:
    return quiet(VAE(1, preset="fast", random_state=0), *rows[:2])


def test_a_linear_one_is_the_exact_conditional(linear: VAE, rows: Any) -> None:
    """`y | x ~ N(W_x x + b, W_z W_z' + S)`, in the standardised columns; importance weights come near it."""
    X, covariates, _ = rows
    encoded = linear._rows(X, covariates)
    decoder: Any = linear.model_.model.likelihood
    weight, bias = np.asarray(decoder.head.weight, float), np.asarray(decoder.head.bias, float)
    normal = decoder.family.normal
    scale = np.logaddexp(np.asarray(normal.log_scale, float), np.log(normal.floor.value))
    covariance = weight[:, :1] @ weight[:, :1].T + np.diag(np.exp(2 * scale))
    residual = encoded.y - (encoded.x @ weight[:, 1:].T + bias)
    exact = stats.multivariate_normal(np.zeros(D), covariance).logpdf(residual) + encoded.log_jacobian
    np.testing.assert_allclose(linear.score_samples(X, covariates), exact, atol=1e-3)  # one latent: by quadrature
    found = linear.model_.weighted(encoded, 256)
    z = (found.jackknife + encoded.log_jacobian - exact) / np.sqrt(found.error**2 + 1e-9)
    assert np.mean(np.abs(z) < 4) > 0.98
    assert np.all(found.elbo + encoded.log_jacobian < exact + 5 * found.elbo_error + 1e-3)
    holed = X.copy()
    holed.iloc[:, 2] = np.nan  # left out: the marginal of the others
    kept = [0, 1, 3]
    expected = stats.multivariate_normal(np.zeros(3), covariance[np.ix_(kept, kept)]).logpdf(residual[:, kept])
    jacobian = linear._rows(holed, covariates).log_jacobian
    np.testing.assert_allclose(linear.score_samples(holed, covariates), expected + jacobian, atol=1e-3)


def test_held_out_rows_are_worth_nearly_what_they_are_under_the_truth(linear: VAE) -> None:
    X, covariates, truth = draw(1500, seed=1)
    found, *_ = linear.evaluate(X, covariates=covariates)
    assert (found.name, found.kind) == ("log-likelihood", "exact")
    assert abs(found.value - truth.mean()) < 0.06  # 4 x 5 parameters of 400 rows cost about 0.03
    assert linear.score(X, covariates=covariates) == pytest.approx(found.value)
    wrong = linear.score(X, covariates=covariates.sample(frac=1.0, random_state=0).reset_index(drop=True))
    assert wrong < found.value - 1.0  # the covariates are read


def test_importance_weights_meet_quadrature_of_one_latent(curved: VAE, rows: Any) -> None:
    X, covariates, _ = rows
    encoded = curved._rows(X[:60], covariates[:60])
    exact = curved.score_samples(X[:60], covariates[:60]) - encoded.log_jacobian
    found = curved.model_.weighted(encoded, 2048)
    z = (found.jackknife - exact) / np.sqrt(found.error**2 + 1e-6)
    assert np.mean(np.abs(z) < 4) > 0.95


def test_answers_depend_on_the_covariates(linear: VAE, rows: Any) -> None:
    X, covariates, _ = rows
    two = pd.DataFrame({"x": [-2.0, 2.0], "kind": ["a", "a"]})
    drawn = linear.sample(2000, random_state=0, covariates=two)
    assert drawn.shape == (4000, D)
    assert list(drawn.columns) == list(X.columns)
    means = linear.inverse_transform([[0.0], [0.0]], two).to_numpy()  # of a linear model those of y given x
    np.testing.assert_allclose([drawn[:2000].mean(), drawn[2000:].mean()], means, atol=5 * 1.7 / np.sqrt(2000))
    np.testing.assert_allclose(means[1] - means[0], 4 * SLOPES[:, 0], atol=0.8)  # 400 rows: 2 standard errors
    design = np.stack([np.ones(N), covariates["x"], covariates["kind"] == "b"], axis=1)
    residual = X.to_numpy() - design @ np.linalg.lstsq(design, X.to_numpy(), rcond=None)[0]
    np.testing.assert_allclose(drawn[:2000].cov(), np.cov(residual.T), atol=0.35)
    code = linear.transform(X[:5], covariates[:5])
    np.testing.assert_allclose(
        linear.inverse_transform(code, covariates[:5]), linear.reconstruct(X[:5], covariates[:5]), rtol=1e-6
    )
    assert linear.denoise(X[:5], covariates[:5]).shape == (5, D)
    holed = X[:40].astype(float).copy()
    holed.iloc[:, 1] = np.nan
    filled = linear.impute(holed, covariates=covariates[:40])
    kept = [0, 2, 3]
    whole = LOADING @ LOADING.T + np.diag(NOISE**2)
    mean = np.stack([covariates["x"][:40], covariates["kind"][:40] == "b"], axis=1) @ SLOPES.T
    slope = whole[1, kept] @ np.linalg.inv(whole[np.ix_(kept, kept)])
    expected = mean[:, 1] + (X[:40].to_numpy() - mean)[:, kept] @ slope
    assert np.abs(filled["q"] - expected).mean() < 0.15
    assert len(linear.impute(holed, draws=2, random_state=0, covariates=covariates[:40])) == 2


def test_a_file_brings_it_back(curved: VAE, rows: Any, tmp_path: Any) -> None:
    X, covariates, _ = rows
    curved.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    assert isinstance(again, VAE)
    first = curved.score_samples(X[:20], covariates[:20])
    np.testing.assert_array_equal(again.score_samples(X[:20], covariates[:20]), first)
    np.testing.assert_array_equal(again.score_samples(X[:20], covariates[["kind", "x"]][:20]), first)
    with pytest.raises(UsageError, match="given x, kind"):
        again.score_samples(X[:20])


def test_arrays_series_and_holes_are_covariates_too() -> None:
    X, covariates, _ = draw(120, seed=2)
    x = covariates["x"].to_numpy().copy()
    x[::7] = np.nan
    model = quiet(VAE(1, preset="fast", max_iter=30, random_state=0), X.to_numpy(), x)
    assert model.model_.covariates is not None
    assert model.model_.covariates.names == ("c0", "c0 is missing")
    by_array = model.score_samples(X.to_numpy(), x[:, None])
    np.testing.assert_array_equal(model.score_samples(X.to_numpy(), pd.Series(x, name="c0")), by_array)
    assert np.isfinite(by_array).all()
    assert model.fit_transform(X.to_numpy(), covariates=x).shape == (120, 1)
    weight = np.ones(120)
    weight[:20] = 0
    part = VAE(1, preset="fast", max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        part.fit(X.to_numpy(), sample_weight=weight, covariates=x)
        whole = VAE(1, preset="fast", max_iter=3, random_state=0).fit(X.to_numpy()[20:], covariates=x[20:])
    np.testing.assert_allclose(
        part.score_samples(X.to_numpy(), x), whole.score_samples(X.to_numpy(), x), rtol=1e-5, atol=1e-5
    )


def test_what_was_never_seen_is_warned_of(curved: VAE, rows: Any) -> None:
    X, covariates, _ = rows
    for odd, match in (({"x": 50.0}, "outside the range"), ({"x": np.nan}, "of which no training row")):
        with pytest.warns(TacitWarning, match=match):
            found = curved.score_samples(X[:3], covariates[:3].assign(**odd))
        assert np.isfinite(found).all()
    with pytest.raises(DataError, match="neither 'a' nor 'b'"):
        curved.score_samples(X[:3], covariates[:3].assign(kind="z"))


def test_a_row_with_a_covariate_far_off_leaves_the_other_rows_as_they_are(curved: VAE, rows: Any) -> None:
    X, covariates, _ = rows
    far = covariates[:6].assign(x=covariates["x"][:6].where(np.arange(6) != 3, 1e6))
    holed = X[:6].assign(q=np.nan)
    with pytest.warns(TacitWarning, match="outside the range of the training rows .first: covariates, row 3"):
        found = curved.score_samples(X[:6], far)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        filled = curved.impute(holed, covariates=far)
    near = np.arange(6) != 3
    np.testing.assert_array_equal(found[near], curved.score_samples(X[:6], covariates[:6])[near])
    assert -np.inf < found[3] < -1e6
    np.testing.assert_array_equal(filled[near], curved.impute(holed, covariates=covariates[:6])[near])
    assert np.isfinite(filled.to_numpy()).all()


def test_odd_rows_given_covariates_are_refused_in_words(curved: VAE, rows: Any) -> None:
    X, covariates, _ = rows
    for ask in (curved.anomaly_pvalues, curved.anomalies):
        for more in ({}, {"covariates": covariates[:5]}):
            with pytest.raises(UsageError, match="judged by a density of all columns"):
                ask(X[:5], **more)


def test_bad_covariates_are_told(curved: VAE, rows: Any) -> None:
    X, covariates, _ = rows
    for ask in (curved.score_samples, curved.transform, curved.evaluate, curved.reconstruct, curved.impute):
        with pytest.raises(UsageError, match="given x, kind, which are needed"):
            ask(X[:5])
    with pytest.raises(UsageError, match="needed here too"):
        curved.sample(3)
    with pytest.raises(UsageError, match="needed here too"):
        curved.inverse_transform([[0.0]])
    with pytest.raises(DataError, match="4 rows of covariates for 5"):
        curved.score_samples(X[:5], covariates[:4])
    with pytest.raises(DataError, match="lacks covariate 'kind'"):
        curved.score_samples(X[:5], covariates[["x"]][:5])
    with pytest.raises(DataError, match="1 columns where the model was fitted with 2: x, kind"):
        curved.score_samples(X[:5], covariates["x"].to_numpy()[:5])
    model = VAE(1, preset="fast", random_state=0)
    with pytest.raises(DataError, match="is a column of X as well"):
        model.fit(X, covariates=X[["p"]])
    with pytest.raises(DataError, match="3 rows of covariates for 400"):
        model.fit(X, covariates=covariates[:3])
    with pytest.raises(DataError, match="No column is left to model"):
        model.fit(X, covariates=np.ones(N))
    with pytest.raises(DataError, match="shape"):
        model.fit(X, covariates=np.ones((N, 2, 2)))
    with pytest.raises(DataError, match="infinite"):
        model.fit(X, covariates=np.where(np.arange(N) == 3, np.inf, 1.0 * np.arange(N)))
    bits = np.random.default_rng(0).integers(0, 2, (40, 3))
    plain = DiscreteVAE(preset="fast", max_iter=3, random_state=0).fit(bits)
    with pytest.raises(UsageError, match="fitted without covariates"):
        plain.score_samples(bits, np.ones(40))
