"""A table with its source, so that every complaint can name file, line and column."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tacit._errors import DataError, UsageError
from tacit.data import fingerprint
from tacit.data.columns import DEFAULT_TOKENS, DType, all_match, data_type, normalised
from tacit.data.csv_text import CsvText, check_names, delimiter_of
from tacit.data.findings import Finding

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".arrow", ".feather")
_DECIMAL_COMMA = r"^[+-]?\d*,\d+$|^[+-]?\d+$"
_IN_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})*$"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of int64, float64, bool, text or dates, all of one length; nulls are missing cells.

    Example:
        >>> table = read_table({"x": [1.5, None], "s": ["a", "b"]})
        >>> table.names, len(table), table.where(1, "x")
        (('x', 's'), 2, "dict, row 1, column 'x'")
    """

    data: pa.Table
    source: str
    findings: tuple[Finding, ...] = ()
    line: Callable[[int], int] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(self.data.column_names)

    def column(self, name: str) -> pa.Array:
        """One column as an Arrow array."""
        combined = self.data.column(name).combine_chunks()
        return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined

    def dtype(self, name: str) -> DType:
        """The data type of a column."""
        return data_type(self.column(name))

    def numbers(self, name: str) -> np.ndarray:
        """A numeric or bool column as float64, NaN where a cell is missing."""
        cells = pc.cast(self.column(name), pa.float64(), safe=False)
        return np.array(cells.to_numpy(zero_copy_only=False), dtype=np.float64)

    def present(self, name: str) -> np.ndarray:
        """Which cells of a column are not missing."""
        return np.asarray(self.column(name).is_valid().to_numpy(zero_copy_only=False), dtype=bool)

    def take(self, rows: np.ndarray) -> Table:
        """The rows named by index, in that order; complaints still name the original lines."""
        origin, line = np.asarray(rows), self.line
        moved = (lambda row: line(int(origin[row]))) if line else None
        return Table(self.data.take(pa.array(origin)), self.source, self.findings, moved)

    def where(self, row: int | None = None, column: str | None = None) -> str:
        """The place of a cell in words: source, line (or row, counted from 0, of a frame), column."""
        parts = [self.source]
        if row is not None:
            parts.append(f"line {self.line(row)}" if self.line else f"row {row}")
        if column is not None:
            parts.append(f"column {column!r}")
        return ", ".join(parts)

    def fingerprint(self) -> str:
        """SHA-256 over names, types and cells: equal for equal content, whatever file format it came in."""
        return fingerprint.of_columns((name, self.column(name)) for name in self.names)


def read_table(
    source: Any,
    *,
    missing: Sequence[str] = DEFAULT_TOKENS,
    names: Sequence[str] | None = None,
    title: str | None = None,
) -> Table:
    """Read a file ("-" is CSV on standard input), a frame, a dict of arrays or a two-dimensional array.

    Nothing is guessed from the first rows: a text column becomes int64, float64 or bool only if every
    present cell reads as such. Cells are trimmed and blank lines are skipped.

    Args:
        source: a path (.csv .tsv, also .gz; .parquet .arrow .feather), "-", a frame that narwhals takes,
            a dict, or an array of shape (n, d), whose columns are called `names` (or x0, x1, ...).
        missing: tokens read as missing.
        names: column names of an array.
        title: what complaints call the table; its path or its sort unless given.

    Raises:
        DataError: the file is missing, unreadable, damaged or empty; a name is blank or double; a cell is
            infinite.
        UsageError: the source is of no known sort.
    """
    tokens = tuple(missing)
    if isinstance(source, Table):
        return source
    if isinstance(source, str | Path):
        return _read_file(str(source), tokens, title)
    if isinstance(source, np.ndarray):
        return _read_array(source, tokens, names, title)
    if isinstance(source, Mapping):
        columns = [_arrow(name, values) for name, values in source.items()]
        return _table([str(name) for name in source], columns, title or "dict", tokens)
    if isinstance(source, pa.Table):
        return _table(source.column_names, source.columns, title or "arrow table", tokens)
    return _read_frame(source, tokens, title)


def _read_file(path: str, missing: tuple[str, ...], title: str | None) -> Table:
    name = title or ("standard input" if path == "-" else path)
    suffix = ".csv" if path == "-" else next((s for s in _SUFFIXES if path.lower().endswith(s)), None)
    if suffix is None:
        raise DataError(
            "The ending of the file name is not one that can be read.",
            where=name,
            mend=f"Use one of {', '.join(_SUFFIXES)}.",
        )
    content = _content(path, name)
    if suffix.startswith((".csv", ".tsv")):
        default = "\t" if suffix.startswith(".tsv") else ","
        text = CsvText(content, name, delimiter_of(content, default))
        found_names, columns = text.read()
        table = _table(found_names, columns, name, missing, line=text.line)
        return Table(table.data, name, (*table.findings, *_of_layout(text, found_names, default)), text.line)
    data = _read_binary(content, name, suffix)
    return _table(data.column_names, data.columns, name, missing)


def _of_layout(text: CsvText, names: list[str], default: str) -> list[Finding]:
    """What the layout of a CSV file leaves open."""
    found = []
    if text.delimiter != default:
        message = f"The header line is separated by {text.delimiter!r}; read as such."
        found.append(Finding("note", "separator", message))
    blank = text.blank_lines() if len(names) == 1 else 0
    if blank:
        message = f"{blank} blank lines were skipped; in a table of one column they may be missing cells."
        found.append(Finding("warning", "blank-lines", message, column=names[0], mend="Write NA for a missing cell."))
    return found


