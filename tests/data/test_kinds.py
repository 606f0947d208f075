"""Kinds that a data scientist would expect, with their reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from tacit._errors import DataError
from tacit.data.facts import Facts, skewness
from tacit.data.kinds import infer_kind
from tacit.data.table import read_table

rng = np.random.default_rng(0)
N = 400
COLUMNS: dict[str, tuple[Any, str]] = {
    "normal": (rng.normal(size=N), "real"),
    "lognormal": (rng.lognormal(size=N), "positive"),
    "temperature": (rng.normal(20.0, 5.0, N), "real"),
    "poisson": (rng.poisson(2.0, N), "count"),
    "poisson as floats with holes": (np.where(rng.random(N) < 0.1, np.nan, rng.poisson(4.0, N)), "count"),
    "two texts": (rng.choice(["no", "yes"], N), "binary"),
    "flag": (rng.random(N) < 0.5, "binary"),
    "zero or one": (rng.integers(0, 2, N), "binary"),
    "one or two": (rng.integers(1, 3, N), "binary"),
    "species": (rng.choice(["a", "b", "c"], N), "categorical"),
    "season": (rng.integers(1, 5, N), "categorical"),
    "weekday": (rng.integers(0, 7, N), "categorical"),
    "year": (rng.choice([2007, 2008, 2009], N), "categorical"),
    "grams": (rng.integers(2700, 6300, N), "real"),
    "price": (np.rint(rng.lognormal(5.0, 1.0, N)).astype(int) + 1, "positive"),
    "rain": (np.where(rng.random(N) < 0.4, 0.0, rng.lognormal(size=N)), "zero-inflated"),
    "signed with zeros": (np.where(rng.random(N) < 0.4, 0.0, rng.normal(size=N)), "real"),
    "name": ([f"person {i}" for i in range(N)], "id"),
    "counter": (np.arange(1, N + 1), "id"),
    "shuffled counter": (rng.permutation(N), "id"),
    "counter with gaps": (np.sort(rng.choice(2 * N - 60, N, replace=False)) * 1, "id"),
    "patient_id": (rng.choice(10**6, N, replace=False), "id"),
    "sorted readings": (np.sort(rng.choice(10**6, N, replace=False)), "real"),
    "constant": (np.full(N, 3.0), "id"),
    "empty": ([None] * N, "id"),
    "day": (np.datetime64("2026-01-01") + np.arange(N), "id"),
    "day as text": ([f"2026-01-{1 + i % 28:02d}" for i in range(N)], "id"),
    "account": (np.arange(N) * 3 + 2**60, "id"),
    "many texts": ([f"t{i}" for i in range(N // 3)] * 3 + ["t0"], "id"),
    "tiny": (rng.normal(size=N) * 1e-300, "real"),
    "huge": (rng.normal(size=N) * 1e300, "real"),
}
COLUMNS["counter with gaps"][0][0] = 1


@pytest.mark.parametrize("name", COLUMNS)
def test_kind(name: str) -> None:
    table = read_table({name: COLUMNS[name][0]})
    kind, why = infer_kind(Facts.of(table, name), table)
    assert kind == COLUMNS[name][1], why
    assert why
    assert "\n" not in why


def test_kinds_of_wine() -> None:
    table = read_table(datasets.load_wine(as_frame=True).frame)
    kinds = {name: infer_kind(Facts.of(table, name), table)[0] for name in table.names}
    assert kinds.pop("target") == "categorical"
    assert kinds.pop("color_intensity") == "positive"
    assert set(kinds.values()) == {"real"}


def test_late_text_names_line_and_value(tmp_path: Any) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,a\n,b\n2,c\noops,d\n3,e\n")
    table = read_table(path)
    mend = r"types={'x': 'categorical'} \(--type x=categorical\)"  # in Python, and at the command line
    with pytest.raises(DataError, match=rf"t\.csv, line 5, column 'x': 'oops' is not a number.*{mend}"):
        infer_kind(Facts.of(table, "x"), table)


@pytest.mark.parametrize("large", [2**60, 10**25])
def test_repeated_whole_numbers_beyond_2_53(large: int) -> None:
    table = read_table({"x": [str(large + i // 2) for i in range(40)]})
    with pytest.raises(DataError, match="beyond 2"):
        infer_kind(Facts.of(table, "x"), table)


def test_skewness_of_the_exponential_at_any_size() -> None:
    values = -np.log1p(-(np.arange(100_000) + 0.5) / 100_000)
    for unit in (1.0, 1e-300, 1e300):
        assert skewness(values * unit) == pytest.approx(2.0, abs=0.01)
    assert skewness(np.ones(3)) == 0.0
