"""Normals about modes of a row's posterior: against exact posteriors, with two modes, and where nothing can be said."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.data.batch import Batch
from tacit.distributions import DiagonalNormal
from tacit.evaluation.proposal import FLATTEST, about_modes, laplace, wider
from tacit.evaluation.sandwich import AbstractSeen, sandwich
from tacit.evaluation.weights import weighted
from tacit.models import LatentModel
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel


def linear(d: int, latents: int, scale: float) -> tuple[LinearGaussianModel, Any, Any]:
    """A model whose columns tell much of z, and rows of it with two fifths of the cells missing."""
    keys = jax.random.split(jax.random.key(0), 4)
    weight = jax.random.normal(keys[0], (d, latents))
    model = LinearGaussianModel.of(weight, jnp.zeros(d), jnp.full(1, jnp.log(scale)))
    y = jax.random.normal(keys[1], (32, latents)) @ weight.T + scale * jax.random.normal(keys[2], (32, d))
    return model, y, jax.random.uniform(keys[3], y.shape) > 0.4


def log_joint_of(model: LatentModel, y: Any, observed: Any) -> Any:
    return lambda z: model.log_likelihood(z, None, y, observed) + model.prior(None).log_prob(z)


def test_of_a_linear_model_it_is_the_exact_posterior() -> None:
    model, y, observed = linear(12, 6, 0.5)
    with jax.enable_x64(True):
        model, y = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), (model, y))
        found = laplace(jnp.zeros(6), log_joint_of(model, y[0], observed[0]))
        exact = model.posterior(y[0], observed[0])
        np.testing.assert_allclose(found.loc, exact.loc, rtol=1e-9)
        np.testing.assert_allclose(found.covariance, wider(6) * exact.covariance, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("d", "latents", "scale"), [(20, 5, 0.1), (40, 16, 0.1), (64, 32, 0.3)])
def test_the_densities_of_rows_with_holes_are_those_that_are_exact(d: int, latents: int, scale: float) -> None:
    # the encoder is exact of complete rows and puts a nought where a cell is missing: by its draws hundreds of nats low
    model, y, observed = linear(d, latents, scale)
    rows = Batch(np.where(observed, y, 0.0), None, np.asarray(observed), None, None)
    found = weighted(model, LinearEncoder.exact(model), rows, num_samples=128, key=jax.random.key(1))
    exact = np.asarray(jax.vmap(model.log_marginal)(y, observed))
    assert np.mean(found.elbo) < np.mean(exact) - 100
    assert abs(np.mean(found.jackknife - exact)) < 0.05
    assert np.abs(found.jackknife - exact).max() < 0.6


def test_where_the_mean_of_q_is_no_mode_a_draw_finds_one() -> None:
    def log_joint(z: Any) -> Any:  # y = z² + e, y = 4
        return DiagonalNormal(z**2, jnp.full(1, jnp.log(0.1))).log_prob(jnp.full(1, 4.0)) - 0.5 * jnp.sum(z**2)

    q = DiagonalNormal(jnp.zeros(1), jnp.zeros(1))
    first, second = about_modes(jax.random.key(0), q, q, log_joint)
    assert float(first.loc[0]) == 0  # where the gradient is nought
    assert abs(abs(float(second.loc[0])) - 2) < 0.01
    assert abs(float(second.variance[0]) / (wider(1) * 0.1**2 / (2 * 2) ** 2) - 1) < 0.02


@pytest.mark.parametrize("nothing", [-jnp.inf, jnp.nan])
def test_where_no_z_is_possible_it_lies_about_the_start(nothing: float) -> None:
    found = laplace(jnp.ones(3), lambda z: jnp.sum(z) * nothing)
    np.testing.assert_allclose(found.loc, 1.0)
    np.testing.assert_allclose(found.covariance, wider(3) / FLATTEST * jnp.eye(3), rtol=1e-6, atol=1e-6)


def test_scales_far_apart_are_kept_in_single_precision() -> None:
    narrow = 1e-4 * jnp.arange(1.0, 5.0)
    turn, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (5, 5)))
    scales = jnp.concatenate([narrow, jnp.ones(1)])
    found = laplace(jnp.zeros(5), lambda z: -0.5 * jnp.sum((turn @ z / scales) ** 2))
    assert bool(jnp.all(jnp.isfinite(found.scale_tril)))
    np.testing.assert_allclose(
        jnp.sort(jnp.linalg.svd(found.scale_tril, compute_uv=False))[:4], np.sqrt(wider(5)) * narrow, rtol=0.02
    )


def test_the_sandwich_of_rows_with_holes_is_thin() -> None:
    model, _, observed = linear(20, 5, 0.1)

    class Half(AbstractSeen):
        def __call__(self, event: Any) -> tuple[Any, Any]:
            return jnp.where(observed[0], event, 0.0), observed[0]

    found = sandwich(model, LinearEncoder.exact(model), 300, key=jax.random.key(0), num_samples=128, seen=Half())
    covariance = np.asarray(model.marginal.covariance)[np.ix_(observed[0], observed[0])]
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    assert found.lower.value - 1e-6 < found.upper.value < found.lower.value + 0.1
    assert abs(found.lower.value + entropy) < 4 * found.lower.standard_error
