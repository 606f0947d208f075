"""The M-step of the exponential families against weighted estimates made by NumPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.distributions import (
    Bernoulli,
    CategoricalColumns,
    DiagonalNormal,
    MultivariateNormal,
    Poisson,
    SphericalNormal,
    TiedMultivariateNormal,
)


def sums(stack: Any, rows: Any, weights: Any, seen: Any = None) -> Any:
    """Weighted statistics (k, t) about 0."""
    seen = jnp.ones(rows.shape, bool) if seen is None else jnp.asarray(seen)
    return jnp.asarray(weights).T @ jax.vmap(stack.statistics)(jnp.where(seen, rows, 0.0), seen)


def centred_sums(stack: Any, rows: Any, weights: Any, seen: Any) -> Any:
    """Weighted statistics (k, t), each member's about its own location, row by row."""

    def one(family: Any, w: Any) -> Any:
        return w @ jax.vmap(family.statistics)(jax.vmap(family.centre)(jnp.where(seen, rows, 0.0), seen), seen)

    return jax.vmap(one)(stack, jnp.asarray(weights).T)


def none(regularise: Any) -> Any:
    return jax.tree.map(lambda r: 0.0 * r, regularise)


def rows_and_weights(oracle: Any) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(10)
    rows = oracle.draw(rng, 20)
    return rows, rng.dirichlet(np.ones(oracle.k), len(rows)) * rng.uniform(0.5, 3, (len(rows), 1))


def holes(oracle: Any, n: int) -> np.ndarray:
    """Cells at random where columns are independent; jointly modelled ones stay complete."""
    seen = np.random.default_rng(11).random((n, oracle.d)) < 0.7
    seen[:, list(oracle.family().pattern_columns)] = True
    return seen


def assert_same(found: Any, expected: Any, rtol: float = 1e-10) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("regularised", [True, False])
def test_maximise_is_the_weighted_estimate(oracle: Any, complete: bool, regularised: bool) -> None:
    rows, weights = rows_and_weights(oracle)
    seen = np.ones(rows.shape, bool) if complete else holes(oracle, len(rows))
    r = oracle.regularise if regularised else none(oracle.regularise)
    stack = oracle.family()
    fitted = stack.maximise(sums(stack, rows, weights, seen), r, centred=False)
    assert_same(oracle.read(fitted), oracle.estimate(rows, weights, seen, r))


def test_integer_weights_are_repeated_rows(oracle: Any) -> None:
    rng = np.random.default_rng(12)
    rows = oracle.draw(rng, 20)
    owner = np.repeat(np.arange(oracle.k), 20)
    times = rng.integers(0, 4, len(rows))
    weights = np.eye(oracle.k)[owner] * times[:, None]
    stack, r = oracle.family(), none(oracle.regularise)
    fitted = stack.maximise(sums(stack, rows, weights), r, centred=False)
    repeated = np.repeat(rows, times, 0)
    ones = np.eye(oracle.k)[np.repeat(owner, times)]
    assert_same(oracle.read(fitted), oracle.estimate(repeated, ones, np.ones(repeated.shape, bool), r))


def test_gradient_of_the_expected_log_likelihood_is_zero_at_the_maximum(oracle: Any) -> None:
    rows, weights = rows_and_weights(oracle)
    stack = oracle.family()
    statistics = sums(stack, rows, weights, holes(oracle, len(rows)))

    def expected(stack: Any) -> Any:
        return jnp.sum(jax.vmap(lambda f: f.coefficients())(stack) * statistics)

    fitted = stack.maximise(statistics, none(oracle.regularise), centred=False)
    before, after = (oracle.free(jax.jit(jax.grad(expected))(s)) for s in (stack, fitted))
    for slope, zero in zip(before, after, strict=True):
        assert np.abs(slope).max() > 0.1
        assert np.abs(zero).max() < 1e-9 * weights.sum()
    assert expected(fitted) > expected(stack)


def test_regularised_counts_maximise_the_log_likelihood_with_pseudo_rows(double: None) -> None:
    """Pseudo-rows are a conjugate prior: gradient 0 of the penalised objective, so EM with them is monotone."""
    statistics = jnp.array([[3.0, 0.0, 7.0, 5.0], [0.0, 0.0, 2.0, 4.0]])
    r = 0.3
    rate = (jnp.array([3.0, 0.0]) + r) / (jnp.array([9.0, 9.0]) + r)
    for fitted, prior in [
        (Poisson(jnp.zeros((2, 2))), jnp.concatenate([r * rate, jnp.full(2, r)])),
        (Bernoulli(jnp.zeros((2, 2))), jnp.array([r / 2, r / 2, r, r])),
    ]:
        best = fitted.maximise(statistics, r, centred=False)
        total = lambda s, p=prior: jnp.sum(jax.vmap(lambda f: f.coefficients())(s) * (statistics + p))  # noqa: E731
        for leaf in jax.tree.leaves(jax.grad(total)(best)):
            np.testing.assert_allclose(leaf, 0.0, atol=1e-12)


