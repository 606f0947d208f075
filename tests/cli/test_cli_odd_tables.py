"""Tables that are odd but can be fitted: a finite model, and a recorded warning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

N = 60
_RNG = np.random.default_rng(5)
X = np.where(np.arange(N) % 2, 4.0, -4.0) + _RNG.normal(size=N)
Y = X + _RNG.normal(size=N)
TWICE = np.repeat(np.arange(N // 2), 2)


def changed(values: np.ndarray, row: int, value: float) -> np.ndarray:
    values = values.copy()
    values[row] = value
    return values


TABLES = {
    "constant column": ({"x": X, "y": Y, "c": np.full(N, 3.0)}, "constant"),
    "duplicate rows": (
        {"x": np.repeat(X[:30], 2), "y": np.repeat(Y[:30], 2), "z": np.repeat(Y[30:], 2)},
        "duplicate-rows",
    ),
    "a function of another": ({"x": X, "y": 2 * X + 1}, "variance-floor"),
    "large offset": ({"x": X + 1e9, "y": Y}, "offset"),
    "huge values": ({"x": X * 1e200, "y": Y}, "huge"),
    "extreme outlier": ({"x": changed(X, 3, 1e12), "y": Y}, "outlier"),
    "an atom": ({"x": np.where(np.arange(N) % 3, X, 0.0), "y": Y}, "atom"),
}


@pytest.mark.parametrize("name", TABLES)
def test_an_odd_table_gives_a_finite_model_and_a_warning(run: Any, tmp_path: Path, name: str) -> None:
    columns, code = TABLES[name]
    data, model = tmp_path / "t.csv", tmp_path / "m.tacit"
    rows = [",".join(repr(float(v)) for v in row) for row in zip(*columns.values(), strict=True)]
    data.write_text("\n".join([",".join(columns), *rows]) + "\n")
    result = run("fit", data, "-o", model, "-k", 2, "--set", "n_starts=2", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)["result"]["record"]
    assert code in {warning["code"] for warning in record["warnings"]}
    assert np.isfinite(float(record["heldout"][0]["value"]))
    scored = json.loads(run("score", model, data, "--json").stdout)["result"]["columns"]["log_density"]
    assert np.isfinite(scored).all()


@pytest.mark.slow
def test_ever_other_cells_missing_is_still_one_fit(run: Any, tmp_path: Path) -> None:
    """Nearly every row has its own pattern of missing cells."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(120, 8)) + 3 * (np.arange(120) % 2)[:, None]
    cells = np.where(rng.random(y.shape) < 0.4, "", y.round(4).astype(str))
    data, model = tmp_path / "t.csv", tmp_path / "m.tacit"
    data.write_text("\n".join([",".join("abcdefgh"), *map(",".join, cells.tolist())]) + "\n")
    patterns = {tuple(row) for row in (cells == "").tolist()}
    assert len(patterns) > 90
    result = run("fit", data, "-o", model, "-k", 1, "--holdout", 0, "--json")
    assert result.exit_code == 0, result.stderr
    assert "missing-at-random" in result.stdout
    values = json.loads(run("score", model, data, "--json").stdout)["result"]["columns"]["log_density"]
    assert np.isfinite(values).all()
