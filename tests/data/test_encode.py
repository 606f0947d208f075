"""Encoding and decoding: round trips, Jacobians against finite differences, and every wrong cell."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit._errors import DataError, UsageError
from tacit.data.decode import decode
from tacit.data.encode import encode, given_row
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table

rng = np.random.default_rng(2)
N = 120


def holes(values: np.ndarray) -> list:
    return [None if rng.random() < 0.1 else value for value in values.tolist()]


COLUMNS = {
    "real": holes(rng.normal(1e9, 1.0, N)),
    "grams": holes(rng.integers(2700, 6300, N)),
    "positive": holes(rng.lognormal(size=N)),
    "rain": holes(np.where(rng.random(N) < 0.4, 0.0, rng.lognormal(size=N))),
    "count": holes(rng.poisson(2.0, N)),
    "flag": holes(rng.random(N) < 0.5),
    "sex": holes(rng.choice(["f", "m"], N)),
    "kind": holes(rng.choice(["a", "b", "c"], N)),
    "code": holes(rng.integers(0, 4, N)),
}
TABLE = read_table(COLUMNS)
SCHEMA = Schema.infer(TABLE)


def column(table: Table, name: str) -> list:
    return table.column(name).to_pylist()


def test_round_trip() -> None:
    back = decode(SCHEMA, encode(SCHEMA, TABLE).y)
    assert list(back) == list(COLUMNS)
    for name in ("real", "positive", "rain"):
        np.testing.assert_allclose(back[name], TABLE.numbers(name), rtol=1e-14)
    for name in ("grams", "count", "flag", "sex", "kind", "code"):
        assert [None if v is None else v for v in back[name].tolist()] == COLUMNS[name]
    np.testing.assert_array_equal(back["rain"] == 0.0, TABLE.numbers("rain") == 0.0)


def test_types_without_holes() -> None:
    table = TABLE.take(np.flatnonzero(np.all([TABLE.present(name) for name in TABLE.names], axis=0)))
    back = decode(SCHEMA, encode(SCHEMA, table).y)
    kinds = {name: values.dtype.kind for name, values in back.items()}
    assert kinds == {
        "real": "f",
        "grams": "i",
        "positive": "f",
        "rain": "f",
        "count": "i",
        "flag": "b",
        "sex": "O",
        "kind": "O",
        "code": "i",
    }


def test_event_of_one_row_by_hand() -> None:
    schema = Schema.infer(TABLE)
    cells = {
        "real": 1e9 + 1.0,
        "grams": 3000,
        "positive": 2.0,
        "rain": 0.0,
        "count": 3,
        "flag": True,
        "sex": "f",
        "kind": "c",
        "code": 1,
    }
    row = encode(schema, read_table({name: [value] for name, value in cells.items()}))
    real, grams, positive = schema["real"], schema["grams"], schema["positive"]
    expected = [
        (1e9 + 1.0 - real.center) / real.scale,
        (3000 - grams.center) / grams.scale,
        (np.log(2.0) - positive.center) / positive.scale,
        np.nan,
        0.0,
        1.0,
        0.0,
        2.0,
        1.0,
        3.0,
    ]
    np.testing.assert_allclose(row.y[0], expected, rtol=1e-12)
    jacobian = -np.log(real.scale) - np.log(grams.scale) - np.log(positive.scale) - np.log(2.0)
    assert row.log_jacobian[0] == pytest.approx(jacobian, rel=1e-14)


@pytest.mark.parametrize("name", ["real", "positive", "rain"])
def test_jacobian_is_the_slope_of_the_transform(name: str) -> None:
    value, step = 1.75, 1e-5
    schema = Schema.infer(read_table({name: np.abs(TABLE.numbers(name))}), types={name: SCHEMA[name].kind})
    rows = encode(schema, read_table({name: [value - step, value + step, value]}))
    slope = (rows.y[1, 0] - rows.y[0, 0]) / (2 * step)
    # At 1e9 one step of float64 is 1e-7, so the difference quotient has few digits.
    assert np.log(slope) == pytest.approx(rows.log_jacobian[2], abs=2e-2 if name == "real" else 1e-8)


def test_absent_cells_add_no_jacobian() -> None:
    rows = encode(SCHEMA, read_table({"rain": [0.0, None], "positive": [None, None]}), require="any")
    np.testing.assert_array_equal(rows.log_jacobian, [0.0, 0.0])


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=20))
def test_any_finite_numbers_stay_finite(values: list[float]) -> None:
    table = read_table({"x": values})
    schema = Schema.infer(table, types={"x": "real"})
    rows = encode(schema, table)
    assert np.isfinite(rows.y).all()
    assert np.isfinite(rows.y**2).all()
    assert np.isfinite(rows.log_jacobian).all()


def test_columns_in_any_order_and_further_ones() -> None:
    names = [*reversed(TABLE.names)]
    frame = TABLE.data.select(names).append_column("new", TABLE.data.column("real"))
    rows = encode(SCHEMA, read_table(frame))
    np.testing.assert_array_equal(rows.y, encode(SCHEMA, TABLE).y)
    assert [(f.severity, f.code) for f in rows.findings] == [("note", "extra-columns")]


def test_lacking_columns() -> None:
    table = read_table({"kind": ["a", "b"]})
    with pytest.raises(DataError, match="lacks columns 'real', 'grams'"):
        encode(SCHEMA, table)
    rows = encode(SCHEMA, table, require="any")
    assert np.isnan(rows.y).sum() == rows.y.size - 2
    assert {f.code for f in rows.findings} == {"absent-column"}
    with pytest.raises(DataError, match="lacks"):
        encode(SCHEMA, read_table({"other": [1.0]}), require="any")


def test_unseen_category_is_missing_and_said() -> None:
    rows = encode(SCHEMA, read_table({"kind": ["a", "zebra", None, "zebra"]}), require="any")
    place = SCHEMA.layout.places("kind")[0]
    np.testing.assert_array_equal(rows.y[:, place], [0.0, np.nan, np.nan, np.nan])
    finding = next(f for f in rows.findings if f.code == "unseen-level")
    assert finding.column == "kind"
    assert finding.message.startswith("2 cells")
    assert "zebra" in finding.message
    assert "row 1" in finding.message


def test_row_with_nothing_present_is_said() -> None:
    rows = encode(SCHEMA, read_table({"kind": ["a", None]}), require="any")
    assert "empty-row" in {f.code for f in rows.findings}


@pytest.mark.parametrize(
    ("name", "cells", "message"),
    [
        ("positive", ["1", "-2"], "'positive': -2 is not above zero"),
        ("positive", ["1", "0"], "0 is not above zero"),
        ("rain", ["1", "-2"], "-2 is below zero"),
        ("count", ["1", "-2"], "-2 is below zero"),
        ("count", ["1", "2.5"], "2.5 is not a whole number"),
        ("real", ["1", "two"], "'two' is not a number"),
        ("real", ["one", "two"], "'one' is not a number"),
        ("real", ["1", str(2**60)], "beyond 2"),
        ("sex", ["f", "x"], "'x' is neither 'f' nor 'm'"),
        ("code", ["1", "x"], None),
    ],
)
def test_wrong_cells_name_line_column_and_mend(
    tmp_path: Path, name: str, cells: list[str], message: str | None
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([f"z,{name}", *(f"1,{cell}" for cell in cells)]) + "\n")
    if message is None:
        findings = encode(SCHEMA, read_table(path), require="any").findings
        assert "unseen-level" in {f.code for f in findings}
        return
    with pytest.raises(DataError, match=message) as caught:
        encode(SCHEMA, read_table(path), require="any")
    line = 2 if cells[0] == "one" else 3
    assert caught.value.where == f"{path}, line {line}, column {name!r}"
    assert caught.value.mend


@pytest.mark.parametrize(
    ("levels", "cells"),
    [
        (["1", "2", "x"] * 4, [1, 2, 1]),
        ([1, 2, 3] * 60, ["1", "2", "1"]),
        ([1, 2, 3] * 60, [1.0, 2.0, 1.0]),
        ([1.0, 2.0, 3.0] * 60, [1, 2, 1]),
    ],
)
def test_levels_meet_cells_of_another_type(levels: list, cells: list) -> None:
    schema = Schema.infer(read_table({"c": levels}), types={"c": "categorical"})
    np.testing.assert_array_equal(encode(schema, read_table({"c": cells})).y[:, 0], [0.0, 1.0, 0.0])


def test_all_missing_column_of_a_scored_table() -> None:
    frame = pd.DataFrame({"real": [1.0], "kind": [None], "count": [np.nan], "flag": [None], "code": [None]})
    rows = encode(SCHEMA, read_table(frame), require="any")
    assert np.isnan(rows.y).sum() == SCHEMA.layout.width - 1


def roles(**columns: object) -> Table:
    return read_table({"x": [0.5, 1.5, 2.25], **columns})


def test_weight_group_and_time() -> None:
    table = roles(w=[1, 0, 2.5], g=["b", "a", "b"], t=["2026-01-01", "2026-01-03", "2026-01-02"])
    rows = encode(Schema.infer(table, weight="w", group="g", time="t"), table)
    np.testing.assert_array_equal(rows.weight, [1.0, 0.0, 2.5])
    assert rows.group is not None
    np.testing.assert_array_equal(rows.group, [0, 1, 0])
    assert rows.time is not None
    np.testing.assert_array_equal(np.diff(rows.time), [2 * 86400.0, -86400.0])
    taken = rows.take(np.array([2, 0]))
    assert taken.group is not None
    np.testing.assert_array_equal(taken.group, [0, 0])
    assert len(taken) == 2
    free = encode(Schema.infer(table, weight="w", group="g", time="t"), roles(), roles=False)
    assert free.group is free.time is None
    np.testing.assert_array_equal(free.weight, np.ones(3))


@pytest.mark.parametrize(
    "times",
    [
        [3.0, 1.0, 2.0],
        np.array(["2026-03-01", "2026-01-01", "2026-02-01"], "datetime64[D]"),
        np.array(["2026-03-01T10", "2026-01-01T10", "2026-02-01T10"], "datetime64[ns]"),
        ["2026-03-01T10:00Z", "2026-01-01T10:00Z", "2026-02-01T10:00Z"],
    ],
)
def test_times_of_any_form_order_rows(times: object) -> None:
    table = roles(t=times)
    rows = encode(Schema.infer(table, time="t"), table)
    assert rows.time is not None
    np.testing.assert_array_equal(np.argsort(rows.time), [1, 2, 0])


@pytest.mark.parametrize(
    ("role", "cells", "message"),
    [
        ("weight", [1.0, -1.0, 1.0], "row 1, column 'c': The weight is negative"),
        ("weight", [1.0, None, 1.0], "row 1, column 'c': The weight is missing"),
        ("weight", [0.0, 0.0, 0.0], "All weights are zero"),
        ("weight", ["a", "b", "c"], "'a' is not a number"),
        ("group", ["a", None, "b"], "row 1, column 'c': The group is missing"),
        ("time", [1.0, None, 2.0], "The time is missing"),
        ("time", ["a", "b", "c"], "neither numbers nor ISO dates"),
        ("time", ["2026-13-41", "2026-01-01", "2026-01-01"], "neither numbers nor ISO dates"),
    ],
)
def test_wrong_roles(role: str, cells: list, message: str) -> None:
    table = roles(c=cells)
    schema = Schema.infer(table, **{role: "c"})
    with pytest.raises(DataError, match=message):
        encode(schema, table)
    with pytest.raises(DataError, match=f"lacks the {role} column"):
        encode(schema, roles())


def test_given_row() -> None:
    row = given_row(SCHEMA, {"kind": "b", "grams": "3000", "flag": True, "count": 2})
    whole = decode(SCHEMA, row.y)
    assert (whole["kind"][0], whole["grams"][0], whole["flag"][0], whole["count"][0]) == ("b", 3000, True, 2)
    assert np.isnan(row.y).sum() == SCHEMA.layout.width - 4
    assert np.isnan(given_row(SCHEMA, {}).y).all()
    with pytest.raises(UsageError, match=r"'knd' is not a column.*real, grams"):
        given_row(SCHEMA, {"knd": "b"})
    with pytest.raises(UsageError, match=r"'q' is not a level of 'kind'.*a, b, c"):
        given_row(SCHEMA, {"kind": "q"})
    with pytest.raises(DataError, match=r"^given values, row 0, column 'grams': 'heavy' is not a number"):
        given_row(SCHEMA, {"grams": "heavy"})


def test_a_schema_of_other_rows_still_encodes() -> None:
    moved = Schema(tuple(dataclasses.replace(c, center=c.center + 1.0) for c in SCHEMA.columns))
    back = decode(moved, encode(moved, TABLE).y)
    np.testing.assert_allclose(back["positive"], TABLE.numbers("positive"), rtol=1e-13)


def test_a_number_beyond_all_measure_is_moved_to_where_its_square_is_a_float() -> None:
    far = read_table({name: [1e308 if name == "real" else None] for name in SCHEMA.names})
    rows = encode(SCHEMA, far)
    column = SCHEMA["real"]
    assert [finding.code for finding in rows.findings] == ["far-off"]
    y = rows.y[0, SCHEMA.layout.index("normal", "real")]
    assert np.isfinite((y * column.scale / column.floor) ** 2)
    with pytest.raises(UsageError, match="too far off"):
        given_row(SCHEMA, {"real": 1e308})


@pytest.mark.parametrize("value", [None, "", "NA", float("nan")])
def test_a_missing_value_is_not_given(value: object) -> None:
    with pytest.raises(UsageError, match="missing"):
        given_row(SCHEMA, {"sex": value})


def test_positive_columns_come_back_positive_and_finite() -> None:
    y = encode(SCHEMA, TABLE.take(np.arange(2))).y
    y[:, SCHEMA.layout.index("normal", "positive")] = [-1e6, 1e6]
    back = decode(SCHEMA, y)["positive"]
    assert 0 < back[0] < 1e-300
    assert 1e300 < back[1] < np.inf


TEXTS = ["True", "False", "maybe", "1e5", "2.50", "2.5", "+1"]


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        (["True", "False"], [0.0, 1.0]),
        (["1e5", "1e5"], [3.0, 3.0]),
        (["+1", "+1"], [6.0, 6.0]),
        ([True, None], [0.0, np.nan]),
        (["2.5", "2.5"], [5.0, 5.0]),
    ],
)
def test_levels_that_read_as_numbers_or_truth_values_where_no_other_text_is_beside(
    cells: list[object], codes: list[float]
) -> None:
    schema = Schema.infer(read_table({"s": TEXTS * 3}), types={"s": "categorical"})
    order = [schema["s"].levels.index(text) for text in TEXTS]
    wanted = [code if np.isnan(code) else order[int(code)] for code in codes]
    np.testing.assert_array_equal(encode(schema, read_table({"s": cells})).y[:, 0], wanted)
