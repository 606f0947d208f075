"""Importance sampling of rows without covariates and with cells missing, against the states listed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from tacit.evaluation.importance import importance
from tacit.evaluation.row_key import error_over_draws, row_key
from tacit.models import (
    CategoricalLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    LatentModel,
    Prior,
    Recognition,
)
from tacit.models.enumeration import log_marginal
from tacit.networks import Dense, Linear


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
    found = importance(model, posterior, y, None, num_samples=400, key=keys[5], observed=observed)
    exact = jax.vmap(lambda y, o: log_marginal(model, y, None, o))(jnp.asarray(y), jnp.asarray(observed))
    z = (found.log_p - found.bias - np.asarray(exact)) / np.maximum(found.error, 1e-6)
    assert np.abs(z).max() < 5.0
    assert np.sqrt(np.mean(z**2)) > 0.5  # the errors are not too wide either


def test_a_row_has_the_same_estimate_in_any_table() -> None:
    keys = jax.random.split(jax.random.key(1), 6)
    latent, family = CategoricalLatent(3), ColumnFamily(None, 4, (), None)
    decoder = Decoder(latent, Dense.init(keys[0], 3, (), activation="tanh"), Linear.init(keys[1], 3, 4), family)
    model = LatentModel(Prior(latent, jax.random.normal(keys[2], (3,))), decoder)
    posterior = Recognition(
        ColumnInputs(0, 4, (), None), Dense.init(keys[3], 4, ()), Linear.init(keys[4], 4, 3), latent
    )
    y = np.array(np.unravel_index(np.arange(16), (2, 2, 2, 2))).T.astype(np.float32)
    settings = {"num_samples": 8, "key": keys[5]}
    whole = importance(model, posterior, y, None, **settings).log_p
    np.testing.assert_allclose(importance(model, posterior, y[::-1], None, **settings).log_p[::-1], whole, rtol=1e-6)
    np.testing.assert_allclose(importance(model, posterior, y[3:4], None, **settings).log_p, whole[3:4], rtol=1e-6)
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