def test_centred_path_equals_the_other(oracle: Any) -> None:
    rows, weights = rows_and_weights(oracle)
    stack = oracle.family()
    seen = jnp.asarray(holes(oracle, len(rows)))
    about_zero = sums(stack, rows, weights, seen)
    about_loc = centred_sums(stack, rows, weights, seen)
    turned = jax.vmap(lambda family, s: family.recentre(s))(stack, about_zero)
    np.testing.assert_allclose(turned, about_loc, rtol=1e-11, atol=1e-11)
    one = stack.maximise(about_zero, oracle.regularise, centred=False)
    other = stack.maximise(about_loc, oracle.regularise, centred=True)
    assert_same(oracle.read(one), oracle.read(other))


def test_centred_path_keeps_its_digits_far_from_zero(normal_kind: Any) -> None:
    oracle = normal_kind(np.random.default_rng(13), 2, 2)
    oracle.means += 1e9
    rows, weights = rows_and_weights(oracle)
    stack, seen = oracle.family(), jnp.ones(rows.shape, bool)
    fitted = stack.maximise(centred_sums(stack, rows, weights, seen), oracle.regularise, centred=True)
    near = oracle.estimate(rows - 1e9, weights, np.ones(rows.shape, bool), oracle.regularise)
    # means of 1e9 end in steps of 1e-7
    np.testing.assert_allclose(fitted.loc - 1e9, near[0], atol=1e-6)
    np.testing.assert_allclose(oracle.read(fitted)[1], near[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("centred", [True, False])
def test_empty_component_stays_finite(oracle: Any, centred: bool) -> None:
    rows, weights = rows_and_weights(oracle)
    weights[:, 1] = 0.0
    stack, seen = oracle.family(), jnp.ones(rows.shape, bool)
    statistics = (centred_sums if centred else sums)(stack, rows, weights, seen)
    fitted = stack.maximise(statistics, oracle.regularise, centred=centred)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted))
    weights[:, 1] = 1e-13  # NumPy's estimate has no value at 0
    expected = oracle.estimate(rows, weights, np.asarray(seen), oracle.regularise)
    others = np.array([0, 2])
    assert_same([leaf[others] for leaf in oracle.read(fitted)], [leaf[others] for leaf in expected])


@pytest.mark.parametrize("family", [DiagonalNormal, SphericalNormal])
def test_constant_column_far_from_zero_keeps_the_floor(family: Any, double: None) -> None:
    """Rounding leaves E[y^2] - m^2 below zero, by more than the floor."""
    rows = jnp.full((300, 1), 1e8 + 0.1)
    stack = family(jnp.zeros((1, 1)), jnp.zeros((1, 1)))
    statistics = sums(stack, rows, jnp.full((300, 1), 0.1))
    second, first, mass = statistics[0]
    assert second / mass - (first / mass) ** 2 < -1e-6
    fitted = stack.maximise(statistics, jnp.array([1e-6]), centred=False)
    np.testing.assert_allclose(fitted.variance, 1e-6, rtol=1e-6)


def test_impossible_outcomes_have_a_finite_estimate(double: None) -> None:
    """Without pseudo-rows a zero count gives log-probability log(tiny), and what never occurs costs nothing."""
    ones = Bernoulli(jnp.zeros((1, 2))).maximise(jnp.array([[5.0, 0.0, 5.0, 5.0]]), 0.0, centred=False)
    codes = CategoricalColumns(jnp.zeros((1, 1, 3))).maximise(jnp.array([[2.0, 2.0, 0.0]]), 0.0, centred=False)
    counts = Poisson(jnp.zeros((1, 1))).maximise(jnp.array([[0.0, 4.0]]), 0.0, centred=False)
    for stack, usual, value, odd in [
        (ones, [1.0, 0.0], 0.0, [0.0, 0.0]),
        (codes, [0.0], np.log(0.5), [2.0]),
        (counts, [0.0], 0.0, [1.0]),
    ]:
        family = jax.tree.map(lambda leaf: leaf[0], stack)
        seen = jnp.ones(family.n_columns, bool)
        for row in (jnp.array(usual), jnp.array(odd)):
            dot = family.coefficients() @ family.statistics(row, seen) + family.log_base(row, seen)
            np.testing.assert_allclose(family.log_prob(row), dot, rtol=1e-14)
        np.testing.assert_allclose(family.log_prob(jnp.array(usual)), value, atol=1e-15)
        assert -720 < float(family.log_prob(jnp.array(odd))) < -700


def test_n_parameters(oracle: Any) -> None:
    assert oracle.family().n_parameters() == oracle.n_parameters()


def test_n_parameters_by_hand(double: None) -> None:
    """Three components over three columns, or over one column of four levels."""
    assert MultivariateNormal(jnp.zeros((3, 3)), jnp.zeros((3, 3, 3))).n_parameters() == 27
    assert TiedMultivariateNormal(jnp.zeros((3, 3)), jnp.zeros((3, 3, 3))).n_parameters() == 15
    assert DiagonalNormal(jnp.zeros((3, 3)), jnp.zeros((3, 3))).n_parameters() == 18
    assert SphericalNormal(jnp.zeros((3, 3)), jnp.zeros((3, 1))).n_parameters() == 12
    assert Poisson(jnp.zeros((3, 3))).n_parameters() == 9
    assert CategoricalColumns(jnp.zeros((3, 2, 4))).n_parameters() == 18
