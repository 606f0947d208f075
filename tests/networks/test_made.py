"""Masked networks: what depends on what; the densities made of them, against all states listed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tacit._errors import UsageError
from tacit.data.batch import Batch
from tacit.distributions import AutoregressiveBernoulli, AutoregressiveCategoricals
from tacit.evaluation.log_likelihood import log_likelihood
from tacit.gradients import LeaveOneOut
from tacit.inference.optimizers import Descent
from tacit.models import (
    Autoregressive,
    BernoulliLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    LatentModel,
    Recognition,
    without_latent,
)
from tacit.models.enumeration import exact_posterior, log_marginal
from tacit.networks import MADE, Dense, Linear
from tacit.training import train

KEY = jax.random.key(0)


def network(d: int, k: int, widths: tuple[int, ...] = (24, 24), n_context: int = 0, scale: float = 3.0) -> MADE:
    """With weights large enough to matter."""
    made = MADE.init(KEY, d, k, widths, n_context=n_context)
    return jax.tree.map(lambda a: scale * a + 0.3 * jax.random.normal(KEY, a.shape), made)


@pytest.mark.parametrize("widths", [(), (4,), (24, 24), (40, 7, 19)])
@pytest.mark.parametrize("n_context", [0, 2])
def test_the_jacobian_is_strictly_triangular(widths: tuple[int, ...], n_context: int) -> None:
    made, context = network(6, 3, widths, n_context), jnp.ones(n_context) if n_context else None
    y = jax.random.normal(KEY, (6, 3))
    jacobian = np.abs(np.asarray(jax.jit(jax.jacobian(lambda y: made(y, context)))(y))).sum(axis=(1, 3))
    assert np.all(jacobian[np.triu_indices(6)] == 0)
    assert np.all(jacobian[np.tril_indices(6, -1)] > 0)
    if n_context:
        slopes = np.asarray(jax.jit(jax.jacobian(lambda c: made(y, c)))(context))
        assert np.all(np.abs(slopes).sum(axis=(1, 2)) > 0)  # the first variable reads the context too


def test_hidden_units_reach_every_output() -> None:
    """The straight way from inputs to outputs is linear: a slope that changes is that of hidden units."""
    jacobian = jax.jit(jax.jacobian(network(6, 1, (20, 20))))
    first, second = (np.asarray(jacobian(jnp.full(6, v))) for v in (-2.0, 2.0))
    below = np.tril_indices(6, -1)
    assert np.all(first[below] != second[below])


@pytest.mark.parametrize("n_context", [0, 3])
def test_all_states_of_eight_bits_add_to_one_and_draws_follow_them(n_context: int) -> None:
    context = jnp.array([1.0, -1.0, 0.5]) if n_context else None
    density = AutoregressiveBernoulli(network(8, 1, n_context=n_context), context)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), density)
        probabilities = np.exp(double.log_probs())
    np.testing.assert_allclose(probabilities.sum(), 1.0, atol=1e-12)
    draws = np.asarray(jax.vmap(density.sample)(jax.random.split(KEY, 20_000)))
    counts = np.bincount((draws @ 2 ** np.arange(8)[::-1]).astype(int), minlength=256)
    common = probabilities > 5 / 20_000
    expected = 20_000 * np.append(probabilities[common], probabilities[~common].sum())
    found = np.append(counts[common], counts[~common].sum())
    assert stats.chisquare(found, expected).pvalue > 1e-6
    independent = probabilities @ np.asarray(density.support())
    factorised = np.prod(np.where(np.asarray(density.support()) == 1, independent, 1 - independent), axis=1)
    assert stats.chisquare(found, 20_000 * np.append(factorised[common], factorised[~common].sum())).pvalue < 1e-6


def test_categories_add_to_one_and_draws_follow_them() -> None:
    density = AutoregressiveCategoricals(network(4, 3))
    probabilities = np.exp(np.asarray(density.log_probs(), float))
    assert density.n_states == 81
    np.testing.assert_allclose(probabilities.sum(), 1.0, atol=1e-5)
    draws = np.asarray(jax.vmap(density.sample)(jax.random.split(KEY, 20_000)))
    np.testing.assert_array_equal(draws.sum(-1), 1.0)
    codes = (draws.argmax(-1) @ 3 ** np.arange(4)[::-1]).astype(int)
    counts = np.bincount(codes, minlength=81)
    common = probabilities > 5 / 20_000
    expected = 20_000 * np.append(probabilities[common], probabilities[~common].sum()) / probabilities.sum()
    assert stats.chisquare(np.append(counts[common], counts[~common].sum()), expected).pvalue > 1e-6


def test_as_prior_and_as_decoder_the_states_still_add_to_one() -> None:
    prior = Autoregressive(network(3, 1))
    model = LatentModel(prior, Autoregressive(network(4, 1, n_context=3)))
    y = np.array([[i >> j & 1 for j in range(4)] for i in range(16)], np.float32)
    total = sum(np.exp(float(log_marginal(model, row))) for row in y)
    np.testing.assert_allclose(total, 1.0, atol=1e-5)
    posteriors = [np.exp(exact_posterior(model, row).log_probs()) for row in y[:2]]
    assert np.abs(posteriors[0] - posteriors[1]).max() > 0.01  # the decoder reads its latent


def test_a_density_without_latent_is_trained_to_what_made_the_rows() -> None:
    """Three bits, the last the exclusive or of the others nine times in ten: independent columns see nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=(2000, 3)).astype(float)
    y[:, 2] = np.where(rng.random(2000) < 0.9, (y[:, 0] != y[:, 1]), (y[:, 0] == y[:, 1]))
    model = without_latent(Autoregressive(MADE.init(KEY, 3, 1, (16,))))
    rows = Batch(y, None, None, None, None)
    fitted = train(model, None, rows, key=KEY, optimizer=Descent(0.02), max_epochs=30, batch_size=100)
    frequencies = np.unique(y, axis=0, return_counts=True)[1] / 2000
    entropy = -float(frequencies @ np.log(frequencies))
    assert -entropy - 0.01 < fitted.value < -entropy + 0.01
    assert fitted.value > -3 * np.log(2) + 0.3


