"""The mean of the Concrete: closed forms, quadrature and draws, in value and derivative."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special

from tacit.distributions import concrete_mean
from tacit.distributions._gumbel_sums import log_expected_shares

TAUS = (0.1, 0.5, 0.9, 1.0, 2.0)


@jax.jit
def log_means(logits: Any, tau: Any) -> Any:
    return jax.vmap(concrete_mean, (0, None))(logits, tau)


@jax.jit
def jacobians(logits: Any, tau: Any) -> Any:
    """d log m_k / d logits_j and d log m_k / d tau."""
    return jax.vmap(jax.jacrev(concrete_mean, (0, 1)), (0, None))(logits, tau)


def of_two(gap: float, tau: float) -> tuple[float, float]:
    """K = 2: m_1 = E sigmoid((gap + logistic) / tau), and its derivative in the gap."""
    x = np.linspace(-45, 45, 40_001)
    density = np.exp(-np.abs(x) - 2 * np.log1p(np.exp(-np.abs(x)))) * (x[1] - x[0])
    z = scipy.special.expit((gap + x) / tau)
    return float(density @ z), float(density @ (z * (1 - z))) / tau


def by_bessel(logits: np.ndarray) -> np.ndarray:
    """tau = 1: Int pi_k psi(pi_k s) prod_{j != k} phi(pi_j s) ds with phi = 2 sqrt(c) K_1, psi = 2 K_0 (2 sqrt(c))."""
    pi = scipy.special.softmax(logits)

    def inside(v: float, k: int) -> float:
        root = 2 * np.sqrt(pi * np.exp(v))
        phi = root * scipy.special.k1(root)
        return pi[k] * np.exp(v) * 2 * scipy.special.k0(root[k]) * np.prod(np.delete(phi, k))

    terms = [scipy.integrate.quad(inside, -45, 25, (k,), epsrel=1e-10, epsabs=0, limit=500)[0] for k in range(len(pi))]
    return np.array(terms)


def test_two_states_at_temperature_one_have_a_closed_form(double: None) -> None:
    logits = np.array([[0.5, 0.0], [3.0, 0.0], [0.0, 6.0], [-9.0, 0.0]])
    r = np.exp(logits[:, 0] - logits[:, 1])
    expected = r / (r - 1) - r * np.log(r) / (r - 1) ** 2
    np.testing.assert_allclose(np.exp(log_means(logits, 1.0))[:, 0], expected, rtol=1e-7)


@pytest.mark.parametrize("tau", TAUS)
def test_two_states_equal_quadrature(double: None, tau: float) -> None:
    gaps = np.array([-13.0, -4.0, 0.3, 7.0])
    logits = np.stack([gaps, np.zeros(4)], 1)
    found, slopes = np.exp(log_means(logits, tau)), jacobians(logits, tau)[0]
    for i, gap in enumerate(gaps):
        (first, slope), (second, _) = of_two(gap, tau), of_two(-gap, tau)
        np.testing.assert_allclose(found[i], [first, second], rtol=1e-6)
        assert float(found[i, 0] * slopes[i, 0, 0]) == pytest.approx(slope, rel=1e-5)


def test_many_states_at_temperature_one_equal_bessel_functions(double: None) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (1, 6))
    expected = by_bessel(logits[0])
    assert expected.sum() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(np.exp(log_means(logits, 1.0))[0], expected, rtol=1e-6)


@pytest.mark.parametrize("k", [5, 20])
def test_equals_draws(double: None, k: int) -> None:
    """The mean, and `d m_k / d log pi_j = E[z_k (1(k=j) - z_j)] / tau`, entry by entry."""
    rng = np.random.default_rng(k)
    logits = rng.normal(0, 1.5, (1, k))
    n = 100_000
    for tau in (0.1, 0.6, 2.0):
        z = scipy.special.softmax((logits + rng.gumbel(size=(n, k))) / tau, axis=1)
        mean = np.exp(log_means(logits, tau))[0]
        assert (np.abs(z.mean(0) - mean) < 5 * z.std(0) / np.sqrt(n)).all()
        assert (np.abs(z.mean(0) - scipy.special.softmax(logits[0])) > 5 * z.std(0) / np.sqrt(n)).any() or tau < 0.5
        second = z.T @ z / n
        expected = (np.diag(z.mean(0)) - second) / tau
        # squares of z_k (1(k=j) - z_j): off the diagonal (z_k z_j)^2, on it (z_k (1 - z_k))^2
        squares = (z**2).T @ z**2 / n
        np.fill_diagonal(squares, np.mean((z * (1 - z)) ** 2, 0))
        error = np.sqrt((squares / tau**2 - expected**2) / n)
        slope = mean[:, None] * jacobians(logits, tau)[0][0]
        assert (np.abs(slope - expected) < 5 * error + 1e-7).all()


def test_derivative_in_the_temperature_is_the_central_difference(double: None) -> None:
    logits = np.random.default_rng(2).normal(0, 1.5, (1, 5))
    for tau in (0.3, 1.0, 1.7):
        difference = (log_means(logits, tau + 1e-3) - log_means(logits, tau - 1e-3)) / 2e-3
        np.testing.assert_allclose(jacobians(logits, tau)[1], difference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [2, 20])
def test_shares_sum_to_one_before_they_are_normalised(k: int) -> None:
    logits = np.random.default_rng(3).normal(0, 3, (8, k))
    shares = jax.jit(jax.vmap(log_expected_shares, (0, None)))
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-7)):
        for tau in TAUS:
            with jax.enable_x64(dtype is np.float64):
                raw = shares(jnp.asarray(logits / tau, dtype), jnp.asarray(-1 / tau, dtype))
            np.testing.assert_allclose(np.exp(raw).sum(1), 1.0, rtol=tolerance)
            assert np.abs(np.exp(raw).sum(1) - 1.0).max() > 0  # not normalised there


def test_weights_are_flatter_and_tend_to_the_softmax(double: None) -> None:
    logits = np.random.default_rng(4).normal(0, 1.5, (4, 5))
    probabilities = scipy.special.softmax(logits, axis=1)
    gaps = np.stack([np.abs(np.exp(log_means(logits, tau)) - probabilities).max(1) for tau in (0.02, 0.1, 0.5, 1.0)])
    assert (gaps[0] < 1e-3).all()
    assert (np.diff(gaps, axis=0) > 0).all()
    for tau in TAUS:
        means = np.exp(log_means(logits, tau))
        assert (means.max(1) < probabilities.max(1)).all()
        assert (means.min(1) > probabilities.min(1)).all()


def test_float32_is_finite_and_near_float64() -> None:
    logits = np.random.default_rng(5).normal(0, 2.5, (8, 20))
    extremes = np.random.default_rng(6).choice([-50.0, 0.0, 50.0], (8, 20))
    for tau in TAUS:
        single = log_means(np.float32(logits), np.float32(tau))
        with jax.enable_x64(True):
            exact = np.asarray(log_means(logits, tau))
        assert single.dtype == jnp.float32
        np.testing.assert_allclose(single, exact, rtol=0, atol=1e-4)  # relative, of m
        assert np.isfinite(log_means(np.float32(extremes), np.float32(tau))).all()
        assert all(np.isfinite(slope).all() for slope in jacobians(np.float32(extremes), np.float32(tau)))
