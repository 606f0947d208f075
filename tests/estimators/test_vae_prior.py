"""VAE with a mixture of normals as its prior: densities by quadrature, divergences, files, what has no closed form."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import tacit
from tacit import VAE
from tacit._errors import UsageError
from tacit.distributions import DiagonalNormal, Mixed
from tacit.workflow.latent_margins import margin_divergences


def two_groups(n: int = 250, seed: int = 0) -> np.ndarray:
    """Three columns that follow one cause, which is far to the one side or to the other."""
    rng = np.random.default_rng(seed)
    cause = np.where(rng.random((n, 1)) < 0.3, -3.0, 2.0) + 0.4 * rng.normal(size=(n, 1))
    return cause * np.array([1.0, -0.5, 0.8]) + 0.3 * rng.normal(size=(n, 3))


@pytest.fixture(scope="module")
def X() -> np.ndarray:
    return two_groups()


@pytest.fixture(scope="module")
def mixed(X: np.ndarray) -> VAE:
    settings: dict[str, Any] = {"hidden_layer_sizes": (), "max_iter": 150, "learning_rate": 0.01, "n_mc_samples": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return VAE(1, prior="mixture", prior_components=3, random_state=0, **settings).fit(X)


def grid_log_p(model: VAE, X: np.ndarray) -> np.ndarray:
    """`log sum_i h p(z_i) p(y | z_i)` on a grid of z, by SciPy, in the units of the data."""
    rows = model._rows(X)
    prior: Any = model.model_.model.prior(None)
    weights = np.exp(np.asarray(prior.logits, float))
    z = np.linspace(-12, 12, 6001)
    loc, scale = np.asarray(prior.stack.loc, float)[:, 0], np.exp(np.asarray(prior.stack.log_scale, float))[:, 0]
    log_prior = np.log(stats.norm.pdf(z[:, None], loc, scale) @ (weights / weights.sum()))
    decoder: Any = model.model_.model.likelihood
    means = z[:, None] * np.asarray(decoder.head.weight, float)[:, 0] + np.asarray(decoder.head.bias, float)
    normal = decoder.family.normal
    noise = np.exp(np.logaddexp(np.asarray(normal.log_scale, float), np.log(normal.floor.value)))
    log_likelihood = stats.norm.logpdf(rows.y[:, None], means, noise).sum(axis=2)
    return np.logaddexp.reduce(log_prior + log_likelihood, axis=1) + np.log(z[1] - z[0]) + rows.log_jacobian


def test_importance_weights_and_the_bound_meet_quadrature(X: np.ndarray, mixed: VAE) -> None:
    part = X[:80]
    exact = grid_log_p(mixed, part)
    rows = mixed._rows(part)
    found = mixed.model_.weighted(rows, 1000)
    z = (found.jackknife + rows.log_jacobian - exact) / np.sqrt(found.error**2 + 1e-9)
    assert np.mean(np.abs(z) < 4) > 0.95
    assert abs(z.mean()) < 0.6
    assert np.all(found.elbo + rows.log_jacobian - 5 * found.elbo_error < exact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of doubtful weights
        figures = {figure.name: figure for figure in mixed.evaluate(part)}
    best, bound, rate = (figures[name] for name in ("log-likelihood", "ELBO", "rate, KL(q || p(z))"))
    assert (best.kind, rate.kind) == ("estimate", "estimate")
    assert abs(best.value - exact.mean()) < 5 * (best.monte_carlo_error or 0) + 1e-3
    assert bound.value < exact.mean() + 5 * (bound.monte_carlo_error or 0)


@pytest.mark.slow
def test_it_fits_two_groups_better_than_a_standard_normal(X: np.ndarray, mixed: VAE) -> None:
    new = two_groups(400, seed=1)
    settings: dict[str, Any] = {"hidden_layer_sizes": (), "max_iter": 150, "learning_rate": 0.01, "n_mc_samples": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = VAE(1, random_state=0, **settings).fit(X)
    assert mixed.score(new) > plain.score(new) + 0.3  # the truth is about 0.6 above one normal
    drawn = mixed.sample(3000, random_state=0)
    assert abs(np.mean(drawn[:, 0] < 0) - 0.3) < 0.08


def test_a_file_brings_it_back(X: np.ndarray, mixed: VAE, tmp_path: Any) -> None:
    mixed.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    assert again.get_params()["prior"] == "mixture"
    np.testing.assert_array_equal(again.score_samples(X[:20]), mixed.score_samples(X[:20]))
    np.testing.assert_array_equal(again.kl_per_latent_, mixed.kl_per_latent_)
    assert mixed.record_["settings"]["prior"] == "mixture"


def test_divergences_of_margins_are_those_of_draws() -> None:
    rng = np.random.default_rng(0)
    loc, log_scale = 2 * rng.normal(size=(4, 2)), 0.5 * rng.normal(size=(4, 2))
    prior = Mixed(
        jnp.asarray(rng.normal(size=4), jnp.float32), DiagonalNormal(jnp.asarray(loc), jnp.asarray(log_scale))
    )
    mean, scale = rng.normal(size=(5, 2)), np.exp(0.3 * rng.normal(size=(5, 2)))
    found = margin_divergences(mean, scale, prior)
    share = np.asarray(jax.nn.softmax(prior.logits), float)
    z = mean + scale * rng.normal(size=(100_000, 5, 2))
    densities = sum(w * stats.norm.pdf(z, m, np.exp(s)) for w, m, s in zip(share, loc, log_scale, strict=True))
    ratios = stats.norm.logpdf(z, mean, scale) - np.log(densities)
    error = ratios.std(axis=0) / np.sqrt(len(z))
    assert (np.abs(found - ratios.mean(axis=0)) < 5 * error + 1e-6).all()


@pytest.mark.parametrize("settings", [{"kl": "closed"}, {"free_bits": 0.1}])
def test_a_closed_divergence_is_refused(X: np.ndarray, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="mixture of normals has no closed KL divergence"):
        VAE(1, prior="mixture", preset="fast", random_state=0, **settings).fit(X)
