"""Reading: types over whole columns, and every defect as a DataError that names its place."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit._errors import DataError, UsageError
from tacit.data.table import Table, read_table

TEXT = "a,b,c,d\n1,1.5,x,true\n2,NA,y,FALSE\n-3,, z ,true\n"


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def read(folder: Path, content: str | bytes, name: str = "t.csv") -> Table:
    return read_table(write(folder, content, name))


def check(table: Table) -> None:
    assert table.names == ("a", "b", "c", "d")
    assert [table.dtype(name) for name in table.names] == ["int", "float", "text", "bool"]
    assert table.column("a").to_pylist() == [1, 2, -3]
    np.testing.assert_array_equal(table.numbers("b"), [1.5, np.nan, np.nan])
    assert table.column("c").to_pylist() == ["x", "y", "z"]
    assert table.column("d").to_pylist() == [True, False, True]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_types(tmp_path: Path, ending: str, mark: bytes) -> None:
    check(read(tmp_path, mark + TEXT.replace("\n", ending).encode()))


def test_every_format_reads_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = read(tmp_path, TEXT)
    pyarrow.parquet.write_table(table.data, tmp_path / "t.parquet")
    pyarrow.feather.write_feather(table.data, tmp_path / "t.feather")
    write(tmp_path, gzip.compress(TEXT.encode()), "t.csv.gz")
    write(tmp_path, TEXT.replace(",", "\t"), "t.tsv")
    for name in ("t.parquet", "t.feather", "t.csv.gz", "t.tsv"):
        check(read_table(tmp_path / name))
        assert read_table(tmp_path / name).fingerprint() == table.fingerprint()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    piped = read_table("-")
    check(piped)
    assert piped.where(1, "b") == "standard input, line 3, column 'b'"
    frame = table.data.to_pandas()
    for source in (frame, pl.from_arrow(table.data), table.data, {n: frame[n].to_numpy() for n in frame}):
        check(read_table(source))


def test_fingerprint_sees_cells_names_and_holes(tmp_path: Path) -> None:
    texts = [
        TEXT,
        TEXT.replace("1.5", "1.25"),
        TEXT.replace("b", "e"),
        TEXT.replace("1.5", ""),
        TEXT.replace("x", ""),
    ]
    assert len({read(tmp_path, text).fingerprint() for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["1", "+2", "-3"], "int"),
        (["1", "2.", ".5", "1e-3"], "float"),
        (["007", "012"], "text"),
        (["0x1A", "12"], "text"),
        (["123456789012345678901", "1"], "text"),
        (["2026-01-31", "2026-02-01"], "date"),
        (["2026-01-31T10:00Z", "NA"], "date"),
        (["1_000", "x"], "text"),
        (["", ""], "text"),
    ],
)
def test_type_of_a_text_column(cells: list[str], dtype: str) -> None:
    assert read_table({"x": cells}).dtype("x") == dtype


def test_numbers_as_text_in_a_frame_are_read_and_recorded() -> None:
    table = read_table(pd.DataFrame({"x": pd.Series(["1.5", None, "2"], dtype=object), "y": ["a", "b", "c"]}))
    np.testing.assert_array_equal(table.numbers("x"), [1.5, np.nan, 2.0])
    assert [(f.code, f.column) for f in table.findings] == [("numeric-text", "x")]


def test_mixed_python_cells_become_text() -> None:
    assert read_table(pd.DataFrame({"x": [1, "a", None]})).column("x").to_pylist() == ["1", "a", None]


def test_array_and_names() -> None:
    array = np.array([[1.0, np.nan], [2.0, 3.0]])
    assert read_table(array).names == ("x0", "x1")
    assert read_table(array, names=["u", "v"]).column("v").null_count == 1


def test_categorical_and_small_types() -> None:
    table = read_table(
        {
            "c": pa.array(["a", "b", "a"]).dictionary_encode(),
            "f": np.array([1, 2, 3], np.float32),
            "u": np.array([1, 2, 3], np.uint8),
            "n": pa.nulls(3),
        }
    )
    assert [table.dtype(name) for name in table.names] == ["text", "float", "int", "text"]


def test_missing_tokens_can_be_chosen(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "x\n1\n-\n"), missing=("-",))
    np.testing.assert_array_equal(table.numbers("x"), [1.0, np.nan])


def test_semicolons_are_noted(tmp_path: Path) -> None:
    table = read(tmp_path, "a;b\n1;2\n")
    assert table.names == ("a", "b")
    assert [finding.code for finding in table.findings] == ["separator"]


def test_lines_count_blank_lines_and_breaks_in_cells(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\n"x\ny",1\n\n\nz,2\n')
    assert [table.where(row) for row in (0, 1)] == [f"{tmp_path}/t.csv, line {line}" for line in (2, 6)]
    assert table.take(np.array([1])).where(0).endswith("line 6")


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        ("", "t.csv", "empty"),
        ("\n \n", "t.csv", "empty"),
        ("a,b\n", "t.csv", "no row"),
        ("a,b\n1,2\n\n3\n", "line 4", "Expected 2 cells, as in the header, but found 1"),
        ("a,b\n1,2,3\n", "line 2", "found 3"),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', "line 3", "quote"),
        ('a,b\n1,"4', "line 2", "quote"),
        ('a,b\n1,"' + "4\n" * 100_000, "line 2", "quote"),
        (b"a,b\n1,2\n\xff,4\n", "line 3", "byte 8 is 0xff"),
        ("a,b,a\n1,2,3\n", "t.csv", "'a' occurs twice (columns 1 and 3)"),
        ("a,,c\n1,2,3\n", "t.csv", "Column 2 has a blank name"),
        ("a,b\n1,2\n3,inf\n", "line 3, column 'b'", "infinite"),
        ("a,b\n1,2\n3,-Infinity\n", "line 3, column 'b'", "infinite (-inf)"),
        ("a,b\n1,2\n3,1e999\n", "line 3, column 'b'", "infinite"),
    ],
)
def test_defects_of_text(tmp_path: Path, content: str | bytes, place: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    assert caught.value.where is not None
    assert place in caught.value.where
    assert what in caught.value.what
    assert caught.value.mend


def test_a_literal_quote_inside_a_cell_is_no_defect(tmp_path: Path) -> None:
    assert read(tmp_path, 'a,b\n5" pipe,2\n').column("a").to_pylist() == ['5" pipe']


def test_defects_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="folder"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(DataError, match="ending"):
        read(tmp_path, TEXT, "t.xlsx")
    for name in ("t.parquet", "t.feather", "t.csv.gz"):
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path, TEXT, name)
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path, gzip.compress(TEXT.encode() * 99)[:50], "t.csv.gz")
    path = write(tmp_path, TEXT)

    def refuse(self: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="permission"):
        read_table(path)


def test_defects_of_frames() -> None:
    with pytest.raises(DataError, match="row 1, column 'x'"):
        read_table({"x": [1.0, np.inf]})
    with pytest.raises(DataError, match="differ in length"):
        read_table({"x": [1.0, 2.0], "y": [1.0]})
    with pytest.raises(DataError, match="no row"):
        read_table({"x": []})
    with pytest.raises(DataError, match="own name"):
        read_table(pd.DataFrame(np.ones((2, 2)), columns=["x", "x"]))
    for source in (3, np.ones(3), [1, 2]):
        with pytest.raises(UsageError, match="not a table"):
            read_table(source)
    for cells in (1.0, np.ones((3, 2))):
        with pytest.raises(UsageError, match="'x' is not one-dimensional"):
            read_table({"x": cells})
    with pytest.raises(UsageError, match="1 names for 2 columns"):
        read_table(np.ones((2, 2)), names=["a"])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet='a1.,"\n\r \té\x00-', max_size=40).map(str.encode) | st.binary(max_size=30))
def test_any_bytes_give_a_table_or_a_data_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(DataError):
        table = read(Path(folder), content)
        assert len(table) > 0
        assert all(name.strip() for name in table.names)
        assert table.where(len(table) - 1).startswith(folder)


@pytest.mark.parametrize("mark", ["\x1b[31m", "\x07", "\x00"])
def test_names_that_would_disturb_a_terminal_are_refused(tmp_path: Path, mark: str) -> None:
    with pytest.raises(DataError, match="column 2 holds a control character") as raised:
        read_table({"a": [1.0], f"b{mark}": [2.0]})
    assert mark not in str(raised.value)


def test_blank_lines_are_told_where_they_may_be_missing_cells(tmp_path: Path) -> None:
    table = read(tmp_path, "x\n1\n\n2\n\n\n3\n\n")
    assert table.numbers("x").tolist() == [1, 2, 3]
    assert [(f.code, f.column) for f in table.findings] == [("blank-lines", "x")]
    assert "3 blank lines" in table.findings[0].message
    assert read(tmp_path, "x\n1\n2\n").findings == ()
    assert read(tmp_path, "x,y\n1,2\n\n2,3\n").findings == ()


def test_decimal_commas_are_told(tmp_path: Path) -> None:
    table = read(tmp_path, "x;y\n1,5;a\n-2,25;1,5\n3;b\n")
    assert [(f.code, f.column) for f in table.findings] == [("decimal-comma", "x"), ("separator", None)]
    assert table.dtype("x") == "text"


def test_commas_that_may_mark_thousands_are_not_called_decimal(tmp_path: Path) -> None:
    table = read(tmp_path, 'x,y\n"1,234",1\n"12,500,000",2\n')
    (found,) = (f for f in table.findings if f.code == "decimal-comma")
    assert "thousands" in found.message
    assert "1234" in str(found.mend)
