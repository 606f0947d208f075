"""Quadrature against closed forms and SciPy's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import logsumexp

from tacit._errors import UsageError
from tacit.data.batch import Batch
from tacit.distributions import DiagonalNormal
from tacit.evaluation.quadrature import quadrature
from tacit.models import AbstractConditional, Constant, LatentModel
from tacit.networks import Dense, Linear
from tests.evaluation._latent_models import Encoder, FullEncoder, codes, encoder, gaussian, linear_posterior, rows_of


@pytest.mark.parametrize("latents", [1, 2])
@pytest.mark.parametrize("kind", ["exact", "wide", "narrow", "far", "none"])
def test_linear_models_meet_the_closed_form_wherever_q_lies(latents: int, kind: str) -> None:
    with jax.enable_x64(True):
        model = gaussian(latents, 3, bent=0.0)
        matrix, covariance = linear_posterior(model)
        places = {
            "exact": FullEncoder(jnp.asarray(matrix), jnp.asarray(covariance)),
            "wide": encoder(model, widen=8.0),
            "narrow": encoder(model, widen=0.1),
            "far": Encoder(-jnp.asarray(matrix), jnp.full(latents, -1.0)),
            "none": None,
        }
        rows = rows_of(model, 5)
        found = quadrature(model, places[kind], rows, tolerance=1e-7)
    weight, scale = np.asarray(model.likelihood.weight), float(model.likelihood.scale)
    truth = stats.multivariate_normal(np.zeros(3), weight @ weight.T + scale**2 * np.eye(3)).logpdf(rows.y)
    np.testing.assert_allclose(found.log_p, truth, atol=1e-9)
    assert np.all(found.error <= 1e-7)


def test_a_bent_model_meets_scipys_quadrature_with_covariates_and_missing_cells() -> None:
    with jax.enable_x64(True):
        model = gaussian(1, 2, bent=1.5, scale=0.3)
        rng = np.random.default_rng(0)
        x, mask = rng.normal(size=(4, 2)), np.array([[1, 1], [1, 0], [0, 1], [1, 1]], bool)
        y = np.where(mask, rng.normal(size=(4, 2)) + x, 0.0)
        found = quadrature(model, encoder(model), Batch(y, x, mask, None, None), tolerance=1e-8)
        bare = Batch(y[:1], x[:1], None, None, None)
        without = quadrature(model, encoder(model), bare, tolerance=1e-8)
    weight, bend = np.asarray(model.likelihood.weight)[:, 0], np.asarray(model.likelihood.bent)[:, 0]

    def density(z: float, i: int) -> float:
        loc = weight * z + bend * np.tanh(3 * z) + x[i]
        return float(stats.norm.pdf(z) * np.prod(stats.norm(loc, 0.3).pdf(y[i])[mask[i]]))

    truth = [np.log(integrate.quad(density, -12, 12, args=(i,), limit=500, epsrel=1e-10)[0]) for i in range(4)]
    np.testing.assert_allclose(found.log_p, truth, atol=1e-8)
    np.testing.assert_allclose(without.log_p[0], found.log_p[0], atol=1e-9)


def test_two_bent_latents_meet_a_fine_grid() -> None:
    with jax.enable_x64(True):
        model = gaussian(2, 3, bent=1.0, scale=0.4)
        rows = rows_of(model, 2)
        found = quadrature(model, encoder(model, widen=1.5), rows, tolerance=1e-7)
    line = np.linspace(-9, 9, 901)
    z = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
    loc = z @ np.asarray(model.likelihood.weight).T + np.tanh(3 * z) @ np.asarray(model.likelihood.bent).T
    for i in range(2):
        log_joint = stats.norm(loc, 0.4).logpdf(rows.y[i]).sum(-1) + stats.norm.logpdf(z).sum(-1)
        np.testing.assert_allclose(found.log_p[i], np.log(np.exp(log_joint).sum() * 0.02**2), atol=1e-7)


def test_single_precision_reaches_the_tolerance() -> None:
    model = gaussian(1, 3, bent=1.0)
    rows = rows_of(model, 8)
    found = quadrature(model, encoder(model), rows)
    with jax.enable_x64(True):
        exact = quadrature(model, encoder(model), rows, tolerance=1e-8)
    np.testing.assert_allclose(found.log_p, exact.log_p, atol=1e-4)


def test_other_latents_are_refused() -> None:
    model, posterior = codes()
    with pytest.raises(UsageError, match="one or two normal latents"):
        quadrature(model, posterior, Batch(np.zeros((1, 5)), None, None, None, None))
    model = gaussian(3, 3, bent=0.0)
    with pytest.raises(UsageError, match="one or two normal latents"):
        quadrature(model, encoder(model), rows_of(model, 1))


class Kinked(AbstractConditional):
    """A network with corners, and little noise."""

    network: Dense
    head: Linear

    def __call__(self, context):
        return DiagonalNormal(self.head(self.network(context[0])), jnp.full(2, jnp.log(0.05)))


def test_the_error_it_tells_is_about_right_where_a_network_has_corners() -> None:
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(1), 4)  # of which the last change alone is up to 34 times too small
        decoder = Kinked(Dense.init(keys[0], 1, (64, 64)), Linear.init(keys[1], 64, 2, gain=2.0))
        model = LatentModel(Constant(DiagonalNormal(jnp.zeros(1), jnp.zeros(1))), decoder)
        _, y = jax.vmap(model.sample)(jax.random.split(keys[2], 400))
        found = quadrature(model, None, Batch(np.asarray(y), None, None, None, None))
        grid = jnp.linspace(-9, 9, 200_001)
        loc = np.asarray(jax.vmap(lambda z: decoder((z[None], None)).loc)(grid))
    y, grid = np.asarray(y), np.asarray(grid)
    terms = [stats.norm.logpdf(grid) + stats.norm.logpdf(row, loc, 0.05).sum(axis=1) for row in y]
    truth = logsumexp(terms, axis=1) + np.log(grid[1] - grid[0])
    gap = np.abs(found.log_p - truth)
    assert np.all(gap < 3 * found.error + 1e-7)
    assert np.mean(gap > found.error + 1e-7) < 0.03
