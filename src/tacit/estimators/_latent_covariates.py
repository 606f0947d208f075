"""The covariates that come beside the rows of a deep model: columns of a table that it does not model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tacit._errors import DataError, TacitWarning, UsageError
from tacit.data.encode import Rows
from tacit.data.table import Table, read_table
from tacit.estimators._targets import schema_of
from tacit.workflow.latent_fit import Inputs
from tacit.workflow.latent_table import LatentTable

_WHERE = "covariates"


def read_covariates(covariates: Any, n: int | None, *, names: Sequence[str] | None = None) -> Table:
    """Covariates (n, p) as a table: a frame, a dict, a Series, or an array, whose columns are c0, c1, ... or `names`.

    Raises `DataError` for what is no table of n rows (of any number where n is None).
    """
    import narwhals as nw

    if isinstance(covariates, Mapping | Table | str | Path) or nw.dependencies.is_into_dataframe(covariates):
        table = read_table(covariates)
    elif nw.dependencies.is_into_series(covariates):
        name = nw.from_native(covariates, series_only=True).name
        table = read_table({str(name or (names[0] if names else "c0")): covariates})
    else:
        table = _of_array(covariates, names)
    if n is not None and len(table) != n:
        what = f"{len(table)} rows of covariates for {n} rows."
        raise DataError(what, where=_WHERE, mend="Give one row of covariates for every row.")
    return replace(table, source=_WHERE)


def _of_array(covariates: Any, names: Sequence[str] | None) -> Table:
    array = np.asarray(covariates.toarray() if hasattr(covariates, "toarray") else covariates)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"shape {array.shape}.", where=_WHERE, mend="Give (n, p) values, or a frame.")
    if names is not None and array.shape[1] != len(names):
        what = f"{array.shape[1]} columns where the model was fitted with {len(names)}: {', '.join(names)}."
        raise DataError(what, where=_WHERE, mend="Give the same columns, in the same order.")
    return read_table(array, names=list(names) if names else [f"c{j}" for j in range(array.shape[1])])


def inputs_of(table: Table, modelled: Sequence[str], types: Mapping[str, str] | None) -> Inputs:
    """How covariates are read; raises `DataError` where one of them is a column of the rows as well."""
    twice = [name for name in table.names if name in modelled]
    if twice:
        what = f"{twice[0]!r} is a column of X as well: a column cannot be given and be told by the model."
        raise DataError(what, where=_WHERE, mend="Leave it out of one of them.")
    return Inputs(schema_of(table, (), types), table)


def with_covariates(model: LatentTable, names: Sequence[str], rows: Rows, covariates: Any) -> Rows:
    """The rows with their covariates beside them; raises `UsageError` where these are missing, or not wanted."""
    x = encoded(model, names, covariates, len(rows))
    return rows if x is None else replace(rows, x=x)


def encoded(model: LatentTable, names: Sequence[str], covariates: Any, n: int | None) -> np.ndarray | None:
    """x (n, p) of n rows of covariates, None of a model without any; what was noticed is warned of."""
    if model.covariates is None:
        if covariates is not None:
            mend = "Leave them out, or give them to fit."
            raise UsageError("the model was fitted without covariates.", where=_WHERE, mend=mend)
        return None
    if covariates is None:
        what = f"the model is of the rows given {', '.join(names)}, which are needed here too."
        raise UsageError(what, where=_WHERE, mend="Give covariates=..., one row of them for every row.")
    found = model.covariates.encode(read_covariates(covariates, n, names=names))
    for finding in found.findings:
        if finding.severity == "warning":
            warnings.warn(str(finding), TacitWarning, stacklevel=5)
    return found.x
