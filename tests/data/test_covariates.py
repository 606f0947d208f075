"""Covariates as numbers: figures by NumPy, every kind, missing and unseen cells, far rows, round trips."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit import persistence
from tacit._errors import DataError
from tacit.data.covariates import Covariates, Encoded
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table
from tacit.workflow import model_file

rng = np.random.default_rng(4)
N = 200


def holes(values: np.ndarray) -> list:
    return [None if rng.random() < 0.15 else value for value in values.tolist()]


COLUMNS = {
    "real": holes(rng.normal(1e9, 1.0, N)),
    "whole": rng.integers(2700, 6300, N).tolist(),
    "price": holes(rng.lognormal(0.0, 1.5, N)),
    "rain": holes(np.where(rng.random(N) < 0.4, 0.0, rng.lognormal(1.0, 1.5, N))),
    "count": rng.poisson(2.0, N).tolist(),
    "sex": holes(rng.choice(["f", "m"], N, p=[0.3, 0.7])),
    "kind": holes(rng.choice(["a", "b", "c"], N)),
    "code": rng.choice(["u", "v", "w"], N).tolist(),
}
TABLE = read_table(COLUMNS)
SCHEMA = Schema.infer(TABLE)
COVARIATES = Covariates.fit(SCHEMA, TABLE)


def feature(encoded: Encoded, name: str, covariates: Covariates = COVARIATES) -> np.ndarray:
    return encoded.x[:, covariates.names.index(name)]


def standardised(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values))


def with_cells(**cells: list) -> Table:
    """Rows of the table, one for each cell, with these cells in it."""
    n = len(next(iter(cells.values())))
    rows = TABLE.take(np.full(n, int(np.argmax(TABLE.present("sex") & TABLE.present("kind")))))
    return read_table({**{name: rows.column(name).to_pylist() for name in rows.names}, **cells})


def codes(encoded: Encoded) -> list[tuple[str, str | None]]:
    return [(finding.code, finding.column) for finding in encoded.findings]


def test_every_kind_by_hand() -> None:
    encoded = COVARIATES.encode(TABLE)
    rain = TABLE.numbers("rain")
    unit = np.nanmedian(rain[rain > 0])
    expected = {
        "real": standardised(TABLE.numbers("real")),
        "real is missing": ~TABLE.present("real"),
        "whole": standardised(TABLE.numbers("whole")),
        "log(price)": standardised(np.log(TABLE.numbers("price"))),
        "price is missing": ~TABLE.present("price"),
        f"log(1 + rain / {unit:.6g})": standardised(np.log1p(rain / unit)),
        "rain is missing": ~TABLE.present("rain"),
        "count": standardised(TABLE.numbers("count")),
    }
    sex = np.array([np.nan if v is None else v == "m" for v in COLUMNS["sex"]])
    expected |= {"sex = m": np.nan_to_num(sex - np.nanmean(sex)), "sex is missing": ~TABLE.present("sex")}
    expected |= {f"kind = {level}": np.array(COLUMNS["kind"], object) == level for level in "abc"}
    expected |= {"kind is missing": ~TABLE.present("kind")}
    expected |= {f"code = {level}": np.array(COLUMNS["code"]) == level for level in "uvw"}
    assert COVARIATES.names == tuple(expected)
    assert encoded.x.dtype == np.float64
    for name, values in expected.items():
        np.testing.assert_allclose(feature(encoded, name), values, rtol=1e-6, atol=1e-6, err_msg=name)
    assert encoded.findings == COVARIATES.findings == ()
    assert not encoded.far.any()


def test_only_the_training_rows_are_measured() -> None:
    train = np.arange(0, N, 2)
    covariates = Covariates.fit(SCHEMA, TABLE, train)
    x = covariates.encode(TABLE).x
    assert covariates == Covariates.fit(SCHEMA, TABLE.take(train))
    for name, values in {"whole": TABLE.numbers("whole"), "count": TABLE.numbers("count")}.items():
        found = x[:, covariates.names.index(name)]
        np.testing.assert_allclose(found, (values - values[train].mean()) / values[train].std(), rtol=1e-12)


def test_columns_in_any_order_with_others_between() -> None:
    turned = read_table({"other": ["?"] * N, **dict(reversed(COLUMNS.items()))})
    np.testing.assert_array_equal(COVARIATES.encode(turned).x, COVARIATES.encode(TABLE).x)


REAL = st.lists(st.integers(-1000, 1000), min_size=5, max_size=40).filter(lambda v: len(set(v)) > 3)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(values=REAL, scale=st.sampled_from([-1e-9, -0.25, 0.5, 3.0, 1e150]), shift=st.integers(-5, 5))
def test_units_do_not_matter(values: list[int], scale: float, shift: int) -> None:
    def encoded(cells: np.ndarray) -> np.ndarray:
        table = read_table({"v": cells})
        return Covariates.fit(Schema.infer(table, types={"v": "real"}), table).encode(table).x

    near = encoded(np.array(values, float))
    np.testing.assert_allclose(encoded(scale * (np.array(values) + shift)), np.sign(scale) * near, atol=1e-12)
    np.testing.assert_allclose([near.mean(), near.std()], [0.0, 1.0], atol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-100, 1e100), zeros=st.sampled_from([0.0, 0.3]))
def test_units_do_not_matter_on_a_log_scale(seed: int, scale: float, zeros: float) -> None:
    random = np.random.default_rng(seed)
    cells = np.where(random.random(100) < zeros, 0.0, random.lognormal(0.0, 2.0, 100))
    kind = "zero-inflated" if zeros else "positive"

    def encoded(cells: np.ndarray) -> np.ndarray:
        table = read_table({"v": cells})
        covariates = Covariates.fit(Schema.infer(table, types={"v": kind}), table)
        assert covariates.names[0].startswith("log(")
        return covariates.encode(table).x

    np.testing.assert_allclose(encoded(scale * cells), encoded(cells), atol=1e-11)


def test_a_large_offset_keeps_the_digits() -> None:
    steps = np.arange(64.0)
    table = read_table({"v": 1e9 + steps / 64})
    x = Covariates.fit(Schema.infer(table, types={"v": "real"}), table).encode(table).x[:, 0]
    np.testing.assert_allclose(x, (steps - 31.5) / steps.std(), rtol=0, atol=1e-12)


def test_weak_skew_stays_raw() -> None:
    values = rng.gamma(4.0, size=N)  # skewness 1
    table = read_table({"v": values})
    covariates = Covariates.fit(Schema.infer(table, types={"v": "positive"}), table)
    assert covariates.names == ("v",)
    np.testing.assert_allclose(covariates.encode(table).x[:, 0], standardised(values), rtol=1e-10)


def test_huge_and_tiny_numbers_stay_finite() -> None:
    table = read_table({"v": [-1.7e308, 1.7e308, 1e300, 0.0, 5.0], "w": [1e-300, 2e-300, 3e-300, 5e-300, 4e-300]})
    covariates = Covariates.fit(Schema.infer(table, types={"v": "real", "w": "real"}), table)
    x = covariates.encode(table).x
    np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(x.std(axis=0), 1.0, rtol=1e-12)
    strange = covariates.encode(read_table({"v": [0.0], "w": [1e300]}))
    assert np.isfinite(strange.x.astype(np.float32) ** 2).all()
    assert strange.far.all()


def test_missing_where_no_training_row_was() -> None:
    encoded = COVARIATES.encode(with_cells(whole=[None, 3000], code=["u", None]))
    assert codes(encoded) == [("unseen-missing", "whole"), ("unseen-missing", "code")]
    assert feature(encoded, "whole")[0] == 0.0
    np.testing.assert_array_equal(encoded.x[1, -3:], 0.0)


def test_unseen_level_is_no_level_and_is_not_missing() -> None:
    encoded = COVARIATES.encode(with_cells(kind=["z", "b"]))
    assert codes(encoded) == [("unseen-level", "kind")]
    start = COVARIATES.names.index("kind = a")
    np.testing.assert_array_equal(encoded.x[:, start : start + 4], [[0, 0, 0, 0], [0, 1, 0, 0]])


def test_a_level_that_no_training_row_has_is_unseen() -> None:
    train = np.flatnonzero(np.array(COLUMNS["code"]) != "w")
    covariates = Covariates.fit(SCHEMA, TABLE, train)
    assert covariates.names[-2:] == ("code = u", "code = v")
    assert ("unseen-level", "code") in codes(covariates.encode(TABLE))


def test_columns_of_nothing() -> None:
    """A column that is empty in the new table is missing there."""
    encoded = COVARIATES.encode(with_cells(real=[None], price=[None], sex=[None], kind=[None]))
    assert encoded.findings == ()
    for name in ("real", "price", "sex", "kind"):
        assert feature(encoded, f"{name} is missing") == 1.0
    assert feature(encoded, "log(price)") == feature(encoded, "sex = m") == 0.0


def test_lacking_columns() -> None:
    table = read_table({"real": COLUMNS["real"], "whole": COLUMNS["whole"]})
    with pytest.raises(DataError, match="lacks covariates 'price', 'rain', 'count'"):
        COVARIATES.encode(table)
    encoded = COVARIATES.encode(table, require="any")
    assert ("absent-column", "price") in codes(encoded)
    np.testing.assert_array_equal(feature(encoded, "price is missing"), 1.0)
    np.testing.assert_array_equal(feature(encoded, "count"), 0.0)
    np.testing.assert_array_equal(feature(encoded, "real"), feature(COVARIATES.encode(TABLE), "real"))
    with pytest.raises(DataError, match="lacks"):
        COVARIATES.encode(read_table({"other": [1.0]}), require="any")
    with pytest.raises(DataError, match="lacks covariate 'whole'"):
        Covariates.fit(SCHEMA, read_table({name: v for name, v in COLUMNS.items() if name != "whole"}))


def test_constant_columns_are_left_out() -> None:
    cells = {"a": [1.0, 2.0, 4.0, 8.0], "b": [3.0] * 4, "c": [5.0, None, 5.0, 5.0], "d": ["s"] * 4}
    later = read_table({**cells, "b": [3.0, 4.0, 5.0, 6.0], "c": [5.0, None, 6.0, 7.0], "d": ["s", "t", "u", "s"]})
    kinds = {"a": "real", "b": "real", "c": "real", "d": "categorical"}
    schema = Schema.infer(later, types=kinds)
    covariates = Covariates.fit(schema, read_table(cells))
    assert covariates.names == ("a", "c is missing")
    assert [(f.code, f.column) for f in covariates.findings] == [
        ("constant", "b"),
        ("constant", "c"),
        ("constant", "d"),
    ]
    np.testing.assert_array_equal(covariates.encode(later).x[:, 1], [0, 1, 0, 0])
    with pytest.raises(DataError, match="No covariate is left"):
        Covariates.fit(schema, later, np.array([0]))
    with pytest.raises(DataError, match="no training row"):
        Covariates.fit(schema, later, np.array([], int))


def test_collinear_columns_stay_with_a_finding() -> None:
    a, b = rng.normal(size=(2, 50))
    table = read_table({"a": a, "b": b, "c": a + 2 * b})
    covariates = Covariates.fit(Schema.infer(table), table)
    assert covariates.names == ("a", "b", "c")
    assert [(f.code, f.column) for f in covariates.findings] == [("combination", "c")]


def test_far_rows_and_their_worst_column() -> None:
    whole, count = TABLE.numbers("whole"), TABLE.numbers("count")
    cells = {
        "whole": [4000, int(whole.max() + 0.99 * whole.std()), int(whole.max() + 1.01 * whole.std()), int(-1e6)],
        "count": [2, 2, 2, int(count.max() + 9 * count.std())],
    }
    encoded = COVARIATES.encode(with_cells(**cells))
    assert encoded.far.tolist() == [False, False, True, True]
    assert COVARIATES.far(encoded.x).column.tolist() == [None, None, "whole", "whole"]
    assert codes(encoded) == [("far", None)]
    assert "2 of 4 rows" in encoded.findings[0].message
    assert "row 2, column 'whole'" in encoded.findings[0].message


def test_without_numbers_nothing_is_far() -> None:
    table = read_table({"s": ["a", "b", "c", "a"]})
    encoded = Covariates.fit(Schema.infer(table, types={"s": "categorical"}), table).encode(table)
    assert not encoded.far.any()


@pytest.mark.parametrize(
    ("name", "cell", "said"),
    [("price", -1.0, "not above zero"), ("sex", "x", "neither 'f' nor 'm'"), ("count", 1.5, "not a whole number")],
)
def test_wrong_cells_are_named(name: str, cell: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        COVARIATES.encode(with_cells(**{name: [cell]}))
    assert raised.value.where == f"dict, row 0, column {name!r}"


def test_round_trips(tmp_path: object) -> None:
    constant = read_table({**COLUMNS, "none": [1.0] * N})
    covariates = Covariates.fit(Schema.infer(constant, types={"none": "real"}), constant)
    assert covariates.findings
    assert Covariates.from_dict(json.loads(json.dumps(covariates.to_dict()))) == covariates
    assert model_file  # registers the classes
    path = f"{tmp_path}/covariates.tacit"
    persistence.save(covariates, path, manifest={})
    assert persistence.load(path)[0] == covariates
