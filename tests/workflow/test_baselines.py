"""Plain conditional baselines, against SciPy, scikit-learn and fits that leave one row out in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge

from tacit.data.covariates import Covariates
from tacit.data.encode import encode
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table
from tacit.workflow import baselines as module
from tacit.workflow.baselines import Baseline, baselines, ridge

TRAIN, HELD = np.arange(60), np.arange(60, 80)


def _table(**target: Any) -> Table:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(80, 2))
    found = {
        "real": lambda: 3 + 2 * x[:, 0] + rng.normal(size=80),
        "positive": lambda: np.exp(1 + x[:, 0] + 0.3 * rng.normal(size=80)),
        "count": lambda: rng.poisson(np.exp(1 + 0.7 * x[:, 0])),
        "categorical": lambda: np.array(["a", "b", "c"])[np.clip(np.round(x[:, 0] + 1), 0, 2).astype(int)],
    }
    return read_table({"u": x[:, 0], "v": x[:, 1], **{name: found[kind]() for name, kind in target.items()}})


def _fitted(table: Table, schema: Schema) -> tuple[tuple[Baseline, Baseline], np.ndarray, Table]:
    inputs = Schema.infer(table, drop=[name for name in table.names if name not in ("u", "v")])
    train, held = table.take(TRAIN), table.take(HELD)
    covariates = Covariates.fit(inputs, train)
    weight = 1.0 + np.arange(60) % 3
    rows = encode(schema, held, roles=False)
    known = (covariates.encode(train).x, encode(schema, train, roles=False).y, weight)
    return baselines(schema, known, (covariates.encode(held).x, rows.y)), rows.log_jacobian, held


@pytest.mark.parametrize("kind", ["real", "positive", "count", "categorical"])
def test_the_log_density_is_that_of_the_prediction_and_the_line_is_better(kind: str) -> None:
    table = _table(y=kind)
    schema = Schema.infer(table, types={"y": kind}, drop=["u", "v"])
    (constant, linear), jacobian, held = _fitted(table, schema)
    values = held.column("y").to_pylist() if kind == "categorical" else held.numbers("y")
    for one in (constant, linear):
        np.testing.assert_allclose(one.log_prob + jacobian, one.prediction.log_prob(values), rtol=1e-6, atol=1e-9)
    assert linear.log_prob.mean() > constant.log_prob.mean() + 0.1


def test_the_constant_gaussian_is_the_weighted_moments() -> None:
    table = _table(y="real")
    schema = Schema.infer(table, types={"y": "real"}, drop=["u", "v"])
    (constant, _), jacobian, held = _fitted(table, schema)
    y, weight = table.numbers("y")[TRAIN], 1.0 + np.arange(60) % 3
    mean = np.average(y, weights=weight)
    deviation = np.sqrt(np.average((y - mean) ** 2, weights=weight))
    expected = stats.norm(mean, deviation).logpdf(held.numbers("y"))
    np.testing.assert_allclose(constant.log_prob + jacobian, expected, rtol=1e-5)


def test_the_residuals_of_the_ridge_are_those_of_leaving_each_row_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(15, 3)), rng.uniform(0.5, 2.0, 15)
    y = x[:, :1] + rng.normal(size=(15, 2))
    monkeypatch.setattr(module, "_PENALTIES", np.array([0.7]))
    found, covariance = ridge(x, y, weight, x[:4])
    residuals = np.empty_like(y)
    for i in range(15):
        rest = np.arange(15) != i
        fitted = Ridge(alpha=0.7).fit(x[rest], y[rest], sample_weight=weight[rest])
        # the row's own place in the centring: scikit-learn centres anew, as leaving out does
        residuals[i] = y[i] - fitted.predict(x[i : i + 1])[0]
    share = weight / weight.sum()
    np.testing.assert_allclose(covariance, (residuals * share[:, None]).T @ residuals, rtol=1e-8)
    np.testing.assert_allclose(found, Ridge(alpha=0.7).fit(x, y, sample_weight=weight).predict(x[:4]), rtol=1e-8)


def test_more_covariates_than_rows_do_not_make_the_line_sure_of_itself() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 60)), rng.normal(size=(20, 1))
    _, covariance = ridge(x, y, np.ones(20), x[:2])
    assert 0.5 < covariance[0, 0] / y.var() < 2.0


def test_a_level_without_training_rows_is_possible() -> None:
    table = _table(y="categorical")
    schema = Schema.infer(table, types={"y": "categorical"}, drop=["u", "v"])
    inputs = Covariates.fit(Schema.infer(table, drop=["y"]), table)
    y = encode(schema, table, roles=False).y
    kept = np.flatnonzero(y[:, 0] < 2)
    x = inputs.encode(table).x
    found = baselines(schema, (x[kept], y[kept], np.ones(len(kept))), (x, y))
    assert all(np.isfinite(one.log_prob).all() for one in found)
