"""Normal, log-normal and zero-inflated predictions against SciPy, quadrature, grids and Monte Carlo."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from tacit.distributions.predictive import (
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    ZeroInflatedPrediction,
)

rng = np.random.default_rng(7)
N, K = 6, 3
LOG_WEIGHTS = rng.normal(size=(N, K))
MEANS = 2.0 * rng.normal(size=(N, K))
SCALES = np.exp(rng.normal(size=(N, K)) - 0.5)
LOG_WEIGHTS[1, 0] = -np.inf
WEIGHTS = np.exp(LOG_WEIGHTS) / np.exp(LOG_WEIGHTS).sum(axis=1, keepdims=True)
P = np.array([0.0, 0.2, 0.5, 0.75, 0.95, 1.0])

NORMAL = NormalMixturePrediction(LOG_WEIGHTS, MEANS, SCALES, center=-3.0, scale=2.5)
LOG_NORMAL = LogNormalMixturePrediction(LOG_WEIGHTS, MEANS, SCALES, center=1.0, scale=0.4)
ZERO_INFLATED = ZeroInflatedPrediction(LOG_NORMAL, P)
CONTINUOUS = [pytest.param(NORMAL, id="normal"), pytest.param(LOG_NORMAL, id="log-normal")]
ALL = [*CONTINUOUS, pytest.param(ZERO_INFLATED, id="zero-inflated")]


def components(prediction, i):
    """SciPy's weights and frozen distributions of row i."""
    if isinstance(prediction, LogNormalMixturePrediction):
        return [
            (w, stats.lognorm(0.4 * s, scale=math.exp(1.0 + 0.4 * m)))
            for w, m, s in zip(WEIGHTS[i], MEANS[i], SCALES[i], strict=True)
        ]
    return [(w, stats.norm(-3.0 + 2.5 * m, 2.5 * s)) for w, m, s in zip(WEIGHTS[i], MEANS[i], SCALES[i], strict=True)]


def integrate_between(knots, function, *args):
    return sum(
        integrate.quad(function, a, b, args=args, epsabs=1e-12, limit=400)[0] for a, b in pairwise(np.unique(knots))
    )


