"""Importance weights of rows with cells missing, against the states listed; what a row's draws depend on."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from tacit.data.batch import Batch
from tacit.evaluation.pareto import TRUSTED, findings
from tacit.evaluation.row_key import error_over_draws, row_key
from tacit.evaluation.rows import over_rows
from tacit.evaluation.weights import LogWeights, from_log_weights, weighted
from tacit.models import (
    CategoricalLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    LatentModel,
    NormalLatent,
    Prior,
    Recognition,
)
from tacit.models.enumeration import log_marginal
from tacit.networks import Dense, Linear
from tests.evaluation._latent_models import encoder, gaussian, rows_of


def test_estimates_meet_the_listed_states_of_the_cells_that_are_present() -> None:
    keys = jax.random.split(jax.random.key(0), 6)
    latent, family = CategoricalLatent(3), ColumnFamily(None, 4, (), None)
    decoder = Decoder(latent, Dense.init(keys[0], 3, (), activation="tanh"), Linear.init(keys[1], 3, 4), family)
    model = LatentModel(Prior(latent, jax.random.normal(keys[2], (3,))), decoder)
    inputs = ColumnInputs(0, 4, (), None, holes=True)
    posterior = Recognition(inputs, Dense.init(keys[3], 8, (6,), activation="tanh"), Linear.init(keys[4], 6, 3), latent)
    rng = np.random.default_rng(0)
    observed = rng.random((70, 4)) < 0.7
    y = np.where(observed, rng.integers(0, 2, (70, 4)), 0).astype(np.float32)
    observed[:2] = [[False], [True]]
    y[0] = 0
    found = weighted(model, posterior, Batch(y, None, observed, None, None), num_samples=100, key=keys[5])
    exact = jax.vmap(lambda y, o: log_marginal(model, y, None, o))(jnp.asarray(y), jnp.asarray(observed))
    z = (found.jackknife - np.asarray(exact)) / np.maximum(found.error, 1e-6)
    assert np.abs(z).max() < 5.0
    assert np.sqrt(np.mean(z**2)) > 0.5  # the errors are not too wide either
    empty = ~observed.any(axis=1)
    assert empty[0]
    for values in (found.jackknife, found.error, found.bias, found.jackknife_bias, *found.bounds.T):
        np.testing.assert_array_equal(values[empty], 0.0)  # nothing has the density 1, known without draws
    assert np.all(found.elbo[empty] < 0)  # that of q, which is not the prior


def test_rows_with_missing_cells_meet_the_exact_figure_though_q_knows_little_of_them() -> None:
    model = gaussian(5, 9, bent=0.0)
    posterior, y = encoder(model), rows_of(model, 150).y
    observed = np.random.default_rng(0).random(y.shape) < 0.6
    rows = Batch(np.where(observed, y, 0.0), None, observed, None, None)
    found = weighted(model, posterior, rows, num_samples=64, key=jax.random.key(3))
    weight, scale = np.asarray(model.likelihood.weight), float(model.likelihood.scale)
    covariance = weight @ weight.T + scale**2 * np.eye(9)
    exact = np.array(
        [
            stats.multivariate_normal(np.zeros(seen.sum()), covariance[np.ix_(seen, seen)]).logpdf(row[seen])
            for row, seen in zip(y, observed, strict=True)
        ]
    )
    off = found.jackknife - exact
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(150)
    assert np.sqrt(np.mean(off**2)) < 0.3
    assert np.sqrt(np.mean((off / found.error) ** 2)) < 1.5
    assert np.mean(found.k_hat > TRUSTED) < 0.15
    below = exact[:, None] - found.bounds
    assert np.all(below.mean(axis=0) > -4 * below.std(axis=0) / np.sqrt(150))
    of_q = from_log_weights(*over_rows(LogWeights(256), model, posterior, rows, key=jax.random.key(3)))
    assert np.sqrt(np.mean(((found.elbo - of_q.elbo) / np.hypot(found.elbo_error, of_q.elbo_error)) ** 2)) < 1.5
    assert np.mean(of_q.jackknife - exact) < -0.5  # what draws of q alone lack


def test_a_row_has_the_same_estimate_in_any_table() -> None:
    keys = jax.random.split(jax.random.key(1), 6)
    latent, family = CategoricalLatent(3), ColumnFamily(None, 4, (), None)
    decoder = Decoder(latent, Dense.init(keys[0], 3, (), activation="tanh"), Linear.init(keys[1], 3, 4), family)
    model = LatentModel(Prior(latent, jax.random.normal(keys[2], (3,))), decoder)
    posterior = Recognition(
        ColumnInputs(0, 4, (), None), Dense.init(keys[3], 4, ()), Linear.init(keys[4], 4, 3), latent
    )
    y = np.array(np.unravel_index(np.arange(16), (2, 2, 2, 2))).T.astype(np.float32)

    def figures(y: np.ndarray, tile: int = 64) -> np.ndarray:
        rows = Batch(y, None, None, None, None)
        return weighted(model, posterior, rows, num_samples=8, key=keys[5], tile=tile).jackknife

    whole = figures(y)
    np.testing.assert_allclose(figures(y[::-1])[::-1], whole, rtol=1e-6)
    np.testing.assert_allclose(figures(y[3:4]), whole[3:4], rtol=1e-6)
    np.testing.assert_allclose(figures(y, tile=5), whole, rtol=1e-6)
    random = jax.vmap(lambda row: jax.random.key_data(row_key(keys[5], row)))(jnp.asarray(y))
    assert len(np.unique(random, axis=0)) == len(y)  # and rows that differ have draws of their own


def test_the_error_of_a_mean_counts_rows_that_share_their_draws_once() -> None:
    """Against the spread of the mean over 300 keys, for rows of which some are equal."""
    key = jax.random.key(2)
    y = np.repeat(np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 0.5]]), [6, 3, 1], axis=0)
    spread, share = np.repeat([0.5, 1.0, 2.0], [6, 3, 1]), np.full(10, 0.1)
    cells = jnp.asarray(np.nan_to_num(y, nan=0.0))

    def mean(key: jax.Array) -> jax.Array:
        noise = jax.vmap(lambda row: jax.random.normal(row_key(key, row)))(cells)
        return jnp.sum(share * spread * noise)

    means = jax.vmap(mean)(jax.random.split(key, 300))
    told = error_over_draws(spread, share, y)
    assert abs(np.std(means) / told - 1) < 4 / np.sqrt(600)
    assert told > 1.5 * np.sqrt(np.sum((share * spread) ** 2))


def test_a_q_that_is_far_too_narrow_is_told_in_words() -> None:
    keys = jax.random.split(jax.random.key(4), 3)
    latent, family = NormalLatent(6), ColumnFamily(None, 4, (), None)
    decoder = Decoder(latent, Dense.init(keys[0], 6, ()), Linear.init(keys[1], 6, 4), family)
    model = LatentModel(Prior.standard(latent), decoder)
    narrow = jnp.r_[jnp.zeros(6), jnp.full(6, -2.5)]
    posterior = Recognition(
        ColumnInputs(0, 4, (), None), Dense.init(keys[2], 4, ()), Linear(jnp.zeros((12, 4)), narrow), latent
    )
    y = np.array(np.unravel_index(np.arange(16), (2, 2, 2, 2))).T.astype(float)
    share = np.full(16, 1 / 16)
    rows = Batch(y, None, None, None, None)
    found = weighted(model, posterior, rows, num_samples=64, key=keys[2], modes=False)
    (finding,) = findings(found.k_hat, share, 256, 8)
    assert "at most" not in str(finding)
    assert "With at most 128 normal latents" in str(findings(found.k_hat, share, 256, 129)[0])
    assert finding.severity == "warning"
    assert "cannot be trusted" in finding.message
    wide = eqx.tree_at(lambda q: q.head.bias, posterior, jnp.zeros(12))  # the prior: no weight is above the likelihood
    found = weighted(model, wide, rows, num_samples=64, key=keys[2], modes=False)
    assert findings(found.k_hat, share, 256, 8) == []
    found = weighted(model, posterior, rows, num_samples=64, key=keys[2])  # with normals about modes it does no harm
    assert findings(found.k_hat, share, 256, 8) == []
