"""A whole record and its pictures, small but with every section."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from tacit.plots import Ellipse, PlotColumn, PlotData
from tacit.report import Record


@pytest.fixture
def record(whole_record: Record) -> Record:
    return copy.deepcopy(whole_record)


@pytest.fixture(scope="session")
def whole_record() -> Record:
    def figure(name: str, value: float, error: float) -> dict[str, object]:
        return {
            "name": name,
            "value": value,
            "standard_error": error,
            "monte_carlo_error": None,
            "bias": None,
            "kind": "exact",
            "n": 69,
            "n_groups": None,
            "units": "nats a row",
            "note": None,
        }

    return {
        "title": "table.csv",
        "created": "2026-01-02",
        "model": "Mixture",
        "k": 2,
        "verdict": {"status": "converged", "text": "All starts agree."},
        "warnings": [
            {"severity": "note", "code": "n", "message": "A note.", "column": None, "mend": None},
            {"severity": "warning", "code": "w", "message": "A warning.", "column": "mass", "mend": "Use --drop."},
        ],
        "data": {
            "source": "table.csv",
            "rows": 344,
            "rows_train": 275,
            "rows_heldout": 69,
            "split": "by group",
            "n_groups": 12,
            "fingerprint": "0f0f0f",
            "columns": [
                {"name": "mass", "kind": "real", "why": "numbers", "missing": 2, "distinct": 90, "floor": 0.03},
                {"name": "sort", "kind": "categorical", "why": "text", "missing": 0, "distinct": 3, "floor": None},
            ],
        },
        "selection": {
            "method": "density",
            "rule": "The smallest within one standard error.",
            "chosen": 2,
            "best": 3,
            "table": [{"k": k, "cv": -10.0 + k, "cv_se": 0.5, "n_parameters": 5 * k} for k in (1, 2, 3)],
        },
        "heldout": [figure("Mixture", -13.57123, 0.1184), figure("one full Gaussian", -15.8, 0.14)],
        "differences": [figure("Mixture minus one full Gaussian", 2.2612, 0.097)],
        "calibration": {
            "target": "mass",
            "verdict": {"status": "miscalibrated", "text": "90 % intervals hold 82.1 ± 1.2 %: too narrow."},
            "pit": {"edges": [0.0, 0.5, 1.0], "shares": [0.4, 0.6], "low": [0.45, 0.45], "high": [0.55, 0.55]},
            "coverage": [{"level": 0.9, "result": figure("coverage", 0.8214, 0.0121)}],
            "above_median": figure("above the median", 0.6, 0.01),
            "crps": figure("CRPS", 31.25, 0.4),
            "pinball": [{"level": 0.05, "result": figure("pinball loss", 12.5, 0.2)}],
            "width": [{"level": 0.9, "result": figure("width", 204.0, 3.0)}],
            "log_score": figure("log score", -4.5, 0.02),
        },
        "restarts": [
            {
                "start": i,
                "k": 2,
                "stage": "finished",
                "log_likelihood": -13.0 - i,
                "iterations": 9,
                "verdict": "converged",
            }
            for i in range(3)
        ],
        "agreement": {"ari": 0.97, "of": "3 finished starts"},
        "components": [
            {"index": 1, "share": 0.7, "rows": 240.8, "standouts": [{"column": "mass", "text": "low", "effect": -1.0}]},
            {"index": 2, "share": 0.3, "rows": 103.2, "standouts": []},
        ],
        "anomalies": [{"row": 1017, "p_value": 0.0004, "columns": [{"column": "mass", "surprise": 7.2}]}],
        "settings": {"n_init": 10, "tol": 1e-6, "refit": True},
        "command": "tacit fit table.csv -k 1:3",
        "versions": {"tacit": "0.1.0"},
        "machine": "2 cores",
        "seconds": 12.3,
    }  # type: ignore[typeddict-item]


@pytest.fixture(scope="session")
def pictures() -> PlotData:
    rng = np.random.default_rng(11)
    names = ("mass", "length")
    ellipses = [Ellipse(w, np.full(2, 70000.0 + m), np.eye(2), names) for w, m in ((0.7, 0.0), (0.3, 5.0))]
    columns = [PlotColumn("mass", "real"), PlotColumn("length", "real"), PlotColumn("sort", "categorical")]

    def rows(n: int) -> dict[str, np.ndarray]:
        numbers = rng.normal(70000, 3, (2, n)).round(3)
        sort = np.array(["one", "two", None] * n, object)[:n]
        return {"mass": numbers[0], "length": numbers[1], "sort": sort}

    return PlotData(columns, rows(200), rows(60), ellipses)
