"""The low-rank normal against SciPy, its posterior against the joint normal, and divergences of normals."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from tacit.distributions import DiagonalNormal, LowRankNormal, MultivariateNormal, kl_divergence
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel, WhitenedEncoder
from tacit.networks import partition

D, M = 5, 2
PATTERNS = [[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]


@pytest.fixture(scope="module", autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def family(one_scale: bool) -> LowRankNormal:
    rng = np.random.default_rng(0)
    scale = rng.uniform(-1, 0.3, 1 if one_scale else D)
    return LowRankNormal(*map(jnp.asarray, (rng.normal(size=(D, M)), rng.normal(size=D), scale)))


def covariance(f: LowRankNormal) -> np.ndarray:
    return np.asarray(f.weight) @ np.asarray(f.weight).T + np.diag(np.exp(2 * np.asarray(f.log_scale)) * np.ones(D))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("one_scale", [True, False])
def test_density_and_posterior_are_those_of_the_joint_normal(one_scale: bool, pattern: list[int]) -> None:
    f, seen = family(one_scale), np.array(pattern, bool)
    y = np.random.default_rng(1).normal(size=D)
    whole, w = covariance(f), np.asarray(f.weight)
    shown = jnp.asarray(np.where(seen, y, np.nan))  # what is missing is not read
    found = float(f.log_prob(shown, jnp.asarray(seen)))
    part = whole[np.ix_(seen, seen)]
    residual = (y - np.asarray(f.bias))[seen]
    expected = scipy.stats.multivariate_normal(np.zeros(len(part)), part).logpdf(residual) if seen.any() else 0.0
    assert found == pytest.approx(expected, abs=1e-11)
    gain = np.linalg.solve(part, w[seen]).T if seen.any() else np.zeros((M, 0))
    q = f.latent(shown, jnp.asarray(seen))
    np.testing.assert_allclose(q.loc, gain @ residual, atol=1e-12)
    np.testing.assert_allclose(q.covariance, np.eye(M) - gain @ w[seen], atol=1e-12)
    given, missing = f.given(shown, jnp.asarray(seen)), ~seen
    across = whole[np.ix_(missing, seen)]
    slopes = np.linalg.solve(part, across.T).T if seen.any() else across
    np.testing.assert_allclose(given.bias[missing], np.asarray(f.bias)[missing] + slopes @ residual, atol=1e-11)
    left = whole[np.ix_(missing, missing)] - slopes @ across.T
    np.testing.assert_allclose(given.covariance[np.ix_(missing, missing)], left, atol=1e-11)


def test_draws_have_the_covariance_and_completed_rows_keep_their_cells() -> None:
    f = family(False)
    drawn = jax.jit(jax.vmap(f.sample))(jax.random.split(jax.random.key(0), 40_000))
    scale = np.sqrt(np.diag(covariance(f)))
    np.testing.assert_allclose(drawn.mean(0) / scale, f.bias / scale, atol=5 / 200)
    bound = 5 * np.sqrt(2 / 40_000) * np.outer(scale, scale)
    assert np.all(np.abs(np.cov(drawn.T) - covariance(f)) < bound)
    np.testing.assert_allclose(f.variance, scale**2, rtol=1e-12)
    model = LinearGaussianModel.of(f.weight, f.bias, f.log_scale)
    y, seen = jnp.arange(5.0), jnp.array([True, False, True, True, False])
    whole = model.complete(jax.random.key(1), y, seen)
    np.testing.assert_array_equal(whole[seen], y[seen])
    assert np.all(whole[~seen] != y[~seen])


def test_tiny_noise_does_not_cancel() -> None:
    """The quadratic form in residuals keeps its digits where `y' S^-1 y` by Woodbury's difference would not."""
    f = family(True)
    f = LowRankNormal(f.weight, f.bias, jnp.array([np.log(1e-7)]))
    y = f.weight @ jnp.array([0.3, -1.0]) + f.bias
    scale = 1e-14
    w = np.asarray(f.weight, float)
    log_det = (D - M) * np.log(scale) + np.linalg.slogdet(scale * np.eye(M) + w.T @ w)[1]
    h = np.linalg.solve(scale * np.eye(M) + w.T @ w, w.T @ (w @ np.array([0.3, -1.0])))
    expected = -0.5 * (D * np.log(2 * np.pi) + log_det + h @ np.array([0.3, -1.0]))
    assert float(f.log_prob(y)) == pytest.approx(expected, abs=1e-6)


def test_the_exact_encoder_is_the_posterior_of_every_row() -> None:
    model = LinearGaussianModel.of(*jax.tree.leaves(family(False)))
    encoder = LinearEncoder.exact(model)
    for y in np.random.default_rng(2).normal(size=(3, D)):
        q, exact = encoder((jnp.asarray(y), None)), model.posterior(jnp.asarray(y))
        np.testing.assert_allclose(q.loc, exact.loc, atol=1e-12)
        np.testing.assert_allclose(q.covariance, exact.covariance, atol=1e-12)


def test_an_encoder_of_whitened_columns_says_what_the_plain_one_of_other_weights_says() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(40, D)) @ rng.normal(size=(D, D))
    rows[:, 1] = 3 * rows[:, 0]  # a direction in which nothing varies
    weight = rng.random(40)
    plain = LinearEncoder.exact(LinearGaussianModel.of(*jax.tree.leaves(family(False))))
    whitened = WhitenedEncoder.of(plain, rows, weight)
    r = np.asarray(whitened.whitener.value)
    spread = r @ np.cov(rows.T, aweights=weight, ddof=0) @ r.T
    np.testing.assert_allclose(spread, np.diag([0.0, *np.ones(D - 1)]), atol=1e-3)
    trained, _ = partition(whitened)
    assert trained.whitener.value is None
    own = LinearEncoder(plain.weight @ r, plain.bias, plain.spread)
    q, same = (encoder((jnp.asarray(rows[0]), None)) for encoder in (whitened, own))
    np.testing.assert_allclose(q.loc, same.loc, rtol=1e-10)
    np.testing.assert_array_equal(q.raw, same.raw)


def test_divergences_of_normals_are_those_of_many_draws() -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(2, 3, 3)) * 0.5 + np.eye(3)
    p, q = (MultivariateNormal.from_covariance(jnp.asarray(rng.normal(size=3)), jnp.asarray(r @ r.T)) for r in root)
    plain = DiagonalNormal(jnp.asarray(rng.normal(size=3)), jnp.asarray(rng.normal(size=3) * 0.3))
    keys = jax.random.split(jax.random.key(0), 100_000)
    for a, b in ((q, p), (q, plain), (plain, p)):

        @jax.jit
        def gaps(keys: jax.Array, a: object = a, b: object = b) -> jax.Array:
            z = jax.vmap(a.sample)(keys)
            return jax.vmap(a.log_prob)(z) - jax.vmap(b.log_prob)(z)

        draws = np.asarray(gaps(keys))
        error = draws.std() / np.sqrt(len(draws))
        assert abs(float(kl_divergence(a, b)) - draws.mean()) < 5 * error
