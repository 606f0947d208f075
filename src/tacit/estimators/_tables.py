"""Tables in and out of an estimator: any frame, dict or array in, and the same kind out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from tacit._errors import DataError
from tacit.data.table import Table, read_table

KINDS = ("dict", "numpy", "pandas", "polars", "pyarrow", "modin", "cudf")  # of tables that come back


def kind_of(X: Any) -> str:
    """ "dict", "numpy", or the library that a frame belongs to."""
    import narwhals as nw

    if isinstance(X, Mapping | Table | str | Path) and not issparse(X):  # one sort of sparse array is a Mapping
        return "dict"
    return nw.from_native(X, eager_only=True).implementation.value if nw.dependencies.is_into_dataframe(X) else "numpy"


def read(estimator: Any, X: Any, *, reset: bool) -> Table:
    """X as a table; arrays, whose columns have no names, are checked as scikit-learn does. Raises `DataError`.

    With `reset`, `n_features_in_` and (for columns with names) `feature_names_in_` are set.
    """
    if kind_of(X) == "numpy":
        try:
            fewest = 2 if reset else 1
            array = validate_data(
                estimator, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=fewest
            )
        except ValueError as error:
            raise DataError(str(error), where="X") from error
        return read_table(array, names=getattr(estimator, "feature_names_in_", None))
    table = read_table(X)
    if reset:
        estimator.n_features_in_ = len(table.names)
        estimator.feature_names_in_ = np.array(table.names, dtype=object)
    return table


def arrow(columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Decoded columns as Arrow; NaN and None are missing cells."""
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def as_kind(table: pa.Table, kind: str, *, names: tuple[str, ...] = (), index: Any = None) -> Any:
    """The table as a frame of that library, a dict of arrays, or an array with the columns `names`.

    A column of the array that the table lacks is missing in every row; `index` is that of a pandas frame.
    """
    if kind in ("dict", "numpy"):
        columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
        if kind == "dict":
            return columns
        absent = np.full(len(table), np.nan)
        return np.stack([columns.get(name, absent) for name in names], axis=1)
    import narwhals as nw

    backend: Any = kind
    frame = nw.from_arrow(table, backend=backend).to_native()
    return frame if index is None else frame.set_axis(index, axis=0)
