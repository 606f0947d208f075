"""Writing: exact, atomic, refused rather than lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tacit._errors import OutputError, UsageError
from tacit._files import atomic_write
from tacit.data.table import read_table
from tacit.data.write import to_native, write_table

COLUMNS = {
    "x": np.array([0.1, 1 / 3, 1e200, 5e-324, np.nan]),
    "s": np.array(["plain", 'q"uote', "a,b", "l\nm", None], dtype=object),
    "i": np.array([1, 2, None, 4, 5], dtype=object),
    "b": np.array([True, False, True, False, True]),
}


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "t.feather", "t.arrow"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    write_table(COLUMNS, tmp_path / name)
    table = read_table(tmp_path / name)
    np.testing.assert_array_equal(table.numbers("x"), COLUMNS["x"])
    assert [table.dtype(n) for n in table.names] == ["float", "text", "int", "bool"]
    for n in ("s", "i", "b"):
        assert table.column(n).to_pylist() == COLUMNS[n].tolist()
    assert os.listdir(tmp_path) == [name]


def test_csv_is_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table({"a b": [1.5, 2.0], "s": ["x", None]}, "-")
    assert capsys.readouterr().out == "a b,s\n1.5,x\n2,\n"


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    target = tmp_path / "t.csv"
    target.write_text("old")
    with pytest.raises(OutputError, match=r"exists.*--force"):
        write_table(COLUMNS, target)
    assert target.read_text() == "old"
    write_table(COLUMNS, target, force=True)
    assert len(read_table(target)) == 5


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "t.csv"
    target.write_text("old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="no space left"):
        write_table(COLUMNS, target, force=True)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["t.csv"]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "t.csv"
    target.write_text("old")

    def stopped_halfway() -> None:
        with atomic_write(target, force=True) as handle:
            handle.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_halfway()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["t.csv"]


def test_folders_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_table(COLUMNS, tmp_path / "none" / "t.csv")

    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OutputError, match="permission denied"):
        write_table(COLUMNS, tmp_path / "t.csv")


def test_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ending"):
        write_table(COLUMNS, tmp_path / "t.xlsx")


def test_the_same_kind_of_frame_comes_back() -> None:
    columns = {"x": np.array([1.0, np.nan]), "s": np.array(["a", None], dtype=object)}
    for like, kind in [
        (pd.DataFrame({"y": [1]}), pd.DataFrame),
        (pl.DataFrame({"y": [1]}), pl.DataFrame),
        (pa.table({"y": [1]}), pa.Table),
        ({"y": [1]}, dict),
        (np.ones((1, 1)), dict),
        ("t.csv", dict),
    ]:
        frame = to_native(columns, like)
        assert isinstance(frame, kind)
        np.testing.assert_array_equal(read_table(frame).numbers("x"), columns["x"])
