"""Real columns that vary together given z: every answer against the exact normal of a linear decoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from tacit import VAE
from tacit._errors import UsageError
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.distributions.predictive import AbstractNumericPrediction
from tacit.models import BernoulliLatent, FullNormalLatent
from tacit.networks import Fixed
from tacit.workflow.latent_anomalies import OddsOfLatent
from tacit.workflow.latent_file import is_sound
from tacit.workflow.latent_given import given_draws
from tacit.workflow.latent_predict import predict
from tacit.workflow.latent_rows import encode_rows
from tacit.workflow.latent_table import LatentTable
from tests.workflow.test_latent_table import make

D, N = 4, 40


@pytest.fixture(scope="module")
def case() -> tuple[LatentTable, Rows, np.ndarray, np.ndarray]:
    """`y = W z + b + L e` of one z, rows with ever fewer cells, and the mean and covariance of all columns."""
    rng = np.random.default_rng(3)
    loadings = 0.4 * rng.normal(size=(1, D))
    data = read_table(rng.normal(size=(N, 1)) @ loadings + rng.normal(size=(N, D)) @ rng.normal(size=(D, D)))
    schema = Schema.infer(data)
    rows = encode_rows(schema, data)
    model = make(FullNormalLatent(1), schema, rows, hidden=(), scale="full")
    decoder: Any = model.model.likelihood
    weight, bias = np.zeros_like(decoder.head.weight), np.array(decoder.head.bias)
    weight[:D] = loadings.T
    bias[D : 2 * D], bias[2 * D :] = 0.1, 0.7 * rng.normal(size=D * (D - 1) // 2)
    there = lambda m: (m.likelihood.head.weight, m.likelihood.head.bias)  # noqa: E731
    model = replace(model, model=eqx.tree_at(there, model.model, (weight, bias)))
    prior = jax.tree.map(np.zeros_like, model.posterior)  # as q: wide enough for every row
    model = replace(model, posterior=prior)
    slopes = np.zeros((D, D))
    slopes[np.tril_indices(D, -1)] = bias[2 * D :]
    alone = 1 / (np.exp(-bias[D : 2 * D]) + 0.1) / np.sqrt(1 + (slopes**2).sum(axis=1))
    lower = alone[:, None] * (slopes + np.eye(D)) + 0.03 * np.eye(D)
    covariance = loadings.T @ loadings + lower @ lower.T
    y = rng.multivariate_normal(bias[:D], covariance, N)
    y[np.arange(N)[:, None] // 8 > np.arange(D)] = np.nan
    return model, Rows(y, rows.log_jacobian, rows.weight), bias[:D], covariance


def _given(y: np.ndarray, seen: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all columns given those that are seen."""
    slope = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[seen]).T
    return mean + slope @ (y[seen] - mean[seen]), covariance - slope @ covariance[seen]


def test_densities_are_those_of_the_normal_whatever_is_missing(case: Any) -> None:
    model, rows, mean, covariance = case
    found = model.log_prob(rows) - rows.log_jacobian
    for y, value in zip(rows.y, found, strict=True):
        seen = ~np.isnan(y)
        exact = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(y[seen]) if seen.any() else 0.0
        assert value == pytest.approx(exact, abs=2e-5)


def test_any_column_given_the_others_is_that_of_the_normal(case: Any) -> None:
    model, rows, mean, covariance = case
    column = model.schema["x3"]
    found = predict(model, rows, "x3")
    assert isinstance(found, AbstractNumericPrediction)
    assert found.monte_carlo_error is not None
    hidden = rows.y.copy()
    hidden[:, 3] = np.nan
    exact = [_given(y, ~np.isnan(y), mean, covariance) for y in hidden]
    means, scales = np.array([m[3] for m, _ in exact]), np.sqrt([c[3, 3] for _, c in exact])
    error = (found.mean() - column.center - column.scale * means) / np.maximum(found.monte_carlo_error, 1e-6)
    assert np.abs(error).max() < 4.5
    np.testing.assert_allclose(found.std(), column.scale * scales, rtol=0.05)
    filled = model.impute(rows)
    for y, full in zip(rows.y[8:32], filled[8:32], strict=True):  # some cells, not all
        there, _ = _given(y, ~np.isnan(y), mean, covariance)
        np.testing.assert_allclose(full, there, atol=0.12)


