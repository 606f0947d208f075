"""Tables out: to files, whole or not at all, and back to the kind of frame that came in."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from tacit._errors import OutputError
from tacit._files import atomic_write, check_ending
from tacit.data.table import Table

_SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow", ".feather")


def write_table(columns: Mapping[str, Any] | Table | pa.Table, target: str | Path, *, force: bool = False) -> None:
    """Write columns as .csv, .tsv, .parquet, .arrow or .feather, or as CSV to standard output ("-").

    Missing cells are empty in CSV; floats are written so that they read back exactly.

    Raises:
        OutputError: the target exists and `force` is not set, or it cannot be written; an old file stays whole.
        UsageError: the ending of the name is unknown.
    """
    table = _arrow_table(columns)
    if str(target) == "-":
        if sys.stdout is None:  # closed by whoever began the process
            raise OutputError("it is closed.", where="standard output", mend="Write to a file.")
        sys.stdout.write(_csv(table, ",").decode())
        return
    suffix = check_ending(target, _SUFFIXES)
    with atomic_write(target, force=force) as handle:
        if suffix in (".csv", ".tsv"):
            handle.write(_csv(table, "\t" if suffix == ".tsv" else ","))
        elif suffix == ".parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(table, handle)
        else:
            import pyarrow.feather

            pyarrow.feather.write_feather(table, handle)


def to_native(columns: Mapping[str, Any], like: Any) -> Any:
    """Columns as the kind of frame that `like` is (pandas, polars, Arrow); else as a dict of arrays.

    Example:
        >>> to_native({"x": [1, 2]}, like=pa.table({"y": [0.5]})).column_names
        ['x']
    """
    if like is None or isinstance(like, str | Path | Mapping | np.ndarray | Table):
        return dict(columns)
    import narwhals as nw

    backend = nw.from_native(like, eager_only=True).implementation
    return nw.from_arrow(_arrow_table(columns), backend=backend).to_native()


def _arrow_table(columns: Mapping[str, Any] | Table | pa.Table) -> pa.Table:
    if isinstance(columns, Table):
        return columns.data
    if isinstance(columns, pa.Table):
        return columns
    arrays = [pa.array(values, from_pandas=True) for values in columns.values()]
    return pa.table(arrays, names=[str(name) for name in columns])


def _csv(table: pa.Table, delimiter: str) -> bytes:
    """CSV with quotes only where some text needs them."""
    for style in ("none", "needed"):
        buffer = io.BytesIO()
        options = pa_csv.WriteOptions(delimiter=delimiter, quoting_style=style, quoting_header=style)
        with contextlib.suppress(pa.ArrowInvalid):
            pa_csv.write_csv(table, buffer, options)
            return buffer.getvalue()
    raise AssertionError("CSV with quotes can hold any text")