@pytest.mark.slow
def test_a_prior_over_bits_is_trained_with_leave_one_out() -> None:
    """Two bits that agree nine times in ten, shown four times each: independent bits in the prior would miss that."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, size=2000)
    bits = np.stack([first, np.where(rng.random(2000) < 0.9, first, 1 - first)], axis=1)
    y = np.repeat(bits, 4, axis=1).astype(float)
    keys = jax.random.split(KEY, 4)
    latent, family, inputs = BernoulliLatent(2), ColumnFamily(None, 8, ()), ColumnInputs(0, 8, ())
    nothing = Dense.init(KEY, 1, ())
    decoder = Decoder(latent, nothing, Linear.init(keys[0], 2, 8), family)
    posterior = Recognition(inputs, nothing, Linear.init(keys[1], 8, 2), latent)
    model = LatentModel(Autoregressive(MADE.init(keys[2], 2, 1, (8,))), decoder)
    rows = Batch(y, None, None, None, None)
    settings = {"gradient": LeaveOneOut(), "num_samples": 4, "optimizer": Descent(0.02), "max_epochs": 25}
    fitted = train(model, posterior, rows, key=keys[3], batch_size=100, **settings)
    agree = float(np.mean(bits[:, 0] == bits[:, 1]))
    entropy = np.log(2) - agree * np.log(agree) - (1 - agree) * np.log(1 - agree)
    found = log_likelihood(fitted.model, fitted.posterior, rows, key=KEY).result
    assert found.kind == "exact"
    assert -entropy - 0.15 < found.value < -entropy + 0.01  # with independent bits at best -2 log 2, .37 lower
    prior = np.exp(fitted.model.prior(None).log_probs())
    assert max(prior[0] + prior[3], prior[1] + prior[2]) == pytest.approx(agree, abs=0.05)


def test_missing_cells_and_bad_sizes_are_refused() -> None:
    density = AutoregressiveBernoulli(network(3, 1))
    with pytest.raises(UsageError, match="cells are missing"):
        density.log_prob(jnp.zeros(3), jnp.array([True, False, True]))
    with pytest.raises(UsageError, match="at least 1"):
        MADE.init(KEY, 0, 1, (4,))
