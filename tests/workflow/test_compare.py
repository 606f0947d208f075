"""The table of `tacit compare`, and the other models in it."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tacit.data.covariates import Covariates, Encoded
from tacit.data.encode import encode
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.distributions.predictive import NormalMixturePrediction
from tacit.inference.fit import quiet
from tacit.workflow.compare import Answer, tabulate
from tacit.workflow.conditional_fit import cut
from tacit.workflow.conditional_job import LEVELS, Part
from tacit.workflow.fit_table import Job
from tacit.workflow.peers import Peer, boosted_normal, boosted_quantiles, joint_mixture

RNG = np.random.default_rng(2)
X = RNG.normal(size=120)
TABLE = read_table({"x": X, "y": 10 + 4 * X + 2 * RNG.normal(size=120)})
SCHEMA = Schema.infer(TABLE)


def _part(places: np.ndarray, group: np.ndarray | None = None) -> Part:
    table, target = TABLE.take(places), Schema((SCHEMA["y"],))
    encoded: Encoded = Covariates.fit(Schema((SCHEMA["x"],)), TABLE).encode(table)
    return Part(table, encoded, encode(target, table, roles=False), np.ones(len(places)), group)


TRAIN, HELD = _part(np.arange(90)), _part(np.arange(90, 120))


def _normal(scale: float) -> Peer:
    mean = 10 + 4 * X[90:]
    prediction = NormalMixturePrediction(np.zeros((30, 1)), mean[:, None], np.full((30, 1), scale))
    return Peer(f"normal {scale}", prediction.log_prob(HELD.table.numbers("y")), prediction)


def test_rows_are_ordered_and_differences_are_to_the_best_plain_baseline() -> None:
    right, wide, wrong = _normal(2.0), _normal(6.0), _normal(20.0)
    quantiles = Peer("only quantiles", quantiles=right.prediction.quantile(LEVELS))  # type: ignore[union-attr]
    answers = [Answer(wide, plain=True), Answer(right), Answer(wrong, plain=True), Answer(quantiles)]
    rows, best = tabulate(answers, HELD, ("y",))
    assert [row.name for row in rows] == ["normal 2.0", "normal 6.0", "normal 20.0", "only quantiles"]
    assert best == "normal 6.0"
    top = rows[0]
    assert top.difference is not None
    assert right.log_prob is not None
    assert wide.log_prob is not None
    gaps = right.log_prob - wide.log_prob
    assert top.difference.value == pytest.approx(gaps.mean())
    assert top.difference.standard_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(30))
    assert rows[1].difference is None
    assert rows[3].log_likelihood is None
    assert rows[3].crps is None
    assert rows[3].pinball == top.pinball
    assert top.width is not None
    assert top.width.value == pytest.approx(2 * 2.0 * stats.norm.ppf(0.95))
    y = HELD.table.numbers("y")
    inside = np.abs(y - 10 - 4 * X[90:]) <= 2.0 * stats.norm.ppf(0.95)
    assert top.coverage is not None
    assert top.coverage.value == pytest.approx(inside.mean())


def test_a_joint_normal_conditioned_is_least_squares() -> None:
    task = cut(TABLE, SCHEMA, ("y",))
    job = Job(ks=(1,), holdout=0.0, refit=False)
    found = joint_mixture(task, SCHEMA, np.arange(90), np.arange(90, 120), job, quiet)
    design = np.stack([np.ones(90), X[:90]], axis=1)
    y = TABLE.numbers("y")
    slopes, residual, *_ = np.linalg.lstsq(design, y[:90], rcond=None)
    expected = stats.norm(slopes[0] + slopes[1] * X[90:], np.sqrt(residual[0] / 90)).logpdf(y[90:])
    np.testing.assert_allclose(found.log_prob, expected, rtol=1e-4)  # the variance floor is in one of them
    assert found.prediction is not None
    np.testing.assert_allclose(found.prediction.log_prob(y[90:]), found.log_prob, rtol=1e-9)


def test_boosted_quantiles_do_not_cross() -> None:
    found = boosted_quantiles(TRAIN, HELD, "y", 0, quiet).quantiles
    assert found is not None
    assert np.all(np.diff(found, axis=1) >= 0)
    y = HELD.table.numbers("y")
    assert 0.5 < np.mean((found[:, 0] <= y) & (y <= found[:, -1])) < 1.0


def test_a_boosted_normal_comes_back_in_the_units_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, **settings: Any) -> None:
            assert settings["random_state"] == 0

        def fit(self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray) -> None:
            assert len(x) == len(y) == len(sample_weight)

        def pred_dist(self, x: np.ndarray) -> Any:
            return SimpleNamespace(params={"loc": np.full(len(x), 0.5), "scale": np.full(len(x), 2.0)})

    fake = ModuleType("ngboost")
    fake.NGBRegressor = Fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ngboost", fake)
    column = SCHEMA["y"]
    found = boosted_normal(column, TRAIN, HELD, 0)
    expected = stats.norm(column.center + 0.5 * column.scale, 2.0 * column.scale).logpdf(HELD.table.numbers("y"))
    np.testing.assert_allclose(found.log_prob, expected, rtol=1e-9)
