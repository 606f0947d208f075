"""CSV read with pinned options: every cell as text, every defect named with its line in the file."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pa_csv

from tacit._errors import DataError, shown

_SENTINEL = "\x1etacit-end\x1e"


@dataclass(frozen=True)
class CsvText:
    """The bytes of a CSV file with the name people know it by."""

    content: bytes
    source: str
    delimiter: str = ","

    def read(self) -> tuple[list[str], list[pa.ChunkedArray]]:
        """Column names and columns of text.

        Raises:
            DataError: empty file, header only, ragged row, open quote, not UTF-8, bad column names.
        """
        if not self.content.strip():
            raise DataError("The file is empty.", where=self.source, mend="Give a header line and rows below it.")
        self._check_encoding()
        names = self._header()
        check_names(names, self.source)
        keys = [str(j) for j in range(len(names))]
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(self.content),
                read_options=pa_csv.ReadOptions(column_names=keys, skip_rows_after_names=1),
                parse_options=pa_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._diagnosis(len(names), str(error)) from None
        if self.content.count(b'"') % 2:
            self._check_open_quote()
        if table.num_rows == 0:
            raise DataError(
                "There is a header but no row of data.", where=self.source, mend="Add rows below the header."
            )
        return names, table.columns

    def line(self, row: int) -> int:
        """The line of the file on which data row `row` (from 0) begins: blank lines and line breaks count."""
        for index, (line, _) in enumerate(self._records()):
            if index == row + 1:
                return line
        return row + 2

    def blank_lines(self) -> int:
        """Blank lines between the header and the last record: they are skipped."""
        records = [line for line, _ in self._records()]
        spans = self.content[: len(self.content.rstrip())].count(b"\n") + 1
        return max(spans - len(records), 0) if b'"' not in self.content else 0

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Records that are not blank, the header first, each with the line on which it begins."""
        text = io.TextIOWrapper(io.BytesIO(self.content), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, delimiter=self.delimiter)
        begins = 1
        try:
            for record in reader:
                if record:
                    yield begins, record
                begins = reader.line_num + 1
        except csv.Error:  # a cell beyond the reader's limit: an open quote, as a rule
            yield begins, []

    def _header(self) -> list[str]:
        return [name.strip() for name in next(self._records())[1]]

    def _check_encoding(self) -> None:
        try:
            self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"The file is not UTF-8: byte {error.start} is 0x{self.content[error.start]:02x}.",
                where=f"{self.source}, line {line}",
                mend="Save the file again as UTF-8.",
            ) from None

    def _check_open_quote(self) -> None:
        """A record after the last one is read whole unless a quote before it was left open."""
        ended = CsvText(self.content + f"\n{_SENTINEL}".encode(), self.source, self.delimiter)
        line, record = deque(ended._records(), maxlen=1)[0]
        if record != [_SENTINEL]:
            raise DataError(
                "A quote is opened and never closed.",
                where=f"{self.source}, line {line}",
                mend='Close it, or write a quote inside a cell as "".',
            )

    def _diagnosis(self, expected: int, message: str) -> DataError:
        self._check_open_quote()
        for line, record in self._records():
            if len(record) != expected:
                return DataError(
                    f"Expected {expected} cells, as in the header, but found {len(record)}.",
                    where=f"{self.source}, line {line}",
                    mend="Mend that row, or quote a cell that contains the separator.",
                )
        return DataError(f"The file cannot be read as CSV: {message}", where=self.source, mend="Mend that row.")


def delimiter_of(content: bytes, default: str) -> str:
    """The separator of the header line: the default where it occurs, else a semicolon or a tab that does."""
    header = content.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    return next((mark for mark in (default, ";", "\t") if mark in header), default)


def check_names(names: list[str], source: str) -> None:
    """Raise DataError for column names that are blank, double, or hold characters that cannot be seen."""
    for position, name in enumerate(names, start=1):
        if any(unicodedata.category(mark) == "Cc" for mark in name):
            raise DataError(
                f"The name of column {position} holds a control character: {shown(name)}.",
                where=source,
                mend="Rename the column.",
            )
        if not name:
            raise DataError(
                f"Column {position} has a blank name.",
                where=source,
                mend="Name it in the header, or remove the column.",
            )
        if name in names[: position - 1]:
            raise DataError(
                f"The column name {name!r} occurs twice (columns {names.index(name) + 1} and {position}).",
                where=source,
                mend="Give each column its own name.",
            )
