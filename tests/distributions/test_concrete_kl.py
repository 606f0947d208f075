"""The closed divergence between Concretes: against draws, quadrature and the categories, in value and derivative."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special

from tacit._errors import UsageError
from tacit.distributions import Concrete, concrete_kl


def log_kappa(u: np.ndarray, logits: np.ndarray, tau: float) -> np.ndarray:
    k = len(logits)
    a = scipy.special.log_softmax(logits) - tau * u
    constant = scipy.special.gammaln(k) + (k - 1) * np.log(tau)
    return constant + a.sum(-1) - k * scipy.special.logsumexp(a, axis=-1)


def by_ratios(q: np.ndarray, tau_q: float, p: np.ndarray, tau_p: float) -> float:
    """K = 2: the integral over the log-ratio, which is logistic."""
    x = np.linspace(-45, 45, 20_001)
    u = (x + q[0] - q[1]) / tau_q
    u = np.stack([-np.logaddexp(0, -u), -np.logaddexp(0, u)], 1)
    density = np.exp(-np.abs(x) - 2 * np.log1p(np.exp(-np.abs(x))))
    return float(np.sum(density * (log_kappa(u, q, tau_q) - log_kappa(u, p, tau_p))) * (x[1] - x[0]))


def at_one_temperature(q: np.ndarray, p: np.ndarray) -> float:
    """sum log(gamma/pi) + K Int [(1+s)^-K - prod (1 + r_k s)^-1] ds/s, by adaptive quadrature in log s."""
    log_r, k = scipy.special.log_softmax(p) - scipy.special.log_softmax(q), len(q)

    def inside(v: float) -> float:
        return np.exp(-k * np.logaddexp(0, v)) - np.exp(-np.logaddexp(0, v + log_r).sum())

    return -log_r.sum() + k * scipy.integrate.quad(inside, -60, 60, epsabs=1e-11, limit=500)[0]


def category(q: np.ndarray, p: np.ndarray) -> float:
    log_q, log_p = scipy.special.log_softmax(q), scipy.special.log_softmax(p)
    return float(np.exp(log_q) @ (log_q - log_p))


@jax.jit
def closed(q: Any, log_tau_q: Any, p: Any, log_tau_p: Any) -> Any:
    """Values and derivatives in all four arguments."""
    divergence = lambda *four: concrete_kl(Concrete(*four[:2]), Concrete(*four[2:]))  # noqa: E731
    return jax.vmap(jax.value_and_grad(divergence, (0, 1, 2, 3)), (0, None, 0, None))(q, log_tau_q, p, log_tau_p)


def logits(k: int, rows: int = 4, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(k)
    return rng.normal(0, spread, (rows, k)), rng.normal(0, spread, (rows, k))


@pytest.mark.parametrize("k", [2, 5, 20])
def test_equals_draws(double: None, k: int) -> None:
    rng = np.random.default_rng(0)
    q, p = logits(k)
    for tau_q, tau_p in [(0.1, 0.1), (0.1, 2.0), (0.66, 0.5), (2.0, 0.1)]:
        noise = rng.gumbel(size=(100_000, k))
        u = scipy.special.log_softmax((q[0] + noise) / tau_q, axis=1)
        draws = log_kappa(u, q[0], tau_q) - log_kappa(u, p[0], tau_p)
        value = float(closed(q, np.log(tau_q), p, np.log(tau_p))[0][0])
        error = draws.std() / np.sqrt(len(draws))
        assert abs(draws.mean() - value) < 5 * error
        assert 0.1 * value > 10 * error or k == 2  # a tenth off would be seen


def test_two_states_equal_quadrature(double: None) -> None:
    q, p = logits(2, spread=3.0)
    for tau_q, tau_p in [(0.1, 2.0), (0.3, 0.3), (0.66, 0.5), (1.0, 1.05), (2.0, 0.1)]:
        expected = [by_ratios(*row) for row in ((a, tau_q, b, tau_p) for a, b in zip(q, p, strict=True))]
        np.testing.assert_allclose(closed(q, np.log(tau_q), p, np.log(tau_p))[0], expected, rtol=1e-7, atol=1e-7)


def test_derivatives_of_two_states_equal_quadrature(double: None) -> None:
    q, p = logits(2, spread=2.0)
    h = 1e-4
    for tau_q, tau_p in [(0.3, 0.3), (0.2, 1.5), (1.5, 0.2)]:
        _, found = closed(q, np.log(tau_q), p, np.log(tau_p))
        for row, (a, b) in enumerate(zip(q, p, strict=True)):
            first = np.array([1.0, 0.0])
            changes = [(h * first, 0, 0, 0), (0, h, 0, 0), (0, 0, h * first, 0), (0, 0, 0, h)]
            for part, (da, dq, db, dp) in enumerate(changes):
                up = by_ratios(a + da, tau_q * np.exp(dq), b + db, tau_p * np.exp(dp))
                down = by_ratios(a - da, tau_q * np.exp(-dq), b - db, tau_p * np.exp(-dp))
                slope = found[part][row][0] if part in (0, 2) else found[part][row]
                assert float(slope) == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("k", [5, 20])
def test_derivatives_are_the_central_differences(double: None, k: int) -> None:
    q, p = logits(k)
    rng = np.random.default_rng(1)
    four = (q, np.log(0.4), p, np.log(0.9))
    direction = (rng.normal(size=q.shape), rng.normal(), rng.normal(size=p.shape), rng.normal())
    moved = lambda h: closed(*(a + h * d for a, d in zip(four, direction, strict=True)))[0]  # noqa: E731
    difference = (8 * (moved(1e-2) - moved(-1e-2)) - (moved(2e-2) - moved(-2e-2))) / 0.12
    gradient = closed(*four)[1]
    slope = gradient[0] @ direction[0].T, gradient[2] @ direction[2].T
    total = np.diag(slope[0]) + np.diag(slope[1]) + gradient[1] * direction[1] + gradient[3] * direction[3]
    np.testing.assert_allclose(total, difference, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_one_temperature(double: None, k: int) -> None:
    """The exact formula, and no dependence on the temperature."""
    q, p = logits(k)
    expected = [at_one_temperature(a, b) for a, b in zip(q, p, strict=True)]
    found = np.stack([closed(q, np.log(tau), p, np.log(tau))[0] for tau in (0.1, 0.5, 2.0)])
    np.testing.assert_allclose(found, np.tile(expected, (3, 1)), rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(found - found[0], 0.0, atol=1e-8)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_at_least_the_divergence_of_the_categories(double: None, k: int) -> None:
    q, p = logits(k)
    for tau_q, tau_p in [(0.1, 2.0), (0.66, 0.5), (0.5, 0.5), (2.0, 0.1)]:
        values, _ = closed(q, np.log(tau_q), p, np.log(tau_p))
        assert (values >= np.array([category(a, b) for a, b in zip(q, p, strict=True)])).all()
        same, slopes = closed(q, np.log(tau_q), q, np.log(tau_q))
        np.testing.assert_allclose(same, 0.0, atol=1e-6)
        assert all(np.abs(slope).max() < 1e-5 for slope in slopes)  # the least value


def test_a_confident_posterior_is_overcharged(double: None) -> None:
    """K = 10, the largest probability 1 - 1e-4, a uniform prior: 10.30 against 2.30."""
    q = np.log(np.full((1, 10), 1e-4 / 9))
    q[0, 0] = np.log(1 - 1e-4)
    p = np.zeros((1, 10))
    assert float(closed(q, np.log(0.5), p, np.log(0.5))[0][0]) == pytest.approx(10.30, abs=0.005)
    assert category(q[0], p[0]) == pytest.approx(2.30, abs=0.005)


@pytest.mark.parametrize("k", [2, 20])
def test_float32_is_finite_and_near_float64(k: int) -> None:
    rng = np.random.default_rng(3)
    q, p = rng.choice([-10.0, -1.0, 0.0, 10.0], (8, k)), rng.choice([-10.0, 0.0, 2.0, 10.0], (8, k))
    q[0], q[1] = 0.0, np.eye(k)[0] * 60
    for tau_q, tau_p in [(0.1, 2.0), (0.5, 0.5), (0.66, 0.5), (2.0, 0.1)]:
        four = (q, np.log(tau_q), p, np.log(tau_p))
        single = closed(*(np.float32(a) for a in four))
        with jax.enable_x64(True):
            exact = closed(*(np.asarray(a, float) for a in four))
        steep = k * max(1, tau_p / tau_q)  # size of the terms: of derivatives in logits, and of the others
        for found, expected in zip(jax.tree.leaves(single), jax.tree.leaves(exact), strict=True):
            assert found.dtype == jnp.float32
            assert np.isfinite(found).all()
            scale = steep * (1 if found.ndim == 2 else 1 + np.abs(q).max())
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)


def test_one_temperature_a_row(double: None) -> None:
    """Batched temperatures give what shared ones give."""
    q, p = logits(5)
    taus = np.array([0.1, 0.5, 1.0, 2.0])
    rows = jax.jit(jax.vmap(concrete_kl))(Concrete(q, np.log(taus)), Concrete(p, np.zeros(4)))
    for i, tau in enumerate(taus):
        assert float(rows[i]) == pytest.approx(float(closed(q, np.log(tau), p, 0.0)[0][i]), rel=1e-10)


def test_different_numbers_of_states_are_refused() -> None:
    with pytest.raises(UsageError, match="q has 3 states and p has 2"):
        concrete_kl(Concrete.of(jnp.zeros(3), 1.0), Concrete.of(jnp.zeros(2), 1.0))
