"""A table's model in a file: what comes back, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tacit import load, persistence
from tacit._errors import ModelFileError
from tacit.cli.app import app
from tacit.data.encode import encode
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table
from tacit.distributions import Bernoulli, CategoricalColumns, MultivariateNormal, Poisson, Product
from tacit.models import FiniteMixture
from tacit.workflow.filling import filled
from tacit.workflow.model_file import load_model
from tacit.workflow.table_mixture import TableMixture

TYPES = {"x": "real", "p": "positive", "z": "zero-inflated", "b": "binary", "c": "categorical", "n": "count"}


@pytest.fixture
def table() -> Table:
    columns: dict[str, Any] = {
        "x": [1.5, -0.5, None, 2.25, 0.0, 3.5],
        "p": [1.0, 20.0, 3.5, None, 7.25, 2.5],
        "z": [0.0, 0.0, 2.5, 7.5, None, 1.25],
        "b": ["yes", "no", "yes", None, "no", "no"],
        "c": ["a", "b", "c", "a", None, "b"],
        "n": [0, 3, 1, None, 2, 9],
    }
    return read_table(columns)


@pytest.fixture
def model(table: Table) -> TableMixture:
    schema = Schema.infer(table, types=TYPES)
    rng = np.random.default_rng(1)
    normal = MultivariateNormal(rng.normal(size=(2, 3)), np.tril(rng.normal(size=(2, 3, 3))) / 4)
    blocks = (
        normal,
        Bernoulli(rng.normal(size=(2, 2))),
        CategoricalColumns(rng.normal(size=(2, 1, 3))),
        Poisson(rng.normal(size=(2, 1))),
    )
    return TableMixture(schema, FiniteMixture.of(np.log([0.7, 0.3]), Product(blocks)))


def test_every_kind_of_column_comes_back_with_the_same_density(
    model: TableMixture, table: Table, tmp_path: Path
) -> None:
    path = tmp_path / "m.tacit"
    persistence.save(model, path, manifest={"record": {}})
    again, _ = load_model(path)
    rows = encode(model.schema, table)
    np.testing.assert_array_equal(again.log_prob(rows), model.log_prob(rows))
    assert again.schema == model.schema


def test_parts_that_do_not_fit_together_are_refused(model: TableMixture, tmp_path: Path) -> None:
    fewer = replace(model, schema=Schema(model.schema.columns[:-1]))
    lighter = FiniteMixture.of(np.zeros(3), model.mixture.components)
    broken = FiniteMixture.of(np.array([0.0, np.nan]), model.mixture.components)
    odd = [fewer, replace(model, mixture=lighter), replace(model, mixture=broken), replace(model, segments=(0,))]
    odd += [replace(model, mixture="none"), replace(model, schema=None)]  # type: ignore[arg-type]
    for i, wrong in enumerate(odd):
        path = tmp_path / f"{i}.tacit"
        persistence.save(wrong, path, manifest={"record": {}})
        with pytest.raises(ModelFileError, match="do not fit together"):
            load_model(path)
    persistence.save({"x": 1.0}, tmp_path / "other.tacit", manifest={})
    with pytest.raises(ModelFileError, match="not the model of a table"):
        load_model(tmp_path / "other.tacit")


@pytest.mark.parametrize(
    "change",
    [
        {"name": 3},
        {"kind": "colour"},
        {"role": None},
        {"dtype": "complex"},
        {"scale": 0.0},
        {"scale": float("nan")},
        {"center": "0"},
        {"floor": -1.0},
        {"levels": ("a",)},
        {"levels": 7},
        {"why": None},
        {"name": "p"},
    ],
)
def test_columns_that_no_schema_has_are_refused(model: TableMixture, tmp_path: Path, change: dict[str, Any]) -> None:
    first, *others = model.schema.columns
    persistence.save(
        replace(model, schema=Schema((replace(first, **change), *others))),
        tmp_path / "m.tacit",
        manifest={"record": {}},
    )
    with pytest.raises(ModelFileError, match="do not fit together"):
        load_model(tmp_path / "m.tacit")


def test_figures_that_no_fit_has_are_refused(model: TableMixture, tmp_path: Path) -> None:
    nowhere = FiniteMixture.of(np.array([-np.inf, -np.inf]), model.mixture.components)
    single = FiniteMixture.of(np.zeros(2, np.float32), model.mixture.components)
    odd = [replace(model, mixture=nowhere), replace(model, mixture=single), replace(model, segments=(0, 5))]
    odd += [replace(model, calibration=np.array(values)) for values in ([0.5, 0.1], [0.0, np.nan], [0.0, 2.0])]
    odd += [replace(model, segments=("a", "b"))]  # type: ignore[arg-type]
    for i, wrong in enumerate(odd):
        persistence.save(wrong, tmp_path / f"{i}.tacit", manifest={"record": {}})
        with pytest.raises(ModelFileError, match="do not fit together"):
            load_model(tmp_path / f"{i}.tacit")


@pytest.mark.parametrize(
    "manifest",
    [
        {"record": {}},
        {"record": {"verdict": 3}},
        {"record": {"verdict": {"status": "converged"}}, "estimator": {"kind": "dict"}},
        {"record": {"verdict": {"status": "converged"}}, "estimator": []},
        {
            "record": {"verdict": {"status": "converged"}},
            "estimator": {"kind": "dict", "names": ["x"], "parameters": {"depth": 3}},
        },
        {
            "record": {"verdict": {"status": "converged"}},
            "estimator": {"kind": "os", "names": ["x"], "parameters": {}},
        },
    ],
)
def test_a_manifest_that_is_not_that_of_a_fit_is_refused(
    model: TableMixture, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    path = tmp_path / "m.tacit"
    persistence.save(model, path, manifest=manifest)
    with pytest.raises(ModelFileError, match="not that of a fit"):
        load(path)
    for command in (("info", path), ("report", path, "-o", tmp_path / "r.html")):
        result = CliRunner().invoke(app, [str(part) for part in command])
        assert result.exit_code == 4
        assert result.stderr.startswith("error: ")


def test_filling_keeps_cells_order_and_types(model: TableMixture, table: Table) -> None:
    rows = encode(model.schema, table)
    done = filled(model, table, model.impute(rows))
    assert done.schema.equals(table.data.schema)
    for name in table.names:
        before, after = table.column(name).to_pylist(), done.column(name).to_pylist()
        assert None not in after
        assert [new for old, new in zip(before, after, strict=True) if old is not None] == [
            old for old in before if old is not None
        ]
