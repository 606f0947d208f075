"""The Concrete distribution: density by quadrature, draws, extremes."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from tacit._errors import UsageError
from tacit.distributions import (
    AbstractReparameterised,
    Bernoulli,
    Categorical,
    Concrete,
    DiagonalNormal,
    MultivariateNormal,
    SphericalNormal,
    TiedMultivariateNormal,
)

LOGITS = np.array([0.4, -1.0, 1.3])


def oracle(u: np.ndarray, logits: np.ndarray, tau: float) -> np.ndarray:
    """log kappa, as printed: log[(K-1)! tau^(K-1) prod pi_k z_k^-tau / (sum pi_k z_k^-tau)^K]."""
    k = len(logits)
    terms = scipy.special.softmax(logits) * np.exp(u) ** -tau
    constant = scipy.special.gammaln(k) + (k - 1) * np.log(tau)
    return constant + np.log(np.prod(terms, -1)) - k * np.log(np.sum(terms, -1))


def grid(k: int, tau: float) -> tuple[np.ndarray, float]:
    """Events on a grid of log-ratios to the last share, and the volume of a cell."""
    axis = np.linspace(-45 / tau, 45 / tau, 451)
    ratios = np.stack(np.meshgrid(*[axis] * (k - 1), indexing="ij"), -1).reshape(-1, k - 1)
    return scipy.special.log_softmax(np.insert(ratios, k - 1, 0.0, axis=1), axis=1), (axis[1] - axis[0]) ** (k - 1)


@pytest.mark.parametrize("tau", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("k", [2, 3])
def test_density_integrates_to_one_in_log_ratios(double: None, k: int, tau: float) -> None:
    events, volume = grid(k, tau)
    density = np.exp(jax.jit(jax.vmap(Concrete.of(LOGITS[:k], tau).log_prob))(events))
    assert np.sum(density) * volume == pytest.approx(1.0, abs=1e-6)
    assert np.sum(density * events[:, 0]) * volume != pytest.approx(0.0, abs=0.1)  # the grid sees where it lies


def test_density_is_the_printed_formula(double: None) -> None:
    u = scipy.special.log_softmax(np.random.default_rng(0).normal(0, 2, (50, 3)), axis=1)
    relaxed = Concrete.of(LOGITS, 0.7)
    np.testing.assert_allclose(jax.vmap(relaxed.log_prob)(u), oracle(u, LOGITS, 0.7), rtol=1e-12)
    shifted = Concrete.of(LOGITS + 5.0, 0.7)  # logits need not be normalised
    np.testing.assert_allclose(jax.vmap(shifted.log_prob)(u), oracle(u, LOGITS, 0.7), rtol=1e-12)
    simplex = np.asarray(jax.vmap(relaxed.simplex_log_prob)(u))
    np.testing.assert_allclose(simplex, oracle(u, LOGITS, 0.7) - u.sum(1), rtol=1e-12)


def test_density_of_the_simplex_integrates_to_one(double: None) -> None:
    """K = 2: over z_1 in (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    z = (nodes + 1) / 2
    u = np.log(np.stack([z, 1 - z], 1))
    density = np.exp(jax.vmap(Concrete.of(LOGITS[:2], 1.5).simplex_log_prob)(u))
    assert density @ weights / 2 == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_draws(tau: float) -> None:
    n = 200_000
    relaxed = Concrete.of(jnp.asarray(LOGITS, jnp.float32), tau)
    u = np.asarray(jax.jit(jax.vmap(relaxed.sample))(jax.random.split(jax.random.key(1), n)))
    np.testing.assert_allclose(scipy.special.logsumexp(u, axis=1), 0.0, atol=1e-5)
    probabilities = np.exp(np.asarray(relaxed.discretised().log_probs()), dtype=float)
    counts = np.bincount(u.argmax(1), minlength=3)
    assert scipy.stats.chisquare(counts, n * probabilities / probabilities.sum()).pvalue > 1e-6
    assert scipy.stats.chisquare(counts, n * np.array([0.25, 0.10, 0.65])).pvalue < 1e-6  # a percent off is seen
    # the density of the draws: the log-ratio of two shares is logistic, (log pi_1 - log pi_2 + logistic) / tau
    logistic = (u[:, 0] - u[:, 1]) * tau - (LOGITS[0] - LOGITS[1])
    assert scipy.stats.kstest(logistic, "logistic").pvalue > 1e-6


def test_draws_are_differentiable() -> None:
    """d sample / d parameters at a fixed key against differences."""
    with jax.enable_x64(True):
        relaxed = Concrete.of(LOGITS, 0.5)
        draw = lambda f: f.sample(jax.random.key(0)) @ jnp.array([1.0, 2.0, 3.0])  # noqa: E731
        gradient = jax.grad(draw)(relaxed)
        direction = Concrete(jnp.array([0.3, -0.2, 0.9]), jnp.array(0.7))
        step = lambda h: jax.tree.map(lambda leaf, d: leaf + h * d, relaxed, direction)  # noqa: E731
        difference = (draw(step(1e-5)) - draw(step(-1e-5))) / 2e-5
        slope = gradient.logits @ direction.logits + gradient.log_temperature * direction.log_temperature
        assert float(slope) == pytest.approx(float(difference), rel=1e-7)


def test_finite_in_float32_at_extremes_under_jit_vmap_grad() -> None:
    """K = 10, tau = .1, logits +-10: values and gradients in parameters and event, and the value of float64."""
    rng = np.random.default_rng(2)
    logits = rng.choice([-10.0, 10.0], (32, 10))
    taus = np.full(32, 0.1)

    def both(logits: Any, taus: Any, keys: Any) -> Any:
        relaxed = jax.vmap(Concrete)(logits, jnp.log(taus))
        u = jax.vmap(lambda f, key: f.sample(key))(relaxed, keys)
        value = jax.vmap(jax.value_and_grad(lambda f, v: f.log_prob(v), argnums=(0, 1)))
        return u, value(relaxed, u)

    keys = jax.random.split(jax.random.key(3), 32)
    u, (values, gradients) = jax.jit(both)(jnp.float32(logits), jnp.float32(taus), keys)
    assert u.dtype == values.dtype == jnp.float32
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((u, values, gradients)))
    with jax.enable_x64(True):
        exact = jax.vmap(lambda row, v: Concrete.of(row, 0.1).log_prob(v))(logits, np.asarray(u, float))
        np.testing.assert_allclose(values, exact, rtol=1e-5, atol=1e-4)


