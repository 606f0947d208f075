"""A GaussianMixture as the mixture of a table whose columns are all real: what every command can ask of its file."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from tacit._errors import UsageError
from tacit.data import fingerprint
from tacit.data.column import Column
from tacit.data.schema import Schema
from tacit.distributions import Product
from tacit.estimators._covariances import COVARIANCES, Covariance
from tacit.estimators._units import Units
from tacit.models import FiniteMixture
from tacit.workflow.describe import components
from tacit.workflow.json_values import as_json
from tacit.workflow.made_by import made_by
from tacit.workflow.model_file import table_manifest
from tacit.workflow.record import as_warning, choice, ending
from tacit.workflow.table_mixture import TableMixture

if TYPE_CHECKING:
    from tacit.estimators.gaussian_mixture import GaussianMixture

CLASS = "GaussianMixture"  # in the manifest: which estimator a file of a table's mixture is loaded as
STREAMING = "streaming"  # the verdict of a stream of chunks
WHY = "a column of a GaussianMixture"


@dataclass(frozen=True)
class Fitted:
    """What a file says of a fit beside its parameters: taken when it ends, whatever is set on the estimator later."""

    names: tuple[str, ...]  # of the columns, as a table has them
    named: bool  # by the rows; else they are x0, x1, ...
    parameters: dict[str, Any]  # as JSON
    data: dict[str, Any]  # of a record
    total: float  # weight of the rows
    chunks: int = 0  # of a stream, that were seen

    @property
    def floor(self) -> float:
        """The least standard deviation of a column, in the user's units."""
        return math.sqrt(self.parameters["reg_covar"])


def fitted(estimator: GaussianMixture, X: Float[np.ndarray, "n d"], total: float) -> Fitted:
    """Of a fit to rows X of that total weight."""
    names = getattr(estimator, "feature_names_in_", None)
    own = tuple(f"x{j}" for j in range(X.shape[1])) if names is None else tuple(map(str, names))
    parameters = _parameters(estimator)
    columns = [
        {
            "name": name,
            "kind": "real",
            "why": WHY,
            "missing": int(np.isnan(column).sum()),
            "summary": f"{np.nanmin(column):.4g} to {np.nanmax(column):.4g}",
            "floor": math.sqrt(parameters["reg_covar"]) or None,
        }
        for name, column in zip(own, X.T, strict=True)
    ]
    data = {
        "source": "array" if names is None else "data frame",
        "rows": len(X),
        "rows_train": len(X),
        "rows_heldout": 0,
        "fingerprint": fingerprint.of_rows(X, own),
        "columns": columns,
    }
    return Fitted(own, names is not None, parameters, data, total)


def with_chunk(past: Fitted, X: Float[np.ndarray, "n d"], total: float) -> Fitted:
    """After another chunk of a stream: rows and holes are counted, ranges and fingerprint unknown."""
    rows = past.data["rows"] + len(X)
    columns = [
        {**column, "missing": column["missing"] + int(np.isnan(cells).sum()), "summary": None}
        for column, cells in zip(past.data["columns"], X.T, strict=True)
    ]
    data = {**past.data, "rows": rows, "rows_train": rows, "fingerprint": None, "columns": columns}
    return replace(past, data=data, total=past.total + total, chunks=past.chunks + 1)


def table_of(model: FiniteMixture, kind: Covariance, units: Units, names: Sequence[str], floor: float) -> TableMixture:
    """The same density over named real columns; `floor` is the least standard deviation, in the user's units."""
    columns = [
        Column(name, "real", center=float(center), scale=float(scale), floor=floor, why=WHY)
        for name, center, scale in zip(names, units.centre, units.scale, strict=True)
    ]
    stack = jax.tree.map(np.asarray, kind.as_full(model.components))
    return TableMixture(Schema(tuple(columns)), FiniteMixture.of(model.log_weights, Product((stack,))))


