"""Any column given any others under a deep model: against the same model as a listed mixture, and the exact normal."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit._errors import UsageError
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table
from tacit.distributions import MultivariateNormal, Product
from tacit.distributions.predictive import AbstractNumericPrediction, PoissonMixturePrediction
from tacit.evaluation.weights import error_of_mean
from tacit.models import AbstractLatent, BernoulliLatent, CategoricalLatent, FiniteMixture, NormalLatent
from tacit.workflow.latent_density import double
from tacit.workflow.latent_predict import predict
from tacit.workflow.latent_rows import encode_rows
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.latent_weights import Points
from tacit.workflow.table_mixture import TableMixture
from tests.workflow.test_latent_table import KINDS, make, mixed_table


@pytest.fixture(scope="module")
def table() -> Table:
    return mixed_table()


@pytest.fixture(scope="module")
def schema(table: Table) -> Schema:
    return Schema.infer(table, types=KINDS)


@pytest.fixture(scope="module")
def rows(schema: Schema, table: Table) -> Rows:
    """With a row that holds nothing."""
    found = encode_rows(schema, table).take(np.arange(30))
    return Rows(np.r_[found.y, np.full((1, found.y.shape[1]), np.nan)], np.r_[found.log_jacobian, 0.0], np.ones(31))


def as_mixture(model: LatentTable) -> TableMixture:
    """The same density with its states as components, normals with diagonal covariances."""
    with jax.enable_x64(True):
        exact = double(model.model)
        prior = exact.prior(None)
        families = jax.vmap(lambda z: exact.likelihood((z, None)))(jnp.asarray(prior.support()))
        normal, *others = families.blocks
        scale = jnp.broadcast_to(normal.log_scale, normal.loc.shape)
        whole = MultivariateNormal(normal.loc, jax.vmap(jnp.diag)(scale))
        stack = jax.tree.map(np.asarray, Product((whole, *others)))
        log_weights = np.asarray(prior.log_probs())
    return TableMixture(model.schema, FiniteMixture.of(log_weights, stack))


@pytest.mark.parametrize("latent", [CategoricalLatent(4), BernoulliLatent(3)], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("scale", ["shared", "network"])
def test_predictions_are_those_of_the_listed_mixture(
    latent: AbstractLatent, scale: Any, schema: Schema, rows: Rows
) -> None:
    model = make(latent, schema, rows, scale=scale, prior="learned")
    mixture = as_mixture(model)
    for name in schema.names:
        found, asked = predict(model, rows, name), mixture.predict(rows, name)
        assert found.kind == "exact"
        if isinstance(asked, AbstractNumericPrediction):
            assert isinstance(found, AbstractNumericPrediction)
            levels = [0.05, 0.3, 0.5, 0.95]
            np.testing.assert_allclose(found.mean(), asked.mean(), rtol=1e-6)
            np.testing.assert_allclose(found.std(), asked.std(), rtol=1e-6)
            np.testing.assert_allclose(found.quantile(levels), asked.quantile(levels), rtol=1e-6, atol=1e-9)
        else:
            np.testing.assert_allclose(found.probabilities, asked.probabilities, rtol=1e-6)  # type: ignore[attr-defined]


def linear(latents: int = 2) -> tuple[LatentTable, Rows]:
    """A linear decoder of real columns, and rows with ever fewer cells, down to none."""
    rng = np.random.default_rng(3)
    data = read_table(rng.normal(size=(40, latents)) @ rng.normal(size=(latents, 4)) + 0.5 * rng.normal(size=(40, 4)))
    schema = Schema.infer(data)
    rows = encode_rows(schema, data)
    model = make(NormalLatent(latents), schema, rows, hidden=())
    y = rows.y.copy()
    y[np.arange(40)[:, None] // 8 > np.arange(4)] = np.nan
    return model, Rows(y, rows.log_jacobian, rows.weight)


def test_a_linear_decoder_gives_the_exact_normal_within_its_error() -> None:
    model, rows = linear()
    decoder: Any = model.model.likelihood
    weight, bias = np.asarray(decoder.head.weight, float), np.asarray(decoder.head.bias, float)
    scale = np.exp(np.asarray(model.model.likelihood((np.zeros(2), None)).log_scale, float))  # type: ignore[attr-defined]
    covariance = weight @ weight.T + np.diag(scale**2)
    column = model.schema["x3"]
    found = predict(model, rows, "x3")
    assert isinstance(found, AbstractNumericPrediction)
    assert found.kind == "estimate"
    assert found.monte_carlo_error is not None
    means, scales = np.empty(40), np.empty(40)
    for i, y in enumerate(rows.y):
        seen = ~np.isnan(y)
        seen[3] = False
        slope = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[seen, 3])
        means[i] = bias[3] + (y[seen] - bias[seen]) @ slope
        scales[i] = np.sqrt(covariance[3, 3] - covariance[seen, 3] @ slope)
    z = (found.mean() - column.center - column.scale * means) / found.monte_carlo_error
    assert np.abs(z).max() < 4.5
    assert 0.4 < np.sqrt(np.mean(z**2)) < 1.5
    np.testing.assert_allclose(found.std(), column.scale * scales, rtol=0.1)
    assert np.all(found.monte_carlo_error < 0.1 * column.scale * scales)


def test_an_empty_row_is_predicted_by_the_prior_and_no_place_matters() -> None:
    model, rows = linear()
    found = predict(model, rows, "x0")
    empty = np.isnan(rows.y[:, 1:]).all(axis=1)
    assert empty.sum() == 8
    weights = np.exp(found.log_weights[empty])  # type: ignore[attr-defined]
    np.testing.assert_allclose(weights, 1 / weights.shape[1], rtol=1e-9)
    backwards = predict(model, rows.take(np.arange(40)[::-1]), "x0")
    np.testing.assert_allclose(backwards.mean()[::-1], found.mean(), rtol=1e-5)  # type: ignore[attr-defined]
    alone = predict(model, rows.take(np.array([20])), "x0")
    np.testing.assert_allclose(alone.mean(), found.mean()[20:21], rtol=1e-5)  # type: ignore[attr-defined]
    np.testing.assert_allclose(alone.monte_carlo_error, found[20].monte_carlo_error, rtol=1e-4)


def test_counts_far_apart_have_the_median_of_their_mixture(schema: Schema, rows: Rows) -> None:
    model = make(NormalLatent(3), schema, rows)
    found = predict(model, rows, "hits")
    assert isinstance(found, PoissonMixturePrediction)
    below = found.cdf(found.quantile(0.5) - 1)
    assert np.all(found.cdf(found.quantile(0.5)) >= 0.5 - 1e-9)
    assert np.all(below < 0.5)


def test_the_error_of_a_mean_is_its_spread_over_draws() -> None:
    """Weights that depend on the draws, over 4000 repetitions."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 400))
    log_w, values = 0.8 * z, np.sin(z)[..., None]
    log_w = log_w - np.logaddexp.reduce(log_w, axis=1, keepdims=True)
    means = np.einsum("ns,nsm->nm", np.exp(log_w), values)[:, 0]
    assert abs(np.mean(error_of_mean(log_w, values)) / means.std() - 1) < 0.08


def test_points_without_weight_are_left_out_in_every_row_by_itself() -> None:
    weights = np.array([[0.5, 1e-13, 0.5, 1e-13, 1e-13], [1e-13, 1e-13, 0.2, 0.8, 1e-13], [1e-13, 1e-13, 1, 1e-13, 0]])
    values = np.arange(15.0).reshape(3, 5, 1)
    values[2, [0, 1, 3], 0] = np.nan, np.inf, 1e300
    kept = Points.of(np.log(np.maximum(weights, 1e-300)) + 7.0, values)
    assert sorted(kept.values[0, :, 0]) == [0, 2]
    np.testing.assert_allclose(np.exp(kept.log_weights[1]), [0.8, 0.2], rtol=1e-9)
    assert kept.values[1, :, 0].tolist() == [8, 7]
    assert kept.values[2, :, 0].tolist() == [12, 12]
    np.testing.assert_array_equal(np.exp(kept.log_weights[2]), [1, 0])


def test_an_unknown_column_is_refused(schema: Schema, rows: Rows) -> None:
    with pytest.raises(UsageError, match="not a column"):
        predict(make(CategoricalLatent(2), schema, rows), rows, "width")