def test_gradient_of_the_density_is_the_central_difference(double: None) -> None:
    relaxed, u = Concrete.of(LOGITS, 0.6), jnp.asarray(scipy.special.log_softmax([0.1, -2.0, 1.0]))
    direction = Concrete(jnp.array([0.3, -0.2, 0.9]), jnp.array(0.7))
    step = lambda h: jax.tree.map(lambda leaf, d: leaf + h * d, relaxed, direction)  # noqa: E731
    difference = (step(1e-5).log_prob(u) - step(-1e-5).log_prob(u)) / 2e-5
    gradient = jax.grad(lambda f: f.log_prob(u))(relaxed)
    slope = gradient.logits @ direction.logits + gradient.log_temperature * direction.log_temperature
    assert float(slope) == pytest.approx(float(difference), rel=1e-7)


def test_a_share_of_zero_has_no_density() -> None:
    relaxed = Concrete.of(jnp.asarray(LOGITS), 0.5)
    value, gradient = jax.value_and_grad(lambda f: f.log_prob(jnp.array([-jnp.inf, 0.0, -jnp.inf])))(relaxed)
    assert value == -jnp.inf
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, np.array([0.5, 0.0])])
def test_temperatures_that_are_not_positive_are_refused(bad: Any) -> None:
    with pytest.raises(UsageError, match="not a positive number"):
        Concrete.of(jnp.zeros(3), bad)


def test_temperatures_may_be_traced() -> None:
    found = jax.jit(lambda tau: Concrete.of(jnp.zeros(3), tau).temperature)(0.4)
    assert float(found) == pytest.approx(0.4)


def test_discretised_is_the_category_of_the_logits() -> None:
    discrete = Concrete.of(jnp.asarray(LOGITS), 0.3).discretised()
    assert isinstance(discrete, Categorical)
    np.testing.assert_allclose(jnp.exp(discrete.log_probs()), scipy.special.softmax(LOGITS), rtol=1e-6)


def test_which_families_are_reparameterised() -> None:
    for kind in (Concrete, DiagonalNormal, SphericalNormal, MultivariateNormal, TiedMultivariateNormal):
        assert issubclass(kind, AbstractReparameterised)
    for kind in (Categorical, Bernoulli):
        assert not issubclass(kind, AbstractReparameterised)
    assert issubclass(Concrete, eqx.Module)
