"""The targets that come beside X, as columns of a table; what cannot be a target is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from tacit._errors import DataError
from tacit.data.facts import Facts
from tacit.data.kinds import infer_kind
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table

_CENSORED = "Fit the rows whose target is known, or use a model of survival times."


def read_targets(estimator: Any, y: Any, *, taken: Sequence[str] = (), names: Sequence[str] | None = None) -> Table:
    """Targets (n,) or (n, t), a Series, frame or dict as a table.

    Columns without a name are called y, or y0, y1, ... (y_ where `taken` has y); with `names`, those of the fit, they
    are called so, and the columns of a frame are found by name. Raises `DataError` for what is no target: none at
    all, a censored one, an infinite value.
    """
    if y is None:
        what = f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        raise DataError(what, where="y", mend="Give the target of every row.")
    _refuse_censored(y)
    title = "y"
    while any((name.startswith(title) and name[len(title) :].isdigit()) or name == title for name in taken):
        title += "_"
    table = replace(_table(y, title), source="y")
    if sorted("bool" if table.dtype(name) == "bool" else "number" for name in table.names) == ["bool", "number"]:
        raise DataError("one target says whether the other is known: it is censored.", where="y", mend=_CENSORED)
    if names is None:
        return table
    if set(names) <= set(table.names):
        return replace(table, data=table.data.select(list(names)))
    if len(names) != len(table.names):
        known = ", ".join(names)
        raise DataError(f"{len(table.names)} columns where the targets are {known}.", where="y", mend="Give those.")
    return replace(table, data=table.data.rename_columns(list(names)))


def joined(features: Table, targets: Table) -> Table:
    """Covariates and targets side by side; raises `DataError` where they do not fit."""
    if len(targets) != len(features):
        what = f"Found input variables with inconsistent numbers of samples: {len(features)} rows of X, {len(targets)}"
        raise DataError(f"{what} of y.", where="y", mend="Give one target a row.")
    twice = [name for name in targets.names if name in features.names]
    if twice:
        raise DataError(f"the target {twice[0]!r} is a column of X as well.", where="X", mend="Leave it out of X.")
    table = pa.table([*features.data.columns, *targets.data.columns], names=[*features.names, *targets.names])
    return replace(features, data=table, findings=(*features.findings, *targets.findings))


def schema_of(table: Table, targets: Sequence[str], types: Mapping[str, str] | None) -> Schema:
    """The schema of covariates and targets; raises `DataError` for a target that is missing or constant throughout.

    They were chosen by hand: whole numbers that look like the numbers of rows are numbers all the same.
    """
    chosen = dict(types or {})
    for name in table.names:
        facts = Facts.of(table, name)
        if name in targets and not facts.n:
            raise DataError("no row has its target.", where=table.where(column=name), mend="Fill in the target.")
        if name in targets and facts.n_distinct == 1:
            mend = "Choose another target: this one needs no model."
            raise DataError("the target has one value in all rows.", where=table.where(column=name), mend=mend)
        if name in chosen or not facts.numeric or facts.n_distinct < 2 or facts.beyond_exact:
            continue
        if infer_kind(facts, table)[0] == "id":
            chosen[name] = "real"
    return Schema.infer(table, types=chosen)


def _table(y: Any, title: str) -> Table:
    import narwhals as nw

    if isinstance(y, Mapping | Table | pa.Table) or nw.dependencies.is_into_dataframe(y):
        return read_table(y)
    if nw.dependencies.is_into_series(y):
        name = nw.from_native(y, series_only=True).name
        return read_table({title if name in (None, "") else str(name): y})
    if hasattr(y, "tocsr"):
        raise DataError("a sparse target.", where="y", mend="Use y.toarray().")
    array = np.asarray(y)
    if array.ndim == 0 or array.ndim > 2 or 0 in array.shape:
        raise DataError(f"shape {array.shape}.", where="y", mend="Give (n,) or (n, t) values.")
    if array.ndim == 1 or array.shape[1] == 1:
        return read_table({title: array.reshape(-1)})
    return read_table(array, names=[f"{title}{j}" for j in range(array.shape[1])])


def _refuse_censored(y: Any) -> None:
    """Structured arrays of (event, time), and infinite values, which stand for bounds of what is not known."""
    fields = getattr(getattr(y, "dtype", None), "names", None)
    if fields:
        held = [name for name in fields if y.dtype[name].kind == "b"]
        what = f"the field {held[0]!r} says which rows are censored" if held else f"a structured array of {fields}"
        raise DataError(f"{what}; a censored target is not modelled.", where="y", mend=_CENSORED)
    array = np.asarray(y) if isinstance(y, np.ndarray | list | tuple) else np.zeros(0)
    if array.dtype.kind == "f" and np.isinf(array).any():
        row = int(np.argwhere(np.isinf(array))[0, 0])
        what = f"the target of row {row} is infinite; as the bound of a censored value it is not modelled."
        raise DataError(what, where="y", mend=_CENSORED)
