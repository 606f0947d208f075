"""Limits of scales and locations against NumPy in float64; the mean and the CRPS of log-normals that have them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from tacit.distributions.predictive import LogNormalMixturePrediction
from tacit.models import DiagonalFamily, FullFamily
from tacit.models.limits import location, log_scale
from tacit.networks import Fixed

RAW = np.array([-1e9, -90.0, -20.0, -3.0, -0.5, 0.0, 0.5, 3.0, 20.0, 90.0, 1e9])
FLOOR, CEILING, REACH = np.array([0.01, 0.2]), np.array([1.0, 3.0]), np.array([4.0, 6.0])


def fixed(values: Any) -> Fixed:
    return Fixed(jnp.asarray(values, jnp.float32))


LIMITED = (fixed(FLOOR), fixed(CEILING), fixed(REACH))


@pytest.mark.parametrize("ceiling", [0.5, 1.0, 30.0])
def test_scales_lie_between_floor_and_ceiling(ceiling: float) -> None:
    found = np.asarray(jax.vmap(lambda r: log_scale(r[None], jnp.array([0.01]), jnp.array([ceiling]))[0])(RAW), float)
    with np.errstate(over="ignore"):
        expected = 0.01 + 1 / (np.exp(-RAW) + 1 / (ceiling - 0.01))
    assert_allclose(np.exp(found), expected, rtol=2e-6)
    assert np.all(np.diff(found) >= -1e-6)


def test_a_scale_far_below_its_ceiling_is_as_without_one() -> None:
    raw = jnp.linspace(-8.0, -3.0, 7)
    free, held = (log_scale(raw, jnp.full(7, 0.01), one) for one in (None, jnp.full(7, 30.0)))
    assert_allclose(held, free, atol=2e-3)


def test_locations_are_themselves_within_reach_and_no_further() -> None:
    raw = np.concatenate([RAW, np.linspace(-12, 12, 49)])
    found = np.asarray(location(jnp.asarray(raw, jnp.float32), jnp.full(len(raw), 10.0)), float)
    near = np.abs(raw) <= 10
    # off by a softplus of how far inside the reach they are, and that is all
    expected = raw[near] - np.logaddexp(0, raw[near] - 10) + np.logaddexp(0, -raw[near] - 10)
    assert_allclose(found[near], expected, atol=3e-6)
    assert np.all(np.abs(found) <= 10 + 1e-5)
    assert_allclose(found[np.abs(raw) > 50], 10 * np.sign(raw[np.abs(raw) > 50]), rtol=1e-6)
    free = location(jnp.asarray(raw, jnp.float32), jnp.full(len(raw), 1e30))
    assert_allclose(free, raw.astype(np.float32))


@pytest.mark.parametrize("size", [0.1, 1.0, 30.0, 1e4])
def test_no_scale_of_a_full_covariance_is_above_its_ceiling(size: float) -> None:
    family = FullFamily(*LIMITED)
    for key in jax.random.split(jax.random.key(3), 20):
        normal = family(size * jax.random.normal(key, (family.width,)))
        factor = np.tril(np.asarray(normal.raw, float), -1) + np.diag(
            np.exp(np.diagonal(np.asarray(normal.raw, float)))
        )
        scales = np.sqrt(np.diag(factor @ factor.T))
        assert np.all(scales <= CEILING * (1 + 1e-5))
        assert np.all(np.diag(factor) >= FLOOR * (1 - 1e-5))
        assert np.all(np.abs(normal.loc) <= REACH * (1 + 1e-5))


def test_a_full_covariance_far_below_its_ceiling_is_as_without_one() -> None:
    raw = 0.05 * jax.random.normal(jax.random.key(4), (5,)) + jnp.array([0.0, 0.0, -4.0, -4.0, 0.0])
    free, held = FullFamily(fixed([0.01, 0.01]))(raw), FullFamily(fixed([0.01, 0.01]), fixed([30.0, 30.0]))(raw)
    assert_allclose(held.raw, free.raw, atol=2e-3)


@pytest.mark.parametrize("kind", [DiagonalFamily, FullFamily])
def test_gradients_at_both_ends_are_finite(kind: Any) -> None:
    family = kind(*LIMITED)

    def density(raw: Any) -> Any:
        return family(raw).log_prob(jnp.array([0.3, -0.2]))

    for size in (0.0, -1e4, 1e4, 1e8):
        value, slope = eqx.filter_value_and_grad(density)(jnp.full(family.width, size))
        assert np.isfinite(value)
        assert np.isfinite(slope).all()


def log_normals(limited: bool) -> LogNormalMixturePrediction:
    """A good component, and one of weight 1e-4 whose numbers ran off, of a target whose logarithm has s.d. 2."""
    family = DiagonalFamily(fixed([0.003]), *((fixed([1.0]), fixed([5.0])) if limited else ()))
    stack = jax.vmap(family)(jnp.array([[0.5, -1.5], [12.0, 2.3]]))
    loc, scale = (np.asarray(a, float)[:, 0] for a in (stack.loc, jnp.exp(stack.log_scale)))
    return LogNormalMixturePrediction(np.log([[1 - 1e-4, 1e-4]]), loc[None], scale[None], center=0.5, scale=2.0)


def test_mean_and_crps_of_limited_log_normals_against_quadrature() -> None:
    p, seen = log_normals(limited=True), 4.0
    weights, mu = np.exp(p.log_weights[0]), p.center + p.scale * p.means[0]
    parts = [stats.norm(m, s) for m, s in zip(mu, p.scale * p.scales[0], strict=True)]

    def cdf(u: float) -> float:
        return float(sum(w * part.cdf(u) for w, part in zip(weights, parts, strict=True)))

    def density(u: float) -> float:
        return float(sum(w * part.pdf(u) for w, part in zip(weights, parts, strict=True)))

    cuts = [-8.0, 0.0, np.log(seen), 3.0, 8.0, 12.0, 20.0, 45.0]

    def integral(f: Any) -> float:
        found = [integrate.quad(f, *ends, epsabs=0, epsrel=1e-9, limit=200)[0] for ends in pairwise(cuts)]
        return float(sum(found))

    def gap(u: float) -> float:
        survival = sum(w * part.sf(u) for w, part in zip(weights, parts, strict=True))
        return float(np.exp(u) * (survival if u >= np.log(seen) else cdf(u)) ** 2)

    assert_allclose(p.mean(), integral(lambda u: np.exp(u) * density(u)), rtol=1e-6)
    assert_allclose(p.crps(seen), integral(gap), rtol=1e-6)
    assert p.mean()[0] < 1e3  # a component of weight 1e-4 may move it that far
    assert p.crps(seen)[0] < 4.0  # no worse than the point 0


def test_without_limits_the_same_numbers_are_absurd() -> None:
    p = log_normals(limited=False)
    assert p.mean()[0] > 1e50
    assert p.crps(4.0)[0] > 1e40
