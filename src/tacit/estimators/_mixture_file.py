"""A GaussianMixture as the mixture of a table whose columns are all real: what every command can ask of its file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from tacit._errors import UsageError
from tacit.data import fingerprint
from tacit.data.column import Column
from tacit.data.schema import Schema
from tacit.data.soundness import is_sound
from tacit.distributions import Product
from tacit.estimators._covariances import COVARIANCES, Covariance
from tacit.estimators._units import Units
from tacit.models import FiniteMixture
from tacit.workflow.describe import components
from tacit.workflow.json_values import as_json
from tacit.workflow.made_by import made_by
from tacit.workflow.model_file import table_manifest
from tacit.workflow.record import as_warning, ending
from tacit.workflow.table_mixture import TableMixture

if TYPE_CHECKING:
    from tacit.estimators.gaussian_mixture import GaussianMixture

CLASS = "GaussianMixture"  # in the manifest: which estimator a file of a table's mixture is loaded as
WHY = "a column of a GaussianMixture"


def facts(X: Float[np.ndarray, "n d"], names: Sequence[str]) -> dict[str, Any]:
    """What a record says of the rows that were fitted: how many, holes, ranges and a fingerprint, but no row."""
    columns = [
        {
            "name": name,
            "kind": "real",
            "why": WHY,
            "missing": int(np.isnan(column).sum()),
            "summary": f"{np.nanmin(column):.4g} to {np.nanmax(column):.4g}",
        }
        for name, column in zip(names, X.T, strict=True)
    ]
    return {
        "source": "array",
        "rows": len(X),
        "rows_train": len(X),
        "rows_heldout": 0,
        "fingerprint": fingerprint.of_rows(X, names),
        "columns": columns,
    }


def with_chunk(told: dict[str, Any], X: Float[np.ndarray, "n d"]) -> dict[str, Any]:
    """The facts of a stream after another chunk: rows and holes are counted, ranges and fingerprint unknown."""
    rows = told["rows"] + len(X)
    columns = [
        {**column, "missing": column["missing"] + int(np.isnan(cells).sum()), "summary": None}
        for column, cells in zip(told["columns"], X.T, strict=True)
    ]
    return {**told, "rows": rows, "rows_train": rows, "fingerprint": None, "columns": columns}


def table_of(model: FiniteMixture, kind: Covariance, units: Units, names: Sequence[str], floor: float) -> TableMixture:
    """The same density over named real columns; `floor` is the least standard deviation, in the user's units.

    Raises `UsageError` for names that a table cannot have.
    """
    columns = [
        Column(name, "real", center=float(center), scale=float(scale), floor=floor, why=WHY)
        for name, center, scale in zip(names, units.centre, units.scale, strict=True)
    ]
    schema = Schema(tuple(columns))
    if not is_sound(schema):
        mend = "Give each column a name of its own."
        raise UsageError(f"{list(names)} cannot be the columns of a model file.", where="save", mend=mend)
    stack = jax.tree.map(np.asarray, kind.as_full(model.components))
    return TableMixture(schema, FiniteMixture.of(model.log_weights, Product((stack,))))


def parts_of(table: TableMixture, covariance_type: str) -> tuple[FiniteMixture, Covariance, Units]:
    """What `table_of` made a table's mixture of; raises `ValueError` where it made it of something else."""
    kind, columns = COVARIANCES[covariance_type], table.schema.modelled
    units = Units(
        np.array([column.center for column in columns]),
        np.frexp([column.scale for column in columns])[1] - 1,
    )
    (full,) = table.mixture.components.blocks
    model = FiniteMixture.of(table.mixture.log_weights, kind.of_full(full))
    same = table_of(model, kind, units, table.schema.names, columns[0].floor)
    leaves = zip(jax.tree.leaves(same.mixture), jax.tree.leaves(table.mixture), strict=True)
    if same.schema != table.schema or not all(np.array_equal(a, b) for a, b in leaves):
        raise ValueError(covariance_type)
    return model, kind, units


def manifest_of(fitted: GaussianMixture, table: TableMixture) -> dict[str, Any]:
    """What the file says beside the model; no rows were held out, so there is no figure."""
    record = _record(fitted, table)
    names = getattr(fitted, "feature_names_in_", None)
    estimator = {
        "class": CLASS,
        "names": None if names is None else list(names),
        "parameters": _parameters(fitted),
        "n_iter": fitted.n_iter_,
        "lower_bound": fitted.lower_bound_,
    }
    return {**table_manifest(table, record, all_rows=True), "estimator": as_json(estimator)}


def _record(fitted: GaussianMixture, table: TableMixture) -> dict[str, Any]:
    """The fit as a report shows it."""
    selection, total = fitted.selection_, fitted._total
    own = [start for start in fitted.restarts_ if start["k"] == selection.chosen]
    record = {
        "title": CLASS,
        "created": time.strftime("%Y-%m-%d"),
        "model": "mixture",
        "k": fitted.n_components_,
        "verdict": {
            "status": fitted.verdict_,
            "text": ending(fitted.verdict_, fitted.n_iter_, selection.fit.drop),
        },
        "warnings": [as_warning(finding) for finding in fitted.findings_],
        "data": fitted._facts,
        "selection": {**selection.to_dict(), "rule": f"{selection.rule[0].upper()}{selection.rule[1:]}."},
        "heldout": [],
        "differences": [],
        "restarts": [
            {**start, "start": start["start"] + 1, "log_likelihood": start["log_likelihood"] / total} for start in own
        ],
        "components": [{**card, "index": card["index"] + 1} for card in components(table, total)],
        "anomalies": [],
        "settings": {"seed": 0, **{name: value for name, value in _parameters(fitted).items() if value is not None}},
        **made_by(),
    }
    clean: dict[str, Any] = as_json(record)
    return clean


def _parameters(fitted: GaussianMixture) -> dict[str, Any]:
    """The parameters as JSON: a state of random numbers becomes None, and splits the number of folds."""
    given = fitted.get_params(deep=False)
    arrays = ("n_components", "weights_init", "means_init", "precisions_init")
    lists = {name: np.asarray(given[name]).tolist() for name in arrays if given[name] is not None}
    seed = given["random_state"] if isinstance(given["random_state"], Integral) else None
    cv = given["cv"] if isinstance(given["cv"], Integral) else 5
    parameters: dict[str, Any] = as_json({**given, **lists, "random_state": seed, "cv": cv})
    return parameters
