"""Densities of the exponential families against SciPy, enumeration and quadrature."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from beartype import beartype
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError, jaxtyped

from tacit.distributions import Bernoulli, Product


def member(stack: Any, j: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[j], stack)


def patterns(d: int) -> np.ndarray:
    """All patterns of present cells, or the 24 first of a shuffle that begins with the complete and the empty one."""
    every = np.array(list(itertools.product([True, False], repeat=d)))
    inner = np.random.default_rng(1).permutation(every[1:-1])
    return np.concatenate([every[:1], every[-1:], inner])[:24]


@eqx.filter_jit
def log_probs(stack: Any, rows: Any, seen: Any) -> Any:
    """(k, n)"""
    return jax.vmap(lambda f: jax.vmap(f.log_prob)(rows, seen))(stack)


@eqx.filter_jit
def dots(stack: Any, rows: Any, seen: Any, change: Any = 0.0) -> Any:
    """Statistics · coefficients + log base measure after `marginal`, (k, n)."""

    def one(family: Any, y: Any, o: Any) -> Any:
        present = family.marginal(o)
        return (present.coefficients() + change) @ family.statistics(y, o) + family.log_base(y, o)

    return jax.vmap(lambda f: jax.vmap(lambda y, o: one(f, y, o))(rows, seen))(stack)


def crossed(oracle: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two rows of each member under every pattern, 0 in the missing cells."""
    rows, seen = oracle.draw(np.random.default_rng(2), 2), patterns(oracle.d)
    rows, seen = np.repeat(rows, len(seen), 0), np.tile(seen, (len(rows), 1))
    return np.where(seen, rows, 0.0), seen


def test_log_prob_equals_scipy_under_every_pattern(oracle: Any) -> None:
    rows, seen = crossed(oracle)
    expected = [[oracle.log_prob(j, y, o) for y, o in zip(rows, seen, strict=True)] for j in range(oracle.k)]
    np.testing.assert_allclose(log_probs(oracle.family(), rows, seen), expected, rtol=1e-11, atol=1e-11)
    holes = np.where(seen, rows, np.nan)  # the values of missing cells do not matter to log_prob
    np.testing.assert_allclose(log_probs(oracle.family(), holes, seen), expected, rtol=1e-11, atol=1e-11)


def test_log_prob_of_a_complete_row_needs_no_pattern(oracle: Any) -> None:
    rows = oracle.draw(np.random.default_rng(3), 4)
    for j in range(oracle.k):
        expected = [oracle.log_prob(j, y, np.ones(oracle.d, bool)) for y in rows]
        found = jax.vmap(member(oracle.family(), j).log_prob)(rows)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_dot_product_is_log_prob(oracle: Any) -> None:
    rows, seen = crossed(oracle)
    stack = oracle.family()
    np.testing.assert_allclose(dots(stack, rows, seen), log_probs(stack, rows, seen), rtol=0, atol=1e-10)


def test_dot_product_test_sees_a_small_error_in_any_coefficient(oracle: Any) -> None:
    """The mutant: each coefficient in turn 1e-6 off."""
    rows = oracle.draw(np.random.default_rng(4), 20)
    seen = np.ones(rows.shape, bool)
    stack = oracle.family()
    right = log_probs(stack, rows, seen)
    t = member(stack, 0).coefficients().shape[0]
    error = jax.vmap(lambda change: jnp.max(jnp.abs(dots(stack, rows, seen, change) - right)))(1e-6 * jnp.eye(t))
    assert np.min(error) > 1e-7


def moved(stack: Any, offset: float) -> tuple[Any, np.ndarray]:
    """The stack with its locations moved, and how far each column went."""
    if hasattr(stack, "blocks"):
        blocks, shifts = zip(*(moved(block, offset) for block in stack.blocks), strict=True)
        return Product(blocks), np.concatenate(shifts)
    if not hasattr(stack, "loc"):
        return stack, np.zeros(stack.n_columns)
    return eqx.tree_at(lambda f: f.loc, stack, stack.loc + offset), np.full(stack.n_columns, offset)


def test_rounding_is_the_error_of_the_dot_product(oracle: Any) -> None:
    """Far from 0, in units of the spread, the terms of the dot product cancel."""
    stack, shift = moved(oracle.family(), 1e5)
    rows = oracle.draw(np.random.default_rng(4), 20) + shift
    seen = np.ones(rows.shape, bool)
    error = np.abs(dots(stack, rows, seen) - log_probs(stack, rows, seen)).max(1)
    estimate = np.finfo(float).eps * np.array([float(member(stack, j).rounding()) for j in range(oracle.k)])
    assert (error < 10 * estimate + 1e-12).all()
    assert (error > 1e-3 * estimate).all() or not shift.any()