def check_names(names: Sequence[str]) -> None:
    """Raise `UsageError` for names that no table can have."""
    if not all(name.strip() for name in names):
        mend = "Give each column a name of its own."
        raise UsageError(f"{list(names)} cannot be the columns of a model file.", where="save", mend=mend)


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
    ours, theirs = (jax.tree.leaves((one.mixture, one.calibration)) for one in (same, table))
    alike = all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    if not alike or (same.schema, same.segments) != (table.schema, table.segments):
        raise ValueError(covariance_type)
    return model, kind, units


def manifest_of(estimator: GaussianMixture, table: TableMixture) -> dict[str, Any]:
    """What the file says beside the model; no rows were held out, so there is no figure."""
    of_fit = estimator._fitted
    shared = {
        "class": CLASS,
        "named": of_fit.named,
        "parameters": of_fit.parameters,
        "n_iter": estimator.n_iter_,
        "lower_bound": estimator.lower_bound_,
        "total": of_fit.total,
        "chunks": of_fit.chunks,
    }
    return {**table_manifest(table, _record(estimator, table), all_rows=True), "estimator": as_json(shared)}


def of_manifest(found: dict[str, Any]) -> Fitted:
    """What the manifest says of the fit; raises what one that is not ours raises."""
    saved, data = found["estimator"], found["record"]["data"]
    names = tuple(column["name"] for column in data["columns"])
    if type(saved["named"]) is not bool or type(saved["chunks"]) is not int:
        raise TypeError(saved["named"], saved["chunks"])
    return Fitted(names, saved["named"], saved["parameters"], data, float(saved["total"]), saved["chunks"])


def _record(estimator: GaussianMixture, table: TableMixture) -> dict[str, Any]:
    """The fit as a report shows it."""
    of_fit, streaming = estimator._fitted, estimator.verdict_ == STREAMING
    record = {
        "title": f"{CLASS}, {of_fit.parameters['covariance_type']} covariance",
        "created": time.strftime("%Y-%m-%d"),
        "model": "mixture",
        "k": estimator.n_components_,
        "verdict": {"status": estimator.verdict_, "text": _ending(estimator)},
        "warnings": [as_warning(finding) for finding in estimator.findings_],
        "data": of_fit.data,
        "selection": _as_given(estimator.n_components_) if streaming else choice(estimator.selection_),
        "heldout": [],
        "differences": [],
        "restarts": [] if streaming else _restarts(estimator),
        "components": components(table, of_fit.total),
        "anomalies": [],
        "settings": {name: value for name, value in of_fit.parameters.items() if value is not None},
        **made_by(),
    }
    clean: dict[str, Any] = as_json(record)
    return clean


def _ending(estimator: GaussianMixture) -> str:
    """How the fit ended, in a sentence."""
    if estimator.verdict_ == STREAMING:
        more = estimator._fitted.chunks - 1
        return f"EM on a first chunk of rows, then a step of stepwise EM on each of {more} more."
    return ending(estimator.verdict_, estimator.n_iter_, estimator.selection_.fit.drop)


def _as_given(k: int) -> dict[str, Any]:
    """Of a stream, where figures would be those of its first chunk."""
    return {"method": "fixed", "rule": "As given.", "chosen": k, "best": k, "n_segments": None, "table": []}


def _restarts(estimator: GaussianMixture) -> list[dict[str, Any]]:
    """Every start of the chosen number of components, in nats a row."""
    total, chosen = estimator._fitted.total, estimator.selection_.chosen
    return [
        {**start, "start": start["start"] + 1, "log_likelihood": start["log_likelihood"] / total}
        for start in estimator.restarts_
        if start["k"] == chosen
    ]


def _parameters(estimator: GaussianMixture) -> dict[str, Any]:
    """The parameters as JSON: a state of random numbers becomes None, and splits the number of folds."""
    given = estimator.get_params(deep=False)
    arrays = ("n_components", "weights_init", "means_init", "precisions_init")
    lists = {name: np.asarray(given[name]).tolist() for name in arrays if given[name] is not None}
    seed = given["random_state"] if isinstance(given["random_state"], Integral) else None
    cv = given["cv"] if isinstance(given["cv"], Integral) else 5
    parameters: dict[str, Any] = as_json({**given, **lists, "random_state": seed, "cv": cv})
    return parameters