def _content(path: str, name: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        content = Path(path).read_bytes()
        return gzip.decompress(content) if path.lower().endswith(".gz") else content
    except FileNotFoundError:
        raise DataError("There is no such file.", where=name, mend="Check the path.") from None
    except IsADirectoryError:
        raise DataError("This is a folder, not a file.", where=name, mend="Name a file in it.") from None
    except PermissionError:
        raise DataError("The file may not be read.", where=name, mend="Ask for permission to read it.") from None
    except (OSError, EOFError) as error:
        raise DataError(f"The file cannot be read: {error}.", where=name, mend="Copy or export it again.") from None


def _read_binary(content: bytes, name: str, suffix: str) -> pa.Table:
    import pyarrow.feather
    import pyarrow.parquet

    try:
        if suffix == ".parquet":
            return pyarrow.parquet.read_table(pa.BufferReader(content))
        return pyarrow.feather.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"The file cannot be read as {suffix[1:]}: {error}", where=name, mend="Copy or export it again."
        ) from None


def _read_array(array: np.ndarray, missing: tuple[str, ...], names: Sequence[str] | None, title: str | None) -> Table:
    if array.ndim != 2:
        raise UsageError(f"An array of shape {array.shape} is not a table.", mend="Give two dimensions: rows, columns.")
    titles = [f"x{j}" for j in range(array.shape[1])] if names is None else [str(name) for name in names]
    if len(titles) != array.shape[1]:
        raise UsageError(f"{len(titles)} names for {array.shape[1]} columns.", mend="Give one name a column.")
    columns = [_arrow(name, array[:, j]) for j, name in enumerate(titles)]
    return _table(titles, columns, title or "array", missing)


def _read_frame(source: Any, missing: tuple[str, ...], title: str | None) -> Table:
    import narwhals as nw

    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError:
        raise UsageError(
            f"A {type(source).__name__} is not a table.",
            mend="Give a path, a frame, a dict of columns, or an array of shape (n, d).",
        ) from None
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"The frame cannot be read: {error}", mend="Give each column its own name.") from None
    titles = [str(name) for name in frame.columns]
    columns = [_arrow(name, frame.get_column(name)) for name in frame.columns]
    return _table(titles, columns, title or f"{frame.implementation.value} frame", missing)


def _arrow(name: Any, values: Any) -> pa.Array | pa.ChunkedArray:
    """A column of a frame, dict or array as Arrow; cells of several Python types become text."""
    if np.isscalar(values) or getattr(values, "ndim", 1) != 1:
        raise UsageError(f"Column {name!r} is not one-dimensional.", mend="Give one cell a row.")
    try:
        return values.to_arrow() if hasattr(values, "to_arrow") else pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        cells = values.to_list() if hasattr(values, "to_list") else list(values)
        texts = [None if cell is None or cell != cell else str(cell) for cell in cells]
        return pa.array(texts, pa.string())


def _table(
    names: Iterable[str],
    columns: Iterable[pa.Array | pa.ChunkedArray],
    source: str,
    missing: tuple[str, ...],
    line: Callable[[int], int] | None = None,
) -> Table:
    titles, findings, cells = list(names), [], []
    check_names(titles, source)
    for name, column in zip(titles, columns, strict=True):
        combined = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
        before = pa.concat_arrays(combined.chunks) if combined.num_chunks else pa.array([], combined.type)
        after = normalised(before, missing)
        if line is None and data_type(before) == "text" and data_type(after) in ("int", "float"):
            message = "The cells are numbers written as text; read as numbers."
            findings.append(Finding("note", "numeric-text", message, column=name))
        if data_type(after) == "text" and _has_decimal_commas(after):
            message = "Every present cell is a number with a decimal comma; read as text."
            mend = "Write the numbers with a decimal point."
            if all_match(after, _IN_THOUSANDS):
                message = "Every present cell is a number with commas, which may mark thousands; read as text."
                mend = "Write 1,234 as 1234 if it is above a thousand, as 1.234 if the comma is decimal."
            findings.append(Finding("warning", "decimal-comma", message, column=name, mend=mend))
        cells.append(after)
    if not titles or not len(cells[0]):
        raise DataError("There is no row of data.", where=source, mend="Give at least one row.")
    if len({len(column) for column in cells}) > 1:
        lengths = ", ".join(f"{name}: {len(column)}" for name, column in zip(titles, cells, strict=True))
        raise DataError(f"The columns differ in length ({lengths}).", where=source, mend="Give one cell a row.")
    table = Table(pa.table(cells, names=titles), source, tuple(findings), line)
    for name, column in zip(titles, cells, strict=True):
        if pa.types.is_floating(column.type) and pc.any(pc.is_inf(column)).as_py():
            row = int(np.flatnonzero(np.isinf(table.numbers(name)))[0])
            raise DataError(
                f"The value is infinite ({table.numbers(name)[row]:+}).",
                where=table.where(row, name),
                mend="Leave the cell empty if the value is not known.",
            )
    return table


def _has_decimal_commas(cells: pa.Array) -> bool:
    """Whether every present cell of a text column reads as a number once its commas are points, or are gone."""
    present = len(cells) > cells.null_count
    return present and (all_match(cells, _DECIMAL_COMMA) or all_match(cells, _IN_THOUSANDS))
