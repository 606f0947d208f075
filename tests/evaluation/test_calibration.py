"""Calibration against predictions that are right, wrong by a known amount, and against counting by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_pinball_loss

from tacit._errors import UsageError
from tacit.distributions.predictive import (
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    PoissonMixturePrediction,
    ZeroInflatedPrediction,
)
from tacit.evaluation.calibration import Calibration, calibrate
from tacit.evaluation.pit_histogram import pit_histogram
from tacit.evaluation.result import mean_result
from tacit.evaluation.scores import crps_of_quantiles, pinball, pit

N, K = 2000, 3


def mixture(n=N, scale=1.0, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    means, scales = 2 * rng.normal(size=(n, K)), np.exp(0.5 * rng.normal(size=(n, K)))
    center = means.mean(axis=1, keepdims=True)
    return NormalMixturePrediction(
        rng.normal(size=(n, K)), shift + center + scale * (means - center), scale * scales, center=3.0, scale=2.0
    )


RIGHT = mixture()
Y = RIGHT.sample(1, np.random.default_rng(1))[:, 0]
rng = np.random.default_rng(2)
POSITIVE = LogNormalMixturePrediction(rng.normal(size=(N, K)), rng.normal(size=(N, K)), np.ones((N, K)))
EVERY = [
    pytest.param(RIGHT, id="normal"),
    pytest.param(POSITIVE, id="log-normal"),
    pytest.param(ZeroInflatedPrediction(POSITIVE, rng.random(N)), id="zero-inflated"),
    pytest.param(PoissonMixturePrediction(rng.normal(size=(N, K)), 3 * rng.random((N, K))), id="poisson"),
]


@pytest.mark.parametrize("p", EVERY)
def test_transforms_of_draws_are_uniform_with_atoms_and_counts_too(p):
    y = p.sample(1, np.random.default_rng(3))[:, 0]
    u = pit(p, y, rng=np.random.default_rng(4))
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    told = calibrate(p, y, seed=5)
    assert told.verdict.status == "calibrated"
    assert told.pit.p_value > 1e-3
    for nominal, share in told.coverage:
        assert abs(share.value - nominal) < 4 * share.standard_error


@pytest.mark.parametrize(("scale", "word"), [(0.9, "too narrow"), (1.1, "too wide")])
def test_a_scale_wrong_by_a_tenth_is_found_and_named(scale, word):
    verdict = calibrate(mixture(scale=scale), Y, seed=0).verdict
    assert verdict.status == "miscalibrated"
    assert word in verdict.text
    assert {"too narrow": "too wide", "too wide": "too narrow"}[word] not in verdict.text
    assert "predicted too" not in verdict.text


@pytest.mark.parametrize(("shift", "word"), [(0.2, "high"), (-0.2, "low")])
def test_a_shift_is_found_and_its_direction_named(shift, word):
    assert f"predicted too {word}" in calibrate(mixture(shift=shift), Y, seed=0).verdict.text


def test_the_sentence_says_which_intervals_hold_how_much():
    told = calibrate(mixture(scale=0.7), Y, coverages=[0.5, 0.9], seed=0)
    (_, half), (_, most) = told.coverage
    expected = (
        f"50 % intervals hold {100 * half.value:.1f} ± {100 * half.standard_error:.1f} %, "
        f"90 % intervals {100 * most.value:.1f} ± {100 * most.standard_error:.1f} %: too narrow."
    )
    assert told.verdict.text.startswith(expected)


def test_false_alarms_are_rare():
    alarms = 0
    p = NormalMixturePrediction(np.zeros((300, 1)), np.zeros((300, 1)), np.ones((300, 1)))
    for seed in range(100):
        y = p.sample(1, np.random.default_rng(seed))[:, 0]
        alarms += calibrate(p, y, seed=0).verdict.status == "miscalibrated"
    assert alarms <= stats.binom.ppf(1 - 1e-4, 100, 0.05)


def test_coverage_against_counting_and_scores_against_their_definitions():
    told = calibrate(RIGHT, Y, seed=0, units="kg", reference="r")
    for nominal, share in told.coverage:
        low, high = RIGHT.interval(nominal).T
        inside = (low <= Y) & (high >= Y)
        np.testing.assert_allclose(share.value, inside.mean(), rtol=1e-12)
        np.testing.assert_allclose(share.standard_error, inside.std(ddof=1) / np.sqrt(N))
    for level, loss in told.pinball:
        np.testing.assert_allclose(loss.value, mean_pinball_loss(Y, RIGHT.quantile(level), alpha=level))
        assert loss.units == "kg"
    for nominal, width in told.width:
        np.testing.assert_allclose(width.value, np.diff(RIGHT.interval(nominal)).mean())
    np.testing.assert_allclose(told.above_median.value, (RIGHT.quantile(0.5) < Y).mean(), rtol=1e-12)
    assert told.crps == mean_result("CRPS", RIGHT.crps(Y), units="kg")
    assert told.log_score == mean_result("log score", RIGHT.log_prob(Y), reference="r")


def test_crps_of_quantiles_nears_the_score_of_the_density():
    levels = (np.arange(400) + 0.5) / 400
    few = RIGHT[:20]
    found = crps_of_quantiles(Y[:20], few.quantile(levels), levels)
    np.testing.assert_allclose(found, few.crps(Y[:20]), rtol=0.01)


def same(a: Calibration, b: Calibration, *, errors: bool) -> None:
    np.testing.assert_allclose(a.pit.shares, b.pit.shares, atol=1e-12)
    for name in ("coverage", "pinball", "width"):
        pairs = zip(getattr(a, name), getattr(b, name), strict=True)
        results = [(first, second) for (_, first), (_, second) in pairs]
        for first, second in [*results, (a.crps, b.crps), (a.log_score, b.log_score)]:
            np.testing.assert_allclose(first.value, second.value, rtol=1e-12)
            if errors:
                np.testing.assert_allclose(first.standard_error, second.standard_error, rtol=1e-9)


def test_rows_of_weight_zero_are_inert_even_where_transforms_are_random():
    p = PoissonMixturePrediction(np.zeros((60, 1)), np.full((60, 1), 2.0))
    y = p.sample(1, np.random.default_rng(0))[:, 0]
    weight, groups = np.arange(60.0) % 3, np.arange(60) // 4
    kept = weight > 0
    whole = calibrate(p, y, weight=weight, groups=groups, seed=7)
    assert whole == calibrate(p[kept], y[kept], weight=weight[kept], groups=groups[kept], seed=7)


def test_whole_weights_are_repeated_rows_and_errors_those_of_rows_that_belong_together():
    few, y = RIGHT[:100], Y[:100]
    times = np.arange(100) % 3 + 1
    rows = np.repeat(np.arange(100), times)
    weighted = calibrate(few, y, weight=times, seed=0)
    repeated = calibrate(few[rows], y[rows], groups=rows, seed=0)
    same(weighted, repeated, errors=True)
    np.testing.assert_allclose(weighted.pit.n_effective, times.sum() ** 2 / (times**2).sum())


def test_groups_that_move_together_widen_errors_and_bands_and_forgive():
    """50 groups of 40 rows with one shift each: as rows they contradict the predictions, as groups they do not."""
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(50), 40)
    p = NormalMixturePrediction(np.zeros((N, 1)), np.zeros((N, 1)), np.ones((N, 1)))
    y = np.sqrt(0.6) * rng.normal(size=50)[groups] + np.sqrt(0.4) * rng.normal(size=N)
    alone, together = calibrate(p, y, seed=0), calibrate(p, y, groups=groups, seed=0)
    assert together.crps.standard_error > 2 * alone.crps.standard_error
    assert together.pit.n_effective < 0.5 * alone.pit.n_effective
    assert together.pit.high[0] > alone.pit.high[0]
    assert together.pit.p_value > alone.pit.p_value
    assert (alone.verdict.status, together.verdict.status) == ("miscalibrated", "calibrated")


def test_the_histogram_is_the_count_and_its_test_the_chi_square_of_scipy():
    u = np.random.default_rng(0).beta(1.1, 1.0, size=800)
    counts, edges = np.histogram(u, 20, (0, 1))
    told = pit_histogram(u)
    np.testing.assert_allclose(told.shares, counts / 800)
    np.testing.assert_allclose(told.edges, edges, atol=1e-15)
    statistic, p_value = stats.chisquare(counts)
    np.testing.assert_allclose([told.statistic, told.p_value], [statistic, p_value])
    low, high = stats.binom(800, 0.05).interval(0.95)
    assert (told.low[0], told.high[0]) == (low / 800, high / 800)
    assert sum(pit_histogram(np.array([0.0, 1.0])).shares) == 1.0


def test_one_group_is_not_judged():
    told = calibrate(RIGHT[:50], Y[:50], groups=np.zeros(50), seed=0)
    assert told.verdict.status == "unknown"
    assert told.pit.p_value is told.pit.low is told.crps.standard_error is None
    assert calibrate(RIGHT[:1], Y[:1], seed=0).verdict.status == "unknown"


@pytest.mark.parametrize("p", EVERY)
def test_records_survive_strict_json(p):
    y = np.full(N, 1.0)
    told = calibrate(p, y, groups=np.arange(N) // 2, seed=0)
    text = json.dumps(told.to_dict(), allow_nan=False)
    assert Calibration.from_dict(json.loads(text)) == told
    assert told.verdict.text in str(told)


def test_an_impossible_value_is_an_infinite_score_not_a_failure():
    y = np.where(np.arange(N) == 5, -1.0, 1.0)
    told = calibrate(POSITIVE, y, seed=0)
    assert told.log_score.value == -np.inf
    assert Calibration.from_dict(json.loads(json.dumps(told.to_dict(), allow_nan=False))) == told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.full(N, np.nan)}, "row 0 is not finite"),
        ({"y": np.zeros(3)}, "do not fit"),
        ({"weight": np.zeros(N)}, "no row is left"),
        ({"weight": np.full(N, -1.0)}, "not negative"),
        ({"weight": np.ones(3)}, "one entry a row"),
        ({"groups": np.ones(3)}, "one entry a row"),
        ({"coverages": [1.0]}, "between 0 and 1"),
        ({"quantiles": []}, "between 0 and 1"),
    ],
)
def test_bad_input_is_said(change, words):
    with pytest.raises(UsageError, match=words):
        calibrate(**{"p": RIGHT, "y": Y, "seed": 0, **change})


def test_bad_scores_and_records_are_said():
    with pytest.raises(UsageError, match="level"):
        pinball([1.0], [1.0], 1.0)
    with pytest.raises(UsageError, match="shapes"):
        pinball([1.0], [1.0, 2.0], 0.5)
    with pytest.raises(UsageError, match="levels"):
        crps_of_quantiles([1.0], [[1.0, 2.0]], [0.5])
    record = calibrate(RIGHT[:20], Y[:20], seed=0).to_dict()
    with pytest.raises(UsageError, match="crps"):
        Calibration.from_dict({key: value for key, value in record.items() if key != "crps"})
    with pytest.raises(UsageError, match="PIT"):
        Calibration.from_dict({**record, "pit": {}})
