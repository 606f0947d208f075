"""The check: each defect of a table is found by name, and a clean table is left in peace."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tacit._errors import DataError
from tacit.data.check import CheckReport, check
from tacit.data.dependence import dependences
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.data.table import read_table

rng = np.random.default_rng(3)
N = 300


def report(**columns: Any) -> CheckReport:
    table = read_table(columns)
    return check(table, Schema.infer(table))


def codes(found: CheckReport, column: str | None = None) -> set[str]:
    return {finding.code for finding in found.findings if column is None or finding.column == column}


def normal() -> np.ndarray:
    return rng.normal(size=N)


def test_a_clean_table_has_no_finding() -> None:
    found = report(a=normal(), b=normal(), c=rng.choice(["x", "y", "z"], N))
    assert found.findings == ()


def with_value(value: float, share: float = 0.0) -> np.ndarray:
    values = normal()
    values[: max(1, int(share * N))] = value
    return values


DEFECTS: dict[str, tuple[Any, str, str]] = {
    "constant": (np.ones(N), "constant", "warning"),
    "empty": ([None] * N, "constant", "warning"),
    "date": (np.datetime64("2026-01-01") + np.arange(N), "date", "warning"),
    "date text": ([f"2026-01-{1 + i % 28:02d}" for i in range(N)], "date", "warning"),
    "date of another form": ([f"{1 + i % 28:02d}/03/2026" for i in range(N)], "date", "warning"),
    "date with points": ([f"{1 + i % 28}.3.2026 10:15" for i in range(N)], "date", "warning"),
    "name": ([f"n{i}" for i in range(N)], "identifier", "note"),
    "nested": ([[1, 2]] * N, "identifier", "note"),
    "account": (np.arange(N) + 2**60, "large-integers", "warning"),
    "few holes": (with_value(np.nan, 0.1), "missing", "note"),
    "many holes": (with_value(np.nan, 0.6), "missing", "warning"),
    "atom": (with_value(-9.0, 0.1), "atom", "warning"),
    "outlier": (with_value(1e8), "outlier", "warning"),
    "offset": (normal() + 1e9, "offset", "note"),
    "huge": (normal() * 1e200, "huge", "warning"),
    "one huge": (with_value(1e200), "huge", "warning"),
    "rare level": (["a"] * 150 + ["b"] * 149 + ["c"], "rare-levels", "note"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_of_a_column(name: str) -> None:
    cells, code, severity = DEFECTS[name]
    found = report(**{"other": normal(), name: cells})
    assert [(f.code, f.severity) for f in found.findings if f.code == code] == [(code, severity)]
    assert codes(found, "other") == set()


def test_the_outlier_is_named_by_row_on_either_scale() -> None:
    values = rng.lognormal(size=N)
    values[41] = 1e40
    finding = next(f for f in report(x=values, y=normal()).findings if f.code == "outlier")
    assert "row 41" in finding.message


def test_duplicates_ties_and_few_rows() -> None:
    columns = {name: normal() for name in "abc"}
    for values in columns.values():
        values[7] = values[3]
        values[9] = np.nan
        values[8] = np.nan
    found = report(**columns)
    duplicate = next(f for f in found.findings if f.code == "duplicate-rows")
    assert duplicate.message.startswith("2 of 300 rows")
    assert "dict, row 7 repeats row 3" in duplicate.message
    assert "tied" in codes(found)
    assert "few-rows" in codes(report(x=[1.5, 2.5, 0.25, 9.0]))


def test_one_row_is_an_error() -> None:
    table = read_table({"x": [1.5]})
    found = check(table, Schema.infer(table, types={"x": "real"}))
    assert [(f.code, f.severity) for f in found.findings] == [("few-rows", "error")]


def test_nothing_left() -> None:
    table = read_table({"x": [1.5, 2.5]})
    schema = Schema((Schema.infer(read_table({"x": [1.0, 2.0], "c": ["a", "a"]})).columns[1],))
    with pytest.raises(DataError, match="No column is left"):
        check(table, schema)


def test_gravest_first_and_json() -> None:
    found = report(few=with_value(np.nan, 0.1), x=normal(), c=np.ones(N), s=rng.choice(["u", "v", "w"], N))
    assert [f.severity for f in found.findings] == ["warning", "note"]
    tree = json.loads(json.dumps(found.to_dict()))
    assert tree["rows"] == N
    assert [c["kind"] for c in tree["columns"]] == ["real", "real", "id", "categorical"]
    assert tree["columns"][0]["missing"] == 30
    assert sum(count for _, count in tree["columns"][3]["levels"]) == N
    assert all(column["why"] and column["summary"] for column in tree["columns"])


def test_copies_and_sums_are_named() -> None:
    a, b, s = normal(), normal(), rng.choice(["u", "v", "w"], N)
    found = report(a=a, b=b, c=a + b, d=a, e=2.0 * a - 0.5 * b + 3.0, s=s, t=s, free=normal())
    assert {(f.column, f.code) for f in found.findings} == {
        ("c", "sum"),
        ("d", "copy"),
        ("e", "combination"),
        ("t", "copy"),
    }
    texts = {f.column: f.message for f in found.findings}
    assert texts["c"].endswith("c = a + b.")
    assert texts["e"].endswith("e = 2 a - 0.5 b + 3.")


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_dependence_at_any_size_and_offset(unit: float) -> None:
    a, b = (normal() + 100.0) * unit, normal() * unit
    (found,) = dependences({"a": a, "b": b, "c": a - b})
    assert str(found) == "c = a - b"


def test_near_dependence_and_few_rows_are_left_alone() -> None:
    a, b = normal(), normal()
    assert dependences({"a": a, "b": b, "c": a + b + 1e-3 * normal()}) == ()
    assert dependences({"a": a[:3], "b": b[:3], "c": a[:3] * 2.0 + b[:3] ** 2}) == ()
    assert dependences({"a": np.full(5, np.nan)}) == ()
    assert dependences({}) == ()


def test_findings_read_well() -> None:
    finding = Finding("warning", "date", "Dates are left out.", "day", "Type it.")
    assert str(finding) == "warning: day: Dates are left out. Type it."
    assert finding.to_dict()["code"] == "date"
