from __future__ import annotations

import os
from pathlib import Path

import pytest

from tacit._errors import OutputError
from tacit.report import render, write_report


def test_the_file_holds_the_page_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    write_report(path, {"title": "t"})
    assert path.read_text(encoding="utf-8") == render({"title": "t"})
    assert os.listdir(tmp_path) == ["r.html"]


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists"):
        write_report(path, {})
    assert path.read_text() == "old"
    write_report(path, {}, force=True)
    assert path.read_text(encoding="utf-8") == render({})


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "r.html"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left on device"):
        write_report(path, {}, force=True)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.html"]


@pytest.mark.parametrize("place", ["absent/r.html", "."])
def test_a_place_that_cannot_be_written_is_a_typed_error(tmp_path: Path, place: str) -> None:
    with pytest.raises(OutputError, match=r"be written|regular file"):
        write_report(tmp_path / place, {}, force=True)


def test_text_that_has_no_encoding_does_not_lose_the_page(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    write_report(path, {"title": "a\ud800b"})
    assert "a?b" in path.read_text(encoding="utf-8")