@pytest.mark.parametrize("prediction", CONTINUOUS)
def test_moments_cdf_and_density_against_scipy(prediction):
    values = np.array([[-4.0, -0.5, 0.3, 1.0, 2.0, 7.0]])
    cdf, log_prob = prediction.cdf(values), prediction.log_prob(values)
    mean, std = prediction.mean(), prediction.std()
    for i in range(N):
        parts = components(prediction, i)
        expected = sum(w * d.mean() for w, d in parts)
        np.testing.assert_allclose(mean[i], expected, rtol=1e-12)
        np.testing.assert_allclose(std[i] ** 2, sum(w * (d.var() + (d.mean() - expected) ** 2) for w, d in parts))
        np.testing.assert_allclose(cdf[i], sum(w * d.cdf(values[0]) for w, d in parts), rtol=1e-12, atol=1e-300)
        density = sum(w * d.pdf(values[0]) for w, d in parts)
        np.testing.assert_allclose(np.exp(log_prob[i]), density, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("prediction", CONTINUOUS)
def test_density_integrates_to_the_cdf(prediction):
    for row in prediction:
        knots = row.quantile([0.001, 0.3, 0.999])[0]
        area = integrate_between(knots, lambda y, row: math.exp(row.log_prob(y)[0]), row)
        np.testing.assert_allclose(area, 0.998, rtol=1e-7)


@pytest.mark.parametrize("prediction", ALL)
def test_score_against_quadrature(prediction):
    values = np.array([0.4, 2.0, 30.0, -1.0, 0.0, 5.0])
    for row, y, score in zip(prediction, values, prediction.crps(values), strict=True):
        low, high = row.quantile([1e-9, 1 - 1e-9])[0]
        low, high = min(low, y) - 1.0, max(high, y) + 1.0
        knots = np.clip([low, 0.0, y, high, *row.quantile(np.linspace(0.02, 0.98, 25))[0]], low, high)
        expected = integrate_between(knots, lambda t, row, y: (row.cdf(t)[0] - (y <= t)) ** 2, row, y)
        np.testing.assert_allclose(score, expected, rtol=1e-6)


@pytest.mark.parametrize("prediction", ALL)
def test_draws_follow_the_prediction(prediction):
    draws = prediction.sample(20_000, np.random.default_rng(3))
    error = prediction.std() / math.sqrt(draws.shape[1])
    assert np.all(np.abs(draws.mean(axis=1) - prediction.mean()) <= 5 * error)
    for q in (0.1, 0.5, 0.9):
        at = prediction.quantile(q)
        share = (draws <= at[:, None]).mean(axis=1)
        assert np.all(np.abs(share - prediction.cdf(at)) <= 5 * math.sqrt(0.25 / draws.shape[1]))


@pytest.mark.parametrize("prediction", CONTINUOUS)
def test_quantiles_invert_the_cdf(prediction):
    levels = np.array([1e-12, 0.01, 0.3, 0.5, 0.9, 1 - 1e-9])
    np.testing.assert_allclose(prediction.cdf(prediction.quantile(levels)), np.tile(levels, (N, 1)), rtol=1e-12)


mixtures = st.integers(1, 4).flatmap(
    lambda k: st.lists(st.tuples(st.floats(-8, 2), st.floats(-50, 50), st.floats(-6, 3)), min_size=k, max_size=k).map(
        lambda rows: [np.array(column)[None] for column in zip(*rows, strict=True)]
    )
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(mixtures, st.floats(-40, 40))
def test_cdf_rises_and_quantiles_return_where_the_density_is_not_tiny(mixture, u):
    log_weights, means, log_scales = mixture
    p = NormalMixturePrediction(log_weights, means, np.exp(log_scales))
    level = p.cdf(u)[0]
    assert p.cdf(u + 0.1)[0] >= level
    if 1e-6 < level < 1 - 1e-6 and p.log_prob(u)[0] > -10:
        np.testing.assert_allclose(p.quantile(level)[0], u, rtol=1e-10, atol=1e-10)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(mixtures, st.floats(0.05, 0.99), st.sampled_from([0.0, 0.1, 0.5]))
def test_regions_hold_their_coverage_at_one_density_and_are_shortest(mixture, coverage, tilt):
    log_weights, means, log_scales = mixture
    if tilt == 0:
        p = NormalMixturePrediction(log_weights, means, np.exp(log_scales))
    else:
        p = LogNormalMixturePrediction(log_weights, means, np.exp(np.minimum(log_scales, 1.0)), scale=tilt)
    region = p.region(coverage)[0]
    ends = p.cdf(region.reshape(1, -1))[0].reshape(-1, 2)
    np.testing.assert_allclose((ends[:, 1] - ends[:, 0]).sum(), coverage, rtol=1e-8)
    assert np.all(np.diff(region.ravel()) >= 0)
    interval = p.interval(coverage)[0]
    assert np.diff(region, axis=1).sum() <= np.diff(interval)[0] * (1 + 1e-9)
    wide = region[np.diff(region, axis=1)[:, 0] > 1e-6 * np.abs(region).max(axis=1)]
    heights = p.log_prob(wide.reshape(1, -1))[0]
    np.testing.assert_allclose(heights, np.full(heights.shape, heights.mean()), atol=1e-4)


@pytest.mark.parametrize("prediction", CONTINUOUS)
def test_regions_and_modes_against_a_fine_grid(prediction):
    for i in range(N):
        low, high = prediction[i].quantile([1e-5, 1 - 1e-5])[0]
        edges = np.linspace(low, high, 400_001)
        centres, step = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
        density = np.exp(prediction[i].log_prob(centres[None])[0])
        order = np.argsort(-density)
        held = order[: np.searchsorted(np.cumsum(density[order]) * step, 0.8) + 1]
        inside = np.zeros(centres.size + 2, bool)
        inside[1 + held] = True
        change = np.flatnonzero(np.diff(inside))
        region = prediction.region(0.8)[i]
        assert change.size == region.size
        np.testing.assert_allclose(region.ravel(), edges[change], atol=4 * step)
        np.testing.assert_allclose(prediction.mode()[i], centres[order[0]], atol=step)


def test_single_normal_and_log_normal_have_textbook_answers():
    p = NormalMixturePrediction([[0.0]], [[2.0]], [[3.0]])
    np.testing.assert_allclose(p.region(0.95)[0], [stats.norm(2, 3).interval(0.95)], rtol=1e-12)
    np.testing.assert_allclose(p.interval(0.95), [stats.norm(2, 3).interval(0.95)], rtol=1e-12)
    np.testing.assert_allclose(p.mode(), [2.0], rtol=1e-14)
    np.testing.assert_allclose(p.crps(2.0), 3.0 * (math.sqrt(2) - 1) / math.sqrt(math.pi), rtol=1e-14)
    q = LogNormalMixturePrediction([[0.0]], [[0.5]], [[0.8]])
    np.testing.assert_allclose(q.mode(), [math.exp(0.5 - 0.64)], rtol=1e-12)
    np.testing.assert_allclose(q.std(), [stats.lognorm(0.8, scale=math.exp(0.5)).std()], rtol=1e-13)


def test_far_apart_components_and_tiny_scales():
    p = NormalMixturePrediction([[0.0, 0.0, -200.0]], [[-1e9, 1e9, 0.0]], [[1e-3, 1e3, 1.0]])
    left = stats.norm(-1e9, 1e-3).ppf(0.5)
    np.testing.assert_allclose(p.quantile(0.25), [left], rtol=1e-15)
    np.testing.assert_allclose(p.quantile(0.75), [1e9], rtol=1e-12)
    region = p.region(0.9)[0]
    ends = p.cdf(region.reshape(1, -1))[0]
    np.testing.assert_allclose(ends[1] - ends[0] + ends[3] - ends[2], 0.9, rtol=1e-3)
    assert region.shape == (2, 2)


def test_quantile_keeps_its_digits_in_both_tails():
    p = NormalMixturePrediction([[0.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]])
    for q in (1e-300, 1e-30):
        np.testing.assert_allclose(stats.norm.logcdf(p.quantile(q))[0], math.log(2 * q), rtol=1e-6)
    q = 1 - 2.0**-50
    at = p.quantile(q)[0]
    np.testing.assert_allclose(0.5 * stats.norm.sf(at) + 0.5 * stats.norm.sf(at - 1), 2.0**-50, rtol=1e-10)


def test_large_offset_does_not_cost_digits():
    p = NormalMixturePrediction([[0.0, 0.0]], [[-1.0, 1.0]], [[0.5, 0.5]], center=1e9)
    q = NormalMixturePrediction([[0.0, 0.0]], [[-1.0, 1.0]], [[0.5, 0.5]])
    for name in ("cdf", "log_prob", "crps"):
        np.testing.assert_array_equal(getattr(p, name)(1e9 + 0.25), getattr(q, name)(0.25))


def test_values_far_out_are_impossible_not_nan():
    extremes = np.array([[-np.inf, -1e308, 1e308, np.inf]])
    for prediction in (NORMAL, LOG_NORMAL, ZERO_INFLATED):
        assert np.all(prediction.log_prob(extremes) < -1e4)
        np.testing.assert_allclose(prediction.cdf(extremes)[1:5], np.tile([0.0, 0.0, 1.0, 1.0], (4, 1)), rtol=1e-15)
    for prediction in (NORMAL, NormalMixturePrediction(LOG_WEIGHTS, MEANS, SCALES, scale=1e-3)):
        assert np.all(prediction.crps([[-1e308, 1e308]]) > 1e296)
    assert LOG_NORMAL.log_prob(0.0).tolist() == [-np.inf] * N


def test_moments_beyond_floats_are_infinite_and_scores_stay_finite():
    p = LogNormalMixturePrediction([[0.0, 0.0]], [[0.0, 0.0]], [[1.0, 40.0]])
    assert p.mean()[0] == p.std()[0] == math.inf
    zero_inflated = ZeroInflatedPrediction(p, [0.5])
    assert zero_inflated.mean()[0] == zero_inflated.std()[0] == math.inf
    assert np.isfinite(p.crps(1.0)[0])
    assert ZeroInflatedPrediction(p, [0.0]).mean()[0] == 0.0


def test_zero_inflated_moments_and_parts():
    mean, std = LOG_NORMAL.mean(), LOG_NORMAL.std()
    np.testing.assert_allclose(ZERO_INFLATED.mean(), P * mean, rtol=1e-14)
    second = P * (std**2 + mean**2)
    np.testing.assert_allclose(ZERO_INFLATED.std(), np.sqrt(second - (P * mean) ** 2), rtol=1e-10)
    np.testing.assert_allclose(ZERO_INFLATED.cdf(0.0), 1 - P)
    np.testing.assert_array_equal(ZERO_INFLATED.cdf(-1e-9), np.zeros(N))
    np.testing.assert_allclose(np.exp(ZERO_INFLATED.log_prob(0.0)), 1 - P)
    np.testing.assert_allclose(np.exp(ZERO_INFLATED.log_prob(2.0)), P * np.exp(LOG_NORMAL.log_prob(2.0)))
    assert np.all(ZERO_INFLATED.log_prob(-1.0) == -np.inf)
    np.testing.assert_array_equal(ZERO_INFLATED.mode(), np.where(P < 0.5, 0.0, LOG_NORMAL.mode()))


def test_zero_inflated_quantiles_and_regions():
    for q in (0.1, 0.3, 0.6, 0.97):
        at = ZERO_INFLATED.quantile(q)
        np.testing.assert_array_equal(at == 0, q <= 1 - P)
        np.testing.assert_allclose(ZERO_INFLATED.cdf(at)[at > 0], q, rtol=1e-12)
    for i, region in enumerate(ZERO_INFLATED.region(0.7)):
        has_zero = bool(np.any(np.all(region == 0, axis=1)))
        assert has_zero == (P[i] < 1)
        positive = region[region[:, 1] > 0]
        ends = LOG_NORMAL[i].cdf(positive.reshape(1, -1))[0].reshape(-1, 2)
        mass = (1 - P[i]) + P[i] * (ends[:, 1] - ends[:, 0]).sum()
        np.testing.assert_allclose(mass, max(0.7, 1 - P[i]), rtol=1e-12)


def test_all_positive_is_the_positive_part():
    np.testing.assert_allclose(ZERO_INFLATED[5].crps(2.0), LOG_NORMAL[5].crps(2.0), rtol=1e-14)
    np.testing.assert_allclose(ZERO_INFLATED[5].region(0.6)[0], LOG_NORMAL[5].region(0.6)[0], rtol=1e-12)
    np.testing.assert_allclose(ZERO_INFLATED[5].quantile(0.3), LOG_NORMAL[5].quantile(0.3), rtol=1e-12)