def test_sums_to_one(kind: Any) -> None:
    for columns in (1, 2) if not hasattr(kind, "kinds") else (1,):
        oracle = kind(np.random.default_rng(5), 2, columns)
        for j in range(oracle.k):
            points, weights = oracle.grid(j)
            density = jnp.exp(jax.jit(jax.vmap(member(oracle.family(), j).log_prob))(points))
            assert float(density @ weights) == pytest.approx(1.0, abs=1e-10)


def test_sample_has_the_moments(oracle: Any) -> None:
    n = 20_000
    for j in range(oracle.k):
        rows = jax.jit(jax.vmap(member(oracle.family(), j).sample))(jax.random.split(jax.random.key(j), n))
        assert rows.shape == (n, oracle.d)
        assert rows.dtype == float
        mean, covariance = oracle.moments(j)
        residual = oracle.features(np.asarray(rows)) - mean
        assert (np.abs(residual.mean(0)) < 5 * np.sqrt(np.diag(covariance) / n)).all()
        products = residual[:, :, None] * residual[:, None, :]
        error = np.abs(products.mean(0) - covariance)
        assert (error <= 5 * products.std(0) / np.sqrt(n) + 1e-12).all()


def test_gradient_is_the_central_difference(oracle: Any) -> None:
    rows, seen = crossed(oracle)
    stack = oracle.family()

    @jax.jit
    def total(stack: Any) -> Any:
        return jnp.mean(log_probs(stack, rows, seen))

    rng = np.random.default_rng(6)
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), stack)
    step = lambda h: jax.tree.map(lambda leaf, u: leaf + h * u, stack, direction)  # noqa: E731
    difference = (total(step(1e-5)) - total(step(-1e-5))) / 2e-5
    gradient = jax.jit(jax.grad(total))(stack)
    slope = sum(np.sum(g * u) for g, u in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True))
    assert float(slope) == pytest.approx(float(difference), rel=1e-6, abs=1e-6)


def test_compiled_and_stacked_equals_one_by_one(oracle: Any) -> None:
    rows, seen = crossed(oracle)
    stack = oracle.family()
    together = log_probs(stack, rows[:3], seen[:3])
    for j, i in itertools.product(range(oracle.k), range(3)):
        alone = member(stack, j).log_prob(jnp.asarray(rows[i]), jnp.asarray(seen[i]))
        np.testing.assert_allclose(alone, together[j, i], rtol=1e-12, atol=1e-12)


def test_single_precision_stays_single(oracle: Any) -> None:
    family = jax.tree.map(lambda leaf: leaf[0].astype(jnp.float32), oracle.family())
    row = jnp.asarray(oracle.draw(np.random.default_rng(7), 1)[0], jnp.float32)
    seen = jnp.arange(oracle.d) > 0
    statistics = family.statistics(row * seen, seen)
    results = [
        family.log_prob(row),
        family.log_prob(row, seen),
        statistics,
        family.coefficients(),
        family.centre(row * seen, seen),
        family.complete(seen, family.recentre(statistics), family.marginal(seen).coefficients()),
        family.embed(row * seen, seen),
        family.sample(jax.random.key(0)),
    ]
    assert {result.dtype for result in results} == {jnp.dtype(jnp.float32)}


def checked(family: Any, name: str) -> Any:
    """The method with the shapes and types of its annotations checked."""
    return jaxtyped(typechecker=beartype)(getattr(type(family), name)).__get__(family)


def test_annotations_hold(oracle: Any) -> None:
    family = member(oracle.family(), 0)
    row, seen = jnp.asarray(oracle.draw(np.random.default_rng(8), 1)[0]), jnp.arange(oracle.d) > 0
    row = row * seen
    statistics = checked(family, "statistics")(row, seen)
    eta = checked(family, "coefficients")()
    assert statistics.shape == eta.shape
    centred = checked(family, "recentre")(statistics)
    assert checked(family, "complete")(seen, centred, eta).shape == statistics.shape
    assert checked(family, "centre")(row, seen).shape == (oracle.d,)
    assert checked(family, "embed")(row, seen).ndim == 1
    assert checked(family, "log_density")(row, seen).shape == ()
    assert jnp.shape(checked(family, "log_base")(row, seen)) == ()
    assert jnp.shape(checked(family, "rounding")()) == ()
    assert checked(family, "sample")(jax.random.key(0)).shape == (family.n_columns,) == (oracle.d,)


def test_annotation_check_has_power(double: None) -> None:
    family = Bernoulli(jnp.zeros(2))
    with pytest.raises((TypeCheckError, BeartypeCallHintViolation)):
        checked(family, "statistics")(jnp.ones(3), jnp.ones(2, bool))
