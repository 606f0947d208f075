"""Records for pictures of predictions: plain values, taken from the predictions, and few points."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tacit._errors import UsageError
from tacit.distributions.predictive import NormalMixturePrediction, PoissonMixturePrediction
from tacit.workflow.prediction_pictures import density_record, fan_record

X = np.linspace(0.0, 4.0, 5)
BRANCHING = NormalMixturePrediction(np.zeros((5, 2)), np.stack([X, -X], axis=1), np.full((5, 2), 0.3))
COUNTS = PoissonMixturePrediction(np.zeros((5, 1)), X[:, None])
rng = np.random.default_rng(0)
POINTS = rng.uniform(0, 4, 3000), rng.normal(size=3000)


def test_bands_are_the_regions_of_the_predictions_and_part_where_they_do() -> None:
    record = fan_record(X, BRANCHING, POINTS, coverages=[0.5, 0.9], seed=0)
    assert [band["coverage"] for band in record["bands"]] == [0.9, 0.5]
    assert record["median"] is None
    for found, expected in zip(record["bands"][0]["intervals"], BRANCHING.region(0.9), strict=True):
        assert found == expected.tolist()
    assert [len(intervals) for intervals in record["bands"][0]["intervals"]] == [1, 2, 2, 2, 2]
    json.dumps(record, allow_nan=False)


def test_equal_tailed_bands_come_with_the_median() -> None:
    record = fan_record(X, BRANCHING, coverages=[0.9], densest=False, seed=0)
    assert [pairs for (pairs,) in record["bands"][0]["intervals"]] == BRANCHING.interval(0.9).tolist()
    assert record["median"] == BRANCHING.quantile(0.5).tolist()
    assert record["points"] is None


def test_whole_numbers_have_room() -> None:
    record = fan_record(X, COUNTS, coverages=[0.5], seed=0)
    assert record["bands"][0]["intervals"][0] == [[-0.5, 0.5]]  # of rate 0: the count 0
    table = density_record(X, COUNTS, seed=0)
    assert table["whole"]
    np.testing.assert_allclose(np.sum(table["density"], axis=1), 1.0, atol=0.01)


def test_the_map_holds_nearly_all_of_every_prediction() -> None:
    table = density_record(X, BRANCHING, POINTS, n_values=400, seed=0)
    step = table["y"][1] - table["y"][0]
    np.testing.assert_allclose(np.sum(table["density"], axis=1) * step, 1.0, atol=0.01)
    np.testing.assert_allclose(table["density"][3], np.exp(BRANCHING[3].log_prob([table["y"]])[0]))
    json.dumps(table, allow_nan=False)


def test_of_many_points_a_sample_is_kept_that_the_seed_decides() -> None:
    kept = fan_record(X, BRANCHING, POINTS, seed=1)["points"]
    assert len(kept["x"]) == 600
    assert kept["of"] == 3000
    assert set(zip(kept["x"], kept["y"], strict=True)) <= set(zip(*(values.tolist() for values in POINTS), strict=True))
    assert kept == fan_record(X, BRANCHING, POINTS, seed=1)["points"]
    assert kept != fan_record(X, BRANCHING, POINTS, seed=2)["points"]
    few = density_record(X, BRANCHING, ([1.0, np.nan, 2.0], [0.0, 1.0, 2.0]), seed=0)["points"]
    assert few == {"x": [1.0, 2.0], "y": [0.0, 2.0], "of": 2}


@pytest.mark.parametrize(
    ("x", "points", "words"),
    [(X[:3], None, "do not fit"), (X[::-1], None, "do not fit"), (X, ([1.0], [1.0, 2.0]), "one x and one y")],
)
def test_bad_input_is_said(x, points, words) -> None:
    with pytest.raises(UsageError, match=words):
        fan_record(x, BRANCHING, points, seed=0)
    with pytest.raises(UsageError, match=words):
        density_record(x, BRANCHING, points, seed=0)
