"""A table back with its missing cells filled, or several drawn, in the kind that it came in."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np

from tacit._errors import TacitWarning, UsageError
from tacit.data.encode import Rows
from tacit.data.table import Table
from tacit.estimators import _tables
from tacit.estimators._random import seed_of
from tacit.workflow.filling import filled, left_missing


def imputed(model: Any, X: Any, table: Table, rows: Rows, draws: int | None, random_state: Any) -> Any:
    """X, read as `table` and encoded as `rows`, with its missing cells filled; with `draws` a list of that many.

    A `TacitWarning` names columns with missing cells that the model does not have: those stay.
    """
    if draws is not None and (not isinstance(draws, Integral) or draws < 1):
        raise UsageError(f"{draws} draws.", where="draws", mend="Ask for one or more.")
    if left := left_missing(model, table):
        warnings.warn(left, TacitWarning, stacklevel=3)
    kind = _tables.kind_of(X)
    index = X.index if kind == "pandas" else None

    def whole(y: np.ndarray) -> Any:
        return _tables.as_kind(filled(model, table, y), kind, names=table.names, index=index)

    if draws is None:
        return whole(model.impute(rows))
    events = model.draw(rows, int(draws), seed_of(random_state))
    return [whole(events[:, s]) for s in range(draws)]
