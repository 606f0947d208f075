"""Coupled draws, draws without replacement and partial sums: their weights, and what they are exact for."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from tacit._errors import UsageError
from tacit.distributions import Bernoulli, Categorical, Categoricals
from tacit.gradients import (
    AbstractGradient,
    Arms,
    Enumeration,
    LeaveOneOut,
    LocalExpectation,
    Memory,
    Reinforce,
    SumAndSample,
    UnorderedSet,
)
from tacit.gradients.arms import bit_logits, coupled_bits
from tacit.gradients.unordered_set import weights_of

PROBS = np.array([0.5, 0.22, 0.15, 0.08, 0.05])


def first_of(chosen: tuple[int, ...], probs: np.ndarray) -> np.ndarray:
    """P(s drawn first | the set), by listing the orders."""
    total = dict.fromkeys(chosen, 0.0)
    for order in itertools.permutations(chosen):
        left, chance = 1.0, 1.0
        for state in order:
            chance, left = chance * probs[state] / left, left - probs[state]
        total[order[0]] += chance
    return np.array([total[s] for s in chosen]) / sum(total.values())


@pytest.mark.parametrize("chosen", [(0, 1), (3, 0, 4), (1, 2, 3, 4), (0, 1, 2, 3)])
def test_the_weights_of_a_set_are_those_of_all_orders(chosen: tuple[int, ...]) -> None:
    with jax.enable_x64(True):
        log_q = jnp.log(PROBS)
        rest = jnp.log(1 - PROBS[list(chosen)].sum())
        first, second = weights_of(log_q[jnp.array(chosen)], rest)
    np.testing.assert_allclose(first, first_of(chosen, PROBS), rtol=1e-10)
    for row, s in enumerate(chosen):
        others = tuple(c for c in chosen if c != s)
        without = np.where(np.arange(5) == s, 0.0, PROBS) / (1 - PROBS[s])
        expected = dict(zip(others, (1 - PROBS[s]) * first_of(others, without), strict=True)) | {s: PROBS[s]}
        np.testing.assert_allclose(second[row], [expected[c] for c in chosen], rtol=1e-10)


def test_weights_of_a_set_in_single_precision_with_states_that_hardly_occur() -> None:
    logits = jnp.array([0.0, -30.0, -60.0, -95.0])
    first, second = weights_of(jax.nn.log_softmax(logits)[:3], jax.nn.log_softmax(logits)[3])
    np.testing.assert_allclose(first, [1.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(second.sum(axis=1), 1.0, rtol=1e-5)


def value_of(estimator: AbstractGradient, latent: Any, key: jax.Array, n: int = 1) -> Any:
    """Of the logits, for a curved log-weight that is, as those of data are, not about 0."""

    def value(logits: jax.Array) -> jax.Array:
        inner = jnp.asarray(np.random.default_rng(5).normal(size=logits.size), logits.dtype)
        f = lambda q, z: jnp.tanh(2.0 * z.ravel() @ inner) - 4.0 + z.ravel() @ inner - q.log_prob(z)  # noqa: E731
        return estimator(key, latent(logits), f, jnp.mean, n, None, Memory())[0]

    return value


def test_a_set_of_all_states_is_the_listing() -> None:
    with jax.enable_x64(True):
        logits, key = jnp.log(PROBS), jax.random.key(0)
        every, listed = (
            jax.value_and_grad(value_of(e, Categorical, key))(logits) for e in (UnorderedSet(5), Enumeration())
        )
    np.testing.assert_allclose(every[0], listed[0], rtol=1e-10)
    np.testing.assert_allclose(every[1], listed[1], atol=1e-10)


def test_sum_and_sample_of_all_but_one_state_and_local_expectation_of_one_digit_are_exact() -> None:
    with jax.enable_x64(True):
        logits, key = jnp.log(PROBS), jax.random.key(0)
        exact = jax.grad(value_of(Enumeration(), Categorical, key))(logits)
        for estimator in (SumAndSample(4), LocalExpectation()):
            found = jax.grad(value_of(estimator, Categorical, key))(logits)
            np.testing.assert_allclose(found, exact, atol=1e-10)


def squared(estimator: AbstractGradient, latent: Any, logits: jax.Array, n: int, draws: int = 6000) -> np.ndarray:
    """The squared distance of each gradient from the exact one."""
    exact = jax.grad(value_of(Enumeration(), latent, jax.random.key(0)))(logits)
    keys = jax.random.split(jax.random.key(7), draws)
    found = jax.jit(jax.vmap(lambda key: jax.grad(value_of(estimator, latent, key, n))(logits)))(keys)
    return np.asarray(jnp.sum((found - exact) ** 2, axis=tuple(range(1, found.ndim))))


ORDERS: dict[str, tuple[AbstractGradient, int, AbstractGradient, int, Any, jax.Array]] = {
    "leave-one-out below plain": (LeaveOneOut(), 4, Reinforce(), 4, Categorical, jnp.log(PROBS)),
    "unordered set below leave-one-out": (UnorderedSet(4), 1, LeaveOneOut(), 4, Categorical, jnp.log(PROBS)),
    "unordered set of likely states below leave-one-out": (
        UnorderedSet(3), 1, LeaveOneOut(), 3, Categorical, jnp.zeros(6)
    ),
    "local expectation below leave-one-out": (
        LocalExpectation(), 1, LeaveOneOut(), 5, Categoricals, jnp.array([[0.3, -0.5, 0.2], [1.0, 0.0, -0.4]])
    ),
    "coupled bits below leave-one-out": (Arms(4), 1, LeaveOneOut(), 4, Bernoulli, jnp.array([0.3, -0.5, 0.2, 1.0])),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("claim", list(ORDERS))
def test_variance_order_at_equal_evaluations(claim: str) -> None:
    lower, n_lower, higher, n_higher, latent, logits = ORDERS[claim]
    q = latent(logits)
    assert lower.evaluations(q, n_lower) <= higher.evaluations(q, n_higher)
    one, two = squared(lower, latent, logits, n_lower), squared(higher, latent, logits, n_higher)
    resampled = np.random.default_rng(0).multinomial(one.size, np.full(one.size, 1 / one.size), size=2000)
    other = np.random.default_rng(1).multinomial(two.size, np.full(two.size, 1 / two.size), size=2000)
    assert np.quantile((resampled @ one) / (other @ two), 0.9995) < 1


@pytest.mark.parametrize("n", [2, 3, 5])
def test_coupled_bits_have_their_probability_and_correlation(n: int) -> None:
    logits = jnp.array([[-2.0, 0.0, 0.4, 3.0]])
    keys = jax.random.split(jax.random.key(1), 20_000)
    bits, rho = jax.jit(jax.vmap(lambda key: coupled_bits(key, logits, n), out_axes=(0, None)))(keys)
    p, bits = np.asarray(jax.nn.sigmoid(logits[0])), np.asarray(bits)[:, :, 0]
    error = np.sqrt(p * (1 - p) / len(bits))
    assert np.abs((bits.mean(axis=0) - p) / error).max() < 5
    product = (bits[:, 0] - p) * (bits[:, 1] - p)
    correlation, error = product.mean(0) / (p * (1 - p)), product.std(0) / (p * (1 - p)) / np.sqrt(len(bits))
    assert (np.abs(correlation - np.asarray(rho[0])) < 5 * error + 1e-3).all()
    assert (np.asarray(rho[0]) < 0).all()


def test_two_coupled_draws_are_the_pairs_of_disarm() -> None:
    """`1 / (1 - rho) = sigmoid(|a|)`, the factor of Dong et al. 2020, equation 7."""
    logits = jnp.array([[-3.0, -0.2, 0.0, 1.5]])
    _, rho = coupled_bits(jax.random.key(0), logits, 2)
    np.testing.assert_allclose(1 / (1 - rho), jax.nn.sigmoid(jnp.abs(logits)), rtol=1e-5)


def test_the_chance_that_two_coupled_bits_coincide_is_the_integral_of_the_dirichlet() -> None:
    """P(both rarer) for n = 4 and t = .4, from the density `(n-1)(n-2) (1 - x - y)^(n-3)` of two coordinates."""
    t, n = 0.4, 4
    a = 1 - t ** (1 / (n - 1))
    both, _ = integrate.dblquad(lambda y, x: (n - 1) * (n - 2) * (1 - x - y) ** (n - 3), a, 1 - a, a, lambda x: 1 - x)
    with jax.enable_x64(True):
        _, rho = coupled_bits(jax.random.key(0), jnp.log(jnp.array([[t / (1 - t)]])), n)
    np.testing.assert_allclose(rho[0, 0], (both - t**2) / (t * (1 - t)), rtol=1e-7)


def test_bits_of_a_digit_make_its_probabilities() -> None:
    shares = jax.nn.log_softmax(jnp.array([[0.3, -1.0, 2.0, 0.1]]))
    p = np.asarray(jax.nn.sigmoid(bit_logits(shares)))[0]
    made = [p[0], (1 - p[0]) * p[1], (1 - p[0]) * (1 - p[1]) * p[2], np.prod(1 - p)]
    np.testing.assert_allclose(made, np.exp(shares[0]), rtol=1e-5)


@pytest.mark.parametrize("size", [1e2, 1e3])
def test_confident_posteriors_keep_gradients_finite(size: float) -> None:
    logits = jnp.array([size, 0.0, -size, 1.0])
    for estimator in (Arms(3), LocalExpectation(), SumAndSample(2), UnorderedSet(3)):
        value, slope = jax.value_and_grad(value_of(estimator, Categorical, jax.random.key(2)))(logits)
        assert np.isfinite(value)
        assert np.isfinite(slope).all(), estimator


def test_bad_settings_and_latents_are_told() -> None:
    small, large = Categorical(jnp.zeros(3)), Bernoulli(jnp.zeros(40))
    for make, setting in ((UnorderedSet, 1), (UnorderedSet, 9), (SumAndSample, 0), (Arms, 1)):
        with pytest.raises(UsageError, match=r"draws|listed"):
            make(setting)
    for estimator in (UnorderedSet(4), SumAndSample(3)):
        with pytest.raises(UsageError, match="Use Enumeration"):
            estimator.check(small, 1)
        with pytest.raises(UsageError, match="too many to list"):
            estimator.check(large, 1)
    for estimator in (UnorderedSet(2), SumAndSample(2)):
        with pytest.raises(UsageError, match="one draw"):
            estimator.check(small, 4)
