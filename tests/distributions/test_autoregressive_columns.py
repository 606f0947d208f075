"""Columns one after the other: a density that integrates to one, whose factors look back only, with draws of it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tacit._errors import UsageError
from tacit.distributions.autoregressive_columns import AutoregressiveColumns
from tacit.models.autoregressive_table import AutoregressiveTable

KEY = jax.random.key(0)


def density(floor: list[float], n_binary: int, levels: tuple[int, ...], means: list[float]) -> AutoregressiveColumns:
    """With weights large enough that columns depend on one another."""
    log_means = np.log(np.array(means, float)) if means else np.zeros(0)
    table = AutoregressiveTable.init(KEY, np.array(floor), n_binary, levels, log_means, (16,), n_modes=3)
    return jax.tree.map(lambda a: 2.0 * a if a.ndim == 2 else a, table)(None)


def test_it_integrates_to_one_over_numbers_bits_and_codes() -> None:
    family = density([0.05], 1, (3,), [])
    grid = np.linspace(-40, 40, 8001)
    log_p = jax.jit(jax.vmap(family.log_prob))
    total = 0.0
    for bit in (0.0, 1.0):
        for code in (0.0, 1.0, 2.0):
            rows = jnp.stack([jnp.asarray(grid), jnp.full(grid.shape, bit), jnp.full(grid.shape, code)], axis=1)
            total += np.trapezoid(np.exp(np.asarray(log_p(rows), np.float64)), grid)
    assert total == pytest.approx(1.0, abs=1e-4)


def test_bits_alone_and_counts_sum_to_one() -> None:
    bits = density([], 4, (), [])
    states = jnp.asarray(np.arange(16)[:, None] >> np.arange(4) & 1, jnp.float32)
    assert float(jnp.exp(jax.vmap(bits.log_prob)(states)).sum()) == pytest.approx(1.0, abs=1e-5)
    counts = density([], 1, (), [2.0])
    rows = jnp.stack([a.ravel() for a in jnp.meshgrid(jnp.arange(2.0), jnp.arange(120.0))], axis=1)
    assert float(jnp.exp(jax.vmap(counts.log_prob)(rows)).sum()) == pytest.approx(1.0, abs=1e-5)


def test_a_factor_depends_on_the_columns_before_it_and_on_itself() -> None:
    family = density([0.1, 0.1], 2, (3,), [2.0])
    event = jnp.array([0.3, -0.5, 1.0, 0.0, 2.0, 4.0])
    factors = np.asarray(family.factors(event))
    others = [1.1, 0.7, 0.0, 1.0, 0.0, 1.0]
    for j, value in enumerate(others):
        moved = np.asarray(family.factors(event.at[j].set(value)))
        assert np.array_equal(moved[:j], factors[:j])
        assert np.all(moved[j + 1 :] != factors[j + 1 :])
    assert float(family.log_prob(event)) == pytest.approx(factors.sum(), rel=1e-6)


def test_draws_have_the_density() -> None:
    family = density([0.1], 1, (3,), [2.0])
    n = 20_000
    drawn = np.asarray(jax.jit(jax.vmap(family.sample))(jax.random.split(jax.random.key(1), n)))
    assert drawn.shape == (n, 4)

    def of_first(x: jax.Array) -> jax.Array:
        return family.factors(jnp.array([0.0, 0.0, 0.0, 0.0]).at[0].set(x))[0]

    grid = np.linspace(-15, 15, 6001)
    shares = np.exp(np.asarray(jax.jit(jax.vmap(of_first))(jnp.asarray(grid)), np.float64))
    cdf = np.cumsum(shares) * (grid[1] - grid[0])
    assert stats.kstest(drawn[:, 0], lambda x: np.interp(x, grid, cdf)).pvalue > 1e-4
    factors = jax.jit(jax.vmap(family.factors))
    for place, value in ((1, 1.0), (2, 0.0), (2, 2.0), (3, 0.0), (3, 2.0)):
        there = drawn.copy()
        there[:, place] = value
        expected = np.exp(np.asarray(factors(jnp.asarray(there)), np.float64)[:, place])
        observed = drawn[:, place] == value
        error = np.sqrt(np.mean(expected * (1 - expected)) / n) + 1e-6
        assert abs(observed.mean() - expected.mean()) < 5 * error
        hot = expected > np.median(expected)  # and given what came before
        error = np.sqrt(np.mean((expected * (1 - expected))[hot]) / hot.sum()) + 1e-6
        assert not hot.any() or abs(observed[hot].mean() - expected[hot].mean()) < 5 * error


def test_missing_cells_are_refused() -> None:
    family = density([], 3, (), [])
    with pytest.raises(UsageError, match="missing"):
        family.log_prob(jnp.zeros(3), jnp.ones(3, bool))
