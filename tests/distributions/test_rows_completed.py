"""Rows that each lack other cells, completed together, against rows completed one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.distributions import MultivariateNormal, _sweep


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@eqx.filter_jit
def completed(stack: Any, rows: Any, seen: Any, missing: Any, responsibilities: Any) -> tuple[Any, Any]:
    found = stack.completer()(rows, seen, missing)
    return found.log_density, found.sums(responsibilities)


def lacking(seen: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
    """Of each row the columns that it lacks, the number of columns where it lacks fewer."""
    n, d = seen.shape
    places = np.full((n, max(len(columns), 1)), d)
    for i, row in enumerate(seen):
        gone = [j for j in columns if not row[j]]
        places[i, : len(gone)] = gone
    return places


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_densities_and_sums_equal_those_row_by_row(oracle: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = oracle.draw(rng, 4)
    seen = rng.random((len(rows), oracle.d)) < 0.6
    seen[0], seen[1] = True, False
    responsibilities = rng.uniform(0.0, 1.0, (len(rows), oracle.k))
    columns = jax.tree.map(lambda leaf: leaf[0], oracle.family()).pattern_columns
    stack, missing = oracle.family(), lacking(seen, columns)
    density, sums = completed(stack, np.where(seen, rows, 0.0), seen, missing, responsibilities)
    for j in range(oracle.k):
        expected = [oracle.log_prob(j, y, o) for y, o in zip(rows, seen, strict=True)]
        np.testing.assert_allclose(density[:, j], expected, rtol=1e-11, atol=1e-11)
        statistics = np.stack([oracle.expected_statistics(j, y, o) for y, o in zip(rows, seen, strict=True)])
        total = responsibilities[:, j] @ statistics
        np.testing.assert_allclose(sums[j], total, rtol=1e-11, atol=1e-11 * np.abs(total).max())


@pytest.mark.parametrize("columns", [0, 3, 8, 11])
def test_swept_matrices_are_inverted(columns: int) -> None:
    rng = np.random.default_rng(columns)
    p, n = 12, 5
    a = np.tile(np.eye(p)[:, :, None], (1, 1, n))
    for i in range(n):
        root = rng.normal(size=(columns, columns))
        a[:columns, :columns, i] = root @ root.T + np.eye(columns)
    inverse, log_det = jax.jit(_sweep.invert)(jnp.asarray(a), columns)
    for i in range(n):
        part = a[:columns, :columns, i]
        np.testing.assert_allclose(inverse[:columns, :columns, i], np.linalg.inv(part), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(log_det[i], np.linalg.slogdet(part)[1], rtol=1e-12, atol=1e-12)


def test_nearly_equal_columns_cost_no_more_digits_than_their_condition() -> None:
    """Two columns apart by 1e-4 of their spread, both missing: the error is eps times the variance inflation."""
    apart = 1e-8
    covariance = np.array([[1.0, 1.0, 0.5], [1.0, 1.0 + apart, 0.5], [0.5, 0.5, 1.0]])
    stack = MultivariateNormal.from_covariance(jnp.zeros((1, 3)), jnp.asarray(covariance)[None])
    seen, missing = np.array([[False, False, True]]), np.array([[0, 1]])
    _, sums = completed(stack, np.array([[0.0, 0.0, 2.0]]), seen, missing, np.ones((1, 1)))
    slopes = covariance[:2, 2] / covariance[2, 2]
    second = covariance[:2, :2] - np.outer(slopes, slopes) * covariance[2, 2] + np.outer(2 * slopes, 2 * slopes)
    np.testing.assert_allclose(sums[0, [0, 1, 3]], second[np.triu_indices(2)], rtol=4 * np.finfo(float).eps / apart)
