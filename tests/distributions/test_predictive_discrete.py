"""Poisson and categorical predictions against SciPy, enumeration and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tacit._errors import UsageError
from tacit.distributions.predictive import CategoricalPrediction, PoissonMixturePrediction

rng = np.random.default_rng(11)
LOG_WEIGHTS = rng.normal(size=(5, 3))
LOG_WEIGHTS[2, 1] = -np.inf
RATES = np.exp(1.5 * rng.normal(size=(5, 3)) + 1.5)
RATES[4] = [0.0, 0.5, 900.0]
WEIGHTS = np.exp(LOG_WEIGHTS) / np.exp(LOG_WEIGHTS).sum(axis=1, keepdims=True)
COUNTS = PoissonMixturePrediction(LOG_WEIGHTS, RATES)
SUPPORT = np.arange(1500)
PMF = np.stack(
    [sum(w * stats.poisson.pmf(SUPPORT, rate) for w, rate in zip(WEIGHTS[i], RATES[i], strict=True)) for i in range(5)]
)
CDF = PMF.cumsum(axis=1)


def test_poisson_probabilities_and_moments_against_scipy():
    np.testing.assert_allclose(np.exp(COUNTS.log_prob(SUPPORT[None])), PMF, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(COUNTS.cdf(SUPPORT[None]), CDF, rtol=1e-9)
    mean = PMF @ SUPPORT
    np.testing.assert_allclose(COUNTS.mean(), mean, rtol=1e-12)
    np.testing.assert_allclose(COUNTS.std(), np.sqrt(PMF @ SUPPORT**2 - mean**2), rtol=1e-9)
    np.testing.assert_array_equal(COUNTS.mode(), PMF.argmax(axis=1))


def test_poisson_outside_its_support():
    assert np.all(COUNTS.log_prob([[-1.0, 0.5, np.inf, -np.inf]]) == -np.inf)
    np.testing.assert_array_equal(COUNTS.cdf([[-0.5, -np.inf, np.inf]]), np.tile([0.0, 0.0, 1.0], (5, 1)))
    np.testing.assert_array_equal(COUNTS.cdf(2.7), COUNTS.cdf(2.0))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.floats(1e-6, 1 - 1e-6))
def test_poisson_quantile_is_the_first_count_that_reaches_the_level(q):
    found = COUNTS.quantile(q)
    assert found.dtype == np.int64
    assert np.all(COUNTS.cdf(found) >= q)
    assert np.all(COUNTS.cdf(found - 1) < q)


def test_poisson_quantile_against_scipy_for_large_rates():
    single = PoissonMixturePrediction([[0.0]], [[1e6]])
    levels = [0.001, 0.5, 0.999]
    np.testing.assert_array_equal(single.quantile(levels)[0], stats.poisson.ppf(levels, 1e6))


def test_poisson_quantiles_of_rates_beyond_the_integers_of_a_float_come_back():
    """Bisection over floats ends where no float lies between; what is told fits an integer of 64 bits."""
    found = PoissonMixturePrediction([[0.0], [0.0]], [[1e16], [1e30]]).quantile(0.5)
    np.testing.assert_allclose(found[0], 1e16, rtol=1e-6)
    assert found[1] == 2**62


@pytest.mark.parametrize("value", [0.0, 3.0, 2.5, -2.0, 1200.0])
def test_poisson_score_against_the_sum(value):
    """∫ (F(t) - 1[y ≤ t])² dt, cell by cell on a grid of halves, where the integrand is constant."""
    left = np.arange(-4.0, 1400.0, 0.5)
    for i in range(5):
        f = np.where(left < 0, 0.0, CDF[i][np.maximum(np.floor(left), 0).astype(int)])
        expected = 0.5 * np.sum((f - (value <= left)) ** 2)
        np.testing.assert_allclose(COUNTS.crps(value)[i], expected, rtol=1e-8)


def test_poisson_score_with_far_apart_rates():
    """Only counts near a component are visited, so that a billion between two rates costs nothing."""
    far = PoissonMixturePrediction([[0.0, 0.0]], [[10.0, 1e9]])
    gap = 1e9 - 10.0  # E|Y - y| - E|Y - Y'|/2 with y between: gap/2 - gap/4, and less for the spread within
    assert 0.9999 * gap / 4 < far.crps(1e6)[0] < gap / 4


def test_poisson_region_is_the_fewest_counts():
    for coverage in (0.3, 0.8, 0.99):
        for i, region in enumerate(COUNTS.region(coverage)):
            held = np.concatenate([np.arange(a, b + 1) for a, b in region])
            probability = PMF[i][held]
            assert probability.sum() >= coverage - 1e-9
            assert probability.sum() - probability.min() < coverage
            outside = np.delete(PMF[i], held)
            assert outside.max() <= probability.min() * (1 + 1e-9)
            assert np.all(region[1:, 0] - region[:-1, 1] > 1)


def test_poisson_draws():
    draws = COUNTS.sample(20_000, np.random.default_rng(1))
    error = COUNTS.std() / math.sqrt(draws.shape[1])
    assert np.all(np.abs(draws.mean(axis=1) - COUNTS.mean()) <= 5 * error)
    assert np.all(np.abs((draws == 0).mean(axis=1) - PMF[:, 0]) <= 5 * math.sqrt(0.25 / 20_000))


def test_rates_too_large_to_list_are_a_typed_error():
    huge = PoissonMixturePrediction([[0.0]], [[1e15]])
    np.testing.assert_allclose(huge.quantile(0.5), [1e15], rtol=1e-9)
    for question in (huge.mode, lambda: huge.region(0.5), lambda: huge.crps(3.0)):
        with pytest.raises(UsageError, match="positive"):
            question()


LEVELS = ("Adelie", "Chinstrap", "Gentoo")
SPECIES = CategoricalPrediction(LEVELS, [[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])


def test_categorical_answers():
    assert SPECIES.mode().tolist() == ["Chinstrap", "Adelie"]
    np.testing.assert_allclose(SPECIES.log_prob("Adelie"), np.log([0.2, 1.0]))
    np.testing.assert_allclose(SPECIES.log_prob(["Gentoo", "Gentoo"]), [math.log(0.3), -math.inf])
    np.testing.assert_allclose(SPECIES.log_prob(np.array(["Gentoo", "Adelie"])), [math.log(0.3), 0.0])
    frame = SPECIES.to_frame()
    assert list(frame) == ["P(Adelie)", "P(Chinstrap)", "P(Gentoo)", "most_probable"]
    np.testing.assert_allclose(frame["P(Gentoo)"], [0.3, 0.0])
    assert SPECIES[1].mode().tolist() == ["Adelie"]


def test_categorical_draws():
    draws = SPECIES.sample(20_000, np.random.default_rng(2))
    assert draws.shape == (2, 20_000)
    assert set(draws[1]) == {"Adelie"}
    for level, p in zip(LEVELS, (0.2, 0.5, 0.3), strict=True):
        assert abs((draws[0] == level).mean() - p) <= 5 * math.sqrt(p * (1 - p) / 20_000)


def test_levels_keep_their_type():
    binary = CategoricalPrediction((False, True), [[0.25, 0.75]])
    assert binary.mode()[0] is True
    np.testing.assert_allclose(binary.log_prob(False), math.log(0.25))
    assert CategoricalPrediction((1.5, "other"), [[0.75, 0.25]]).mode()[0] == 1.5


@pytest.mark.parametrize("level", ["Emperor", None, ["Adelie", "Emperor"], ["Adelie"]])
def test_unknown_levels_are_typed_errors(level):
    with pytest.raises(UsageError, match=r"not known|do not fit"):
        SPECIES.log_prob(level)


@pytest.mark.parametrize(
    ("levels", "probabilities"),
    [
        (LEVELS, [[0.5, 0.5]]),
        (("a", "a"), [[0.5, 0.5]]),
        (("a", "b"), [[0.7, 0.7]]),
        (("a", "b"), [[1.5, -0.5]]),
        (("a", "b"), [[math.nan, 0.5]]),
    ],
)
def test_improper_probabilities_are_typed_errors(levels, probabilities):
    with pytest.raises(UsageError):
        CategoricalPrediction(levels, probabilities)
