"""Rows of deep models given some of their cells: exact conditionals of a linear decoder, states listed, bad input."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tacit import VAE, DiscreteVAE
from tacit._errors import DataError, TacitWarning, UsageError
from tacit.workflow.latent_given import given_draws

N = 6000


@pytest.fixture(scope="module")
def linear() -> VAE:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 4)) + 0.4 * rng.normal(size=(300, 4)) + [5.0, 0.0, -3.0, 1.0]
    frame = pd.DataFrame(X, columns=list("abcd"))
    settings: dict[str, Any] = {"hidden_layer_sizes": (), "max_iter": 60, "learning_rate": 0.01}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return VAE(2, random_state=0, **settings).fit(frame)


def exact_conditional(model: VAE, given: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the other columns: those of the normal `N(b, W W' + S)`, in the units of the data."""
    decoder: Any = model.model_.model.likelihood
    weight, bias = np.asarray(decoder.head.weight, float), np.asarray(decoder.head.bias, float)
    normal = decoder.family.normal
    noise = np.exp(2 * np.logaddexp(np.asarray(normal.log_scale, float), np.log(normal.floor.value)))
    columns = model.schema_.modelled
    scale, center = (np.array([getattr(column, name) for column in columns]) for name in ("scale", "center"))
    mean, covariance = bias * scale + center, (weight @ weight.T + np.diag(noise)) * np.outer(scale, scale)
    held = [column.name in given for column in columns]
    free = np.logical_not(held)
    slope = covariance[np.ix_(free, held)] @ np.linalg.inv(covariance[np.ix_(held, held)])
    values = np.array([given[column.name] for column in columns if column.name in given])
    return (
        mean[free] + slope @ (values - mean[held]),
        covariance[np.ix_(free, free)] - slope @ covariance[np.ix_(held, free)],
    )


@pytest.mark.parametrize("given", [{"a": 6.5}, {"a": 5.5, "c": -2.0, "d": 1.5}, {"a": 60.0, "b": -30.0}])
def test_a_linear_decoder_meets_the_exact_conditional(linear: VAE, given: dict[str, float]) -> None:
    """Draws of z are reused, so errors are those of fewer rows than are drawn: at least 600 effective ones."""
    conditioned = linear.condition(given)
    assert conditioned.kind == "estimate"
    drawn = conditioned.sample(N, random_state=0)
    for name, value in given.items():
        assert (drawn[name] == value).all()
    others = drawn[[name for name in "abcd" if name not in given]].to_numpy()
    mean, covariance = exact_conditional(linear, given)
    spread = np.sqrt(np.diag(covariance))
    rows = 600
    assert (np.abs(others.mean(axis=0) - mean) < 4 * spread / np.sqrt(rows)).all()
    np.testing.assert_allclose(others.std(axis=0) / spread, 1.0, atol=4 / np.sqrt(2 * rows))
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (others - mean).T)
    assert np.abs(np.cov(whitened) - np.eye(len(mean))).max() < 0.2
    pd.testing.assert_frame_equal(linear.sample(50, random_state=1, given=given), conditioned.sample(50, 1))


def test_the_states_of_a_listed_code_have_their_exact_probabilities() -> None:
    rng = np.random.default_rng(1)
    high = rng.random((200, 1)) < 0.4
    bits = (rng.random((200, 5)) < np.where(high, 0.9, 0.15)).astype(int)
    frame = pd.DataFrame(bits, columns=list("abcde"))
    model = DiscreteVAE(2, gradient="enumeration", preset="fast", max_iter=30, random_state=0).fit(frame)
    conditioned = model.condition({"a": 1, "b": 0})
    assert conditioned.kind == "exact"
    drawn = conditioned.sample(N, random_state=0)
    row = frame[:1].astype(float).copy()
    row[:] = np.nan
    row["a"], row["b"] = 1.0, 0.0
    expected = model.model_.expected(model._rows(row, require="any"))[0, 2:]
    errors = np.sqrt(expected * (1 - expected) / N)
    assert (np.abs(drawn[list("cde")].mean().to_numpy() - expected) < 5 * errors).all()
    table = np.array([[np.mean((drawn["c"] == i) & (drawn["d"] == j)) for j in (0, 1)] for i in (0, 1)])
    q = np.exp(model.model_.log_responsibilities(model._rows(row, require="any")))[0]
    prior: Any = model.model_.model.prior(None)
    at = model.model_.moments(np.asarray(prior.support()))[:, 2:4]
    joint = np.einsum("k,ki,kj->ij", q, np.stack([1 - at[:, 0], at[:, 0]], 1), np.stack([1 - at[:, 1], at[:, 1]], 1))
    assert stats.chisquare(N * table.ravel(), N * joint.ravel() / joint.sum()).pvalue > 1e-5


def test_what_is_hardly_possible_is_told(linear: VAE) -> None:
    with pytest.warns(TacitWarning, match="draws of the latent carry the weight"):
        drawn = linear.sample(20, random_state=0, given={"a": 1e9})
    assert np.isfinite(drawn.to_numpy()).all()


def test_rows_of_a_table_that_are_equal_have_draws_of_their_own(linear: VAE) -> None:
    row = pd.DataFrame({"a": [5.0, 5.0], "b": [np.nan, np.nan], "c": [-3.0, -3.0], "d": [1.0, 1.0]})
    found = given_draws(linear.model_, linear._rows(row, require="any"), 3, seed=0)
    assert found.y.shape == (2, 3, 4)
    assert (found.effective > 100).all()
    assert len(np.unique(found.y[..., linear.schema_.layout.index("normal", "b")])) == 6


def test_what_cannot_be_given_is_told(linear: VAE) -> None:
    with pytest.raises(UsageError, match="'x' is not a column"):
        linear.sample(2, given={"x": 1.0})
    with pytest.raises(DataError, match="not a number"):
        linear.sample(2, given={"a": "much"})
    with pytest.raises(UsageError, match="is not a dict"):
        linear.condition([1.0])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="n_samples"):
        linear.condition({"a": 1.0}).sample(0)
