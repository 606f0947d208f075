"""The schema: inference, layout, roles, measures, TOML and JSON round trips, and its errors."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit._errors import DataError, UsageError
from tacit.data.column import Column
from tacit.data.layout import Layout
from tacit.data.measure import measure
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table

rng = np.random.default_rng(1)
N = 200


def mixed() -> Table:
    return read_table(
        {
            "real": rng.normal(size=N),
            "positive": rng.lognormal(size=N),
            "rain": np.where(rng.random(N) < 0.4, 0.0, rng.lognormal(size=N)),
            "count": rng.poisson(2.0, N),
            "flag": rng.random(N) < 0.5,
            "kind": rng.choice(["a", 'b"\\\n', "é"], N),
            "code": rng.integers(0, 4, N),
            "who": [f"person {i}" for i in range(N)],
            "w": rng.random(N),
            "g": rng.integers(0, 9, N),
            "t": np.datetime64("2026-01-01") + np.arange(N),
        }
    )


def fitted() -> Schema:
    return Schema.infer(mixed(), weight="w", group="g", time="t")


def test_layout_and_roles() -> None:
    schema = fitted()
    assert schema.layout == Layout(
        normal=("real", "positive", "rain"),
        bernoulli=("rain", "flag"),
        categorical=(("kind", 3), ("code", 4)),
        poisson=("count",),
    )
    assert schema.names == ("real", "positive", "rain", "count", "flag", "kind", "code")
    assert schema.layout.width == 8
    assert schema.layout.span("categorical") == slice(5, 7)
    assert schema.layout.places("rain") == (2, 3)
    assert schema.layout.index("poisson", "count") == 7
    assert [(c.name, c.role) for c in schema.columns[7:]] == [
        ("who", "ignored"),
        ("w", "weight"),
        ("g", "group"),
        ("t", "time"),
    ]
    held = schema.with_role("group")
    assert held is not None
    assert held.name == "g"


def test_choices_of_the_user() -> None:
    schema = Schema.infer(mixed(), types={"code": "count", "real": "id"}, drop=["t", "w"], ids=["flag"])
    kinds = {column.name: (column.kind, column.role) for column in schema.columns}
    assert "t" not in kinds
    assert kinds["code"] == ("count", "model")
    assert kinds["flag"] == kinds["real"] == ("id", "ignored")
    assert schema["code"].why == "chosen by you"


def test_late_text_can_be_typed_or_left_out() -> None:
    table = read_table({"x": ["1", "2", "3", "oops"], "y": [0.5, 1.5, 2.0, 2.5]})
    assert Schema.infer(table, types={"x": "categorical"})["x"].levels == ("1", "2", "3", "oops")
    for schema in (Schema.infer(table, drop=["x"]), Schema.infer(table, ids=["x"])):
        assert schema.names == ("y",)
    with pytest.raises(DataError, match="row 3, column 'x': 'oops' is not a number"):
        Schema.infer(table, types={"x": "real"})


def test_toml_and_json_are_exact() -> None:
    schema = fitted()
    assert Schema.from_toml(schema.to_toml()) == schema
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1),
    level=st.text(st.characters(codec="utf-8")),
    center=st.floats(allow_nan=False, allow_infinity=False),
    scale=st.floats(min_value=5e-324, allow_infinity=False),
)
def test_toml_round_trip_of_any_text_and_number(name: str, level: str, center: float, scale: float) -> None:
    schema = Schema(
        (
            Column(name, "positive", "model", "float", (), center, scale, scale, level),
            Column(name + "'", "categorical", "model", "text", (level, level + "'")),
        )
    )
    assert Schema.from_toml(schema.to_toml()) == schema


def test_an_edited_kind_is_measured_again() -> None:
    table = mixed()
    schema = Schema.infer(table)
    text = schema.to_toml()
    start = text.index('[column."positive"]')
    edited = text[:start] + text[start:].replace('"positive"\nwhy', '"real"\nwhy', 1)
    expected = Schema.infer(table, types={"positive": "real"})["positive"]
    assert dataclasses.replace(Schema.from_toml(edited, table)["positive"], why="") == dataclasses.replace(
        expected, why=""
    )
    with pytest.raises(DataError, match=r"\[column.positive\] center"):
        Schema.from_toml(edited)


HEAD = 'format = 1\n[column."x"]\nkind = "real"\ncenter = 0.0\nscale = 1.0\nfloor = 0.1\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format = 1\n[column.x\n", "line 2"),
        ("", "format is None"),
        ("format = 2\n", "format is 2"),
        ("format = 1\n", "Expected the keys"),
        (HEAD.replace('"real"', '"reel"'), r"\[column.x\] kind.*'reel' is not a kind"),
        (HEAD + 'role = "boss"\n', r"\[column.x\] role"),
        (HEAD + "colour = 3\n", r"\[column.x\] colour"),
        (HEAD.replace("1.0", '"one"'), r"\[column.x\] scale.*wrong type"),
        (HEAD.replace("1.0", "0.0"), r"\[column.x\] scale.*above zero"),
        (HEAD.replace("1.0", "nan"), r"\[column.x\] scale.*finite"),
        (HEAD.replace("floor = 0.1\n", ""), r"\[column.x\] floor.*needs it"),
        (HEAD.replace('"real"', '"binary"') + "levels = [1, 2, 3]\n", r"\[column.x\] levels.*two, not 3"),
        (HEAD.replace('"real"', '"binary"') + "levels = [1, 1]\n", r"\[column.x\] levels.*twice"),
        (HEAD.replace('"real"', '"binary"') + 'levels = [1, "a"]\n', r"\[column.x\] levels.*one type"),
        (HEAD.replace('"real"', '"categorical"') + "levels = []\n", r"\[column.x\] levels"),
        (HEAD.replace('"real"', '"id"'), "No column is left to model"),
        (HEAD + '[column.a]\nkind="id"\nrole="group"\n[column.b]\nkind="id"\nrole="group"\n', "already"),
        (HEAD + "[column]\ny = 3\n", "schema"),
    ],
)
def test_errors_of_toml_name_line_or_key(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Schema.from_toml(text)


def test_toml_of_another_table() -> None:
    with pytest.raises(DataError, match="no such column"):
        Schema.from_toml(HEAD, read_table({"y": [1.0, 2.0]}))


def test_reference_follows_what_the_density_is_over() -> None:
    schema = fitted()
    moved = Schema(tuple(dataclasses.replace(c, center=c.center + 1.0) for c in schema.columns))
    floored = Schema(tuple(dataclasses.replace(c, floor=c.floor * 2.0) for c in schema.columns))
    assert moved.reference() == schema.reference() == Schema(schema.columns[::-1]).reference()
    assert floored.reference() != schema.reference()


@pytest.mark.parametrize(
    "choices",
    [
        {"types": {"none": "real"}},
        {"types": {"real": "reel"}},
        {"drop": ["none"]},
        {"weight": "none"},
        {"group": "g", "time": "g"},
        {"weight": "w", "drop": ["w"]},
    ],
)
def test_errors_of_use(choices: dict) -> None:
    with pytest.raises(UsageError):
        Schema.infer(mixed(), **choices)


def test_nothing_left_to_model() -> None:
    with pytest.raises(DataError, match="No column is left"):
        Schema.infer(read_table({"x": np.ones(9), "y": ["same"] * 9}))


def test_errors_of_kinds() -> None:
    table = read_table({"x": [-1.0, 0.0, 1.5, 2.0], "s": ["a", "b", "c", "d"]})
    for kind, message in [
        ("positive", r"row 0, column 'x': -1.0 is not above zero"),
        ("zero-inflated", "-1.0 is below zero"),
        ("count", "-1.0 is below zero"),
        ("binary", "two distinct values; this one has 4"),
    ]:
        with pytest.raises(DataError, match=message):
            Schema.infer(table, types={"x": kind})
    with pytest.raises(DataError, match=r"1\.5 is not a whole number"):
        Schema.infer(read_table({"x": [1.0, 1.5]}), types={"x": "count"})


def test_measure_is_in_the_units_of_the_transformed_column() -> None:
    rounded = np.round(rng.normal(10.0, 2.0, 1000), 1)
    found = measure(rounded)
    assert found.center == np.median(rounded)
    assert found.floor == pytest.approx(0.1 / np.sqrt(12.0))
    assert found.scale == 2.0
    free = measure(rng.normal(0.0, 2.0, 1000))
    assert free.floor == pytest.approx(2e-6, rel=0.2)
    logged = measure(np.round(rng.lognormal(0.0, 1.0, 1000), 2), log=True)
    assert logged.floor == pytest.approx(0.01 / np.sqrt(12.0), rel=0.2)


def test_the_floor_of_an_atom_is_a_thousandth_of_the_spread() -> None:
    values = np.concatenate([rng.normal(size=900), np.full(100, 0.123)])
    assert measure(values).floor == pytest.approx(1e-3 * (np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.349))


@pytest.mark.parametrize("unit", [1e-300, 1e-10, 1.0, 1e9, 1e200, 1e307])
def test_measure_at_any_size(unit: float) -> None:
    values = np.array([-1.0, 0.5, 1.0, 1.5, 3.0]) * unit
    found = measure(values)
    assert 0.5 < found.scale / (np.std(values / unit) * unit) < 2.0
    assert 0.0 < found.floor < found.scale
    assert np.frexp(found.scale)[0] == 0.5


@pytest.mark.parametrize("values", [[], [3.0], [0.0, 0.0], [1.0, 1.0, 1e200], [-1.7e308, 1.7e308], [5e-324, 0.0]])
def test_measure_never_vanishes(values: list[float]) -> None:
    found = measure(np.array(values))
    assert np.isfinite([found.center, found.scale, found.floor]).all()
    assert found.scale > 0.0
    assert found.floor > 0.0