def test_cells_are_drawn_together_given_the_others(case: Any) -> None:
    model, rows, mean, covariance = case
    one = rows.take(np.array([20]))
    drawn = given_draws(model, one, 4000, seed=0).y[0]
    seen = ~np.isnan(one.y[0])
    np.testing.assert_array_equal(drawn[:, seen], np.broadcast_to(one.y[0, seen], (4000, seen.sum())))
    centre, spread = _given(one.y[0], seen, mean, covariance)
    left = np.ix_(~seen, ~seen)
    np.testing.assert_allclose(drawn.mean(axis=0)[~seen], centre[~seen], atol=5 * np.sqrt(spread.max() / 4000))
    np.testing.assert_allclose(np.cov(drawn[:, ~seen].T), spread[left], atol=0.1 * spread[left].max())


def test_the_surprise_of_a_cell_is_that_given_the_rest_of_the_row(case: Any) -> None:
    model, rows, mean, covariance = case
    found = OddsOfLatent(model).surprises(rows.y)
    for y, surprise in zip(rows.y, found, strict=True):
        for j in range(D):
            seen = ~np.isnan(y)
            if not seen[j]:
                assert surprise[j] == 0.0
                continue
            seen[j] = False
            centre, spread = _given(y, seen, mean, covariance) if seen.any() else (mean, covariance)
            exact = -multivariate_normal(centre[j], spread[j, j]).logpdf(y[j])
            assert surprise[j] == pytest.approx(exact, abs=0.25)


@pytest.mark.filterwarnings("ignore:.*latent has collapsed")  # one normal is all there is
def test_a_fit_finds_a_covariance_that_latents_alone_cannot(tmp_path: Path) -> None:
    """Four columns of covariance with no structure of one factor: with full scale the exact normal is reached."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(D, D))
    X, new = (rng.normal(size=(n, D)) @ mixing.T for n in (1500, 1500))
    truth = multivariate_normal(np.zeros(D), mixing @ mixing.T).logpdf(new).mean()
    settings: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate": 1e-2, "random_state": 0}
    full, shared = (VAE(1, scale=scale, **settings).fit(X).score(new) for scale in ("full", "shared"))
    assert truth - 0.05 < full
    assert shared < truth - 0.3
    model = VAE(1, scale="full", preset="fast", random_state=0).fit(X[:200])
    model.save(tmp_path / "m.tacit")
    from tacit import load

    again = load(tmp_path / "m.tacit")
    np.testing.assert_array_equal(again.score_samples(X[:20]), model.score_samples(X[:20]))
    holes = X[:20].copy()
    holes[:, 1] = np.nan
    np.testing.assert_array_equal(again.impute(holes), model.impute(holes))  # type: ignore[union-attr]
    assert model.record_["settings"]["scale"] == "full"


def test_what_has_no_covariance_is_refused(case: Any) -> None:
    X = np.random.default_rng(0).normal(size=(40, 33))
    with pytest.raises(UsageError, match="32 real columns at most, and these are 33"):
        VAE(1, scale="full", preset="fast").fit(X)
    with pytest.raises(UsageError, match="gives each pixel numbers of its own"):
        VAE(1, scale="full", preset="fast", network="patches", image=(2, 2)).fit(X[:, :4])
    model, rows, _, _ = case
    with pytest.raises(UsageError, match="those of continuous latents"):
        make(BernoulliLatent(2), model.schema, rows, scale="full")
    assert is_sound(model)
    decoder: Any = model.model.likelihood
    unfloored = replace(decoder.family.normal, floor=Fixed(np.zeros(D, np.float32)))
    assert not is_sound(replace(model, model=eqx.tree_at(lambda m: m.likelihood.family.normal, model.model, unfloored)))
