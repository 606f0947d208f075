"""Bad input at the command line: the exit code, and a message that says what, where and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOOD = "x,y,s\n" + "".join(f"{i / 7:.3f},{i * i % 11},{'ab'[i % 2]}\n" for i in range(1, 30))


def refused(result: Any, code: int, *words: str) -> None:
    """The command ended with the code, and told the error in two lines that hold the words."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith(("error: ", "  "))]
    assert lines[0].startswith("error: ")
    assert len(lines) == 2, "an error says how to mend it"
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr


TABLES = {
    "empty": (b"", ("t.csv",)),
    "header only": (b"x,y\n", ("t.csv", "row")),
    "ragged row": (b"x,y\n1,2\n3\n5,6\n", ("line 3",)),
    "open quote": (b'x,y\n1,2\n"3,4\n', ("t.csv", "line 3")),
    "not UTF-8": (b"x,s\n1,caf\xe9\n", ("line 2",)),
    "duplicate names": (b"x,x\n1,2\n", ("x",)),
    "blank name": (b"x,\n1,2\n", ("t.csv",)),
    "infinite": (b"x,y\n1,2\n3,inf\n", ("line 3", "'y'")),
    "all constant": (b"x,y\n1,2\n1,2\n1,2\n", ("constant",)),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("command", ["check", "fit"])
def test_a_table_that_cannot_be_read(run: Any, tmp_path: Path, command: str, name: str) -> None:
    content, words = TABLES[name]
    (tmp_path / "t.csv").write_bytes(content)
    extra = ("-o", tmp_path / "m.tacit") if command == "fit" else ()
    refused(run(command, tmp_path / "t.csv", *extra), 3, *words)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t.csv"]


@pytest.mark.parametrize("missing", ["no-such.csv", "folder.csv", "odd.xlsx"])
def test_a_file_that_is_not_there(run: Any, tmp_path: Path, missing: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    refused(run("check", tmp_path / missing), 3, missing)


def test_late_text_in_a_column_of_numbers_names_the_line(run: Any, tmp_path: Path) -> None:
    rows = "".join(f"{i}.5,{i}\n" for i in range(50)) + "oops,1\n"
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    refused(run("check", tmp_path / "t.csv", "--type", "x=real"), 3, "line 52", "'x'", "oops")


def test_numbers_that_float64_cannot_hold_are_no_model_column(run: Any, tmp_path: Path) -> None:
    rows = "".join(f"{i}.5,{2**53 + 2 * i + 1}\n" for i in range(30))
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    assert "large-integers" in run("check", tmp_path / "t.csv", "--json").stdout
    refused(run("check", tmp_path / "t.csv", "--type", "y=real"), 3, "2^53", "'y'")


def test_dates_are_left_out_with_a_warning(run: Any, tmp_path: Path) -> None:
    rows = "".join(f"{i % 7}.5,2026-01-{i:02d}\n" for i in range(1, 29))
    (tmp_path / "t.csv").write_text("x,day\n" + rows)
    result = run("check", tmp_path / "t.csv")
    assert result.exit_code == 0
    assert "Dates are left out" in result.stdout


@pytest.mark.parametrize(
    ("weights", "words"),
    [("-1", ("negative", "line")), ("", ("missing", "line")), ("0", ("zero",)), ("nan", ("missing", "line"))],
)
def test_weights_must_weigh(run: Any, tmp_path: Path, weights: str, words: tuple[str, ...]) -> None:
    others = "0" if weights == "0" else "1"
    lines = GOOD.splitlines()
    rows = [f"{line},{weights if i == 5 else others}" for i, line in enumerate(lines[1:])]
    (tmp_path / "t.csv").write_text("\n".join([lines[0] + ",w", *rows]))
    refused(run("check", tmp_path / "t.csv", "--weight", "w"), 3, *words)


def test_one_row_and_more_components_than_rows(run: Any, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("x,y\n1.5,2\n")
    refused(run("fit", tmp_path / "one.csv", "-o", tmp_path / "m.tacit", "--type", "x=real"), 3)
    (tmp_path / "few.csv").write_text(GOOD)
    args = ("fit", tmp_path / "few.csv", "-o", tmp_path / "m.tacit", "-k", 40)
    refused(run(*args), 3, "too few")


USAGE = {
    "no kind": (("--type", "x=colour"), ("colour", "real")),
    "no pair": (("--type", "x"), ("--type",)),
    "no column": (("--drop", "z"), ("z",)),
    "k in words": (("-k", "many"), ("-k",)),
    "k backwards": (("-k", "8:1"), ("-k",)),
    "k zero": (("-k", "0"), ("-k",)),
    "no setting": (("--set", "speed=9"), ("speed", "n_starts")),
    "no number": (("--set", "n_starts=ten"), ("n_starts",)),
    "tolerance is nan": (("--set", "tolerance=nan"), ("tolerance",)),
    "too few starts": (("--set", "n_starts=0"), ("n_starts",)),
    "no option": (("--fast",), ("--fast",)),
    "no model": (("--model", "gan"), ("mixture", "discrete-vae")),
    "all held out": (("--holdout", "1"), ("--holdout",)),
    "two roles": (("--weight", "y", "--group", "y"), ("y",)),
}


@pytest.mark.parametrize("name", USAGE)
def test_an_option_that_makes_no_sense(run: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    options, words = USAGE[name]
    refused(run("fit", tmp_path / "t.csv", "-o", tmp_path / "m.tacit", *options), 2, *words)


def test_an_error_is_json_too(run: Any, tmp_path: Path) -> None:
    result = run("check", tmp_path / "none.csv", "--json")
    body = json.loads(result.stdout)
    assert result.exit_code == 3
    assert body["format"] == 1
    assert body["command"] == "check"
    assert body["error"]["where"].endswith("none.csv")
    assert body["error"]["mend"]
    assert json.loads(run("fit", "--json").stdout)["error"]["error"] == "UsageError"


def test_a_schema_that_is_no_schema(run: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    (tmp_path / "s.toml").write_text('format = 1\n[column.x]\nkind = "colour"\n')
    args = ("check", tmp_path / "t.csv", "--schema")
    refused(run(*args, tmp_path / "s.toml"), 3, "s.toml", "[column.x]", "colour")
    refused(run(*args, tmp_path / "no.toml"), 3, "no.toml")
    refused(run(*args, tmp_path / "s.toml", "--drop", "y"), 2, "--drop")


ROWS = {
    "lacking column": ("length,sort\n10,small\n", ("mass", "rows.csv")),
    "unseen level of two": ("length,mass,sort,site\n10,20,huge,north\n", ("huge", "line 2")),
    "text": ("length,mass,sort,site\n10,heavy,big,north\n", ("heavy", "line 2", "'mass'")),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_the_model_cannot_read(run: Any, model: Path, tmp_path: Path, name: str) -> None:
    content, words = ROWS[name]
    (tmp_path / "rows.csv").write_text(content)
    refused(run("score", model, tmp_path / "rows.csv"), 3, *words)


def test_extra_columns_are_ignored_and_empty_rows_told(run: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("new,site,sort,mass,length\n1,north,big,32,16\n2,,,,\n")
    result = run("score", model, tmp_path / "rows.csv")
    assert result.exit_code == 0
    assert "no cell present" in result.stderr
    values = [float(line) for line in result.stdout.splitlines()[1:]]
    assert np.isfinite(values).all()
    assert values[1] == pytest.approx(0.0, abs=1e-12)  # of nothing, the density is one


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("predict", "--target", "age"), 2, ("age", "length")),
        (("predict", "--target", "mass", "--quantiles", "0.5,2"), 2, ("--quantiles",)),
        (("score", "--keep", "colour"), 2, ("colour",)),
        (("score", "--cost"), 2, ("--cost", "discrete-vae and vae")),
        (("sample", "-n", "0"), 2, ("-n",)),
        (("sample", "-n", "3", "--given", "sort=big"), 2, ("--given",)),
        (("anomalies", "--rate", "2"), 2, ("--rate",)),
        (("sample", "-n", "3", "--seed", str(2**64)), 2, ("--seed",)),
    ],
)
def test_questions_that_make_no_sense(
    run: Any, model: Path, holes: Path, options: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    command, *rest = options
    refused(run(command, model, holes, *rest), code, *words)


@pytest.mark.parametrize(
    ("given", "word"),
    [("sort=huge", "huge"), ("age=3", "age"), ("mass=big", "big"), ("mass", "NAME=VALUE"), ("mass=", "missing")],
)
def test_givens_that_make_no_sense(run: Any, model: Path, given: str, word: str) -> None:
    refused(run("sample", model, "-n", 2, "--given", given), 2, "--given" if "=" in word else "", word)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "flipped", "newer"])
def test_a_model_file_that_is_none(run: Any, model: Path, holes: Path, tmp_path: Path, damage: str) -> None:
    whole = model.read_bytes()
    middle = len(whole) // 2
    content = {
        "empty": b"",
        "text": b"x,y\n1,2\n",
        "cut": whole[:-10],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "newer": whole.replace(b'"format":"1"', b'"format":"9"', 1),
    }
    path = tmp_path / "m.tacit"
    if damage in content:
        path.write_bytes(content[damage])
    for command in (("score", path, holes), ("info", path), ("report", path, "-o", tmp_path / "r.html")):
        result = run(*command)
        assert result.exit_code == 4
        assert result.stderr.startswith(f"error: {path}: ")
    assert not (tmp_path / "r.html").exists()


def test_files_that_exist_are_kept(run: Any, model: Path, holes: Path, table: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text("mine")
    for command in (
        ("score", model, table, "-o", old),
        ("fit", table, "-o", old),
        ("fit", table, "-o", tmp_path / "m.tacit", "--report", old),
        ("check", table, "-o", old),
        ("report", model, "-o", old),
        ("sample", model, "-n", 2, "-o", old),
    ):
        refused(run(*command), 1, "old.csv", "--force")
        assert old.read_text() == "mine"
    assert run("sample", model, "-n", 2, "-o", old, "--force").exit_code == 0
    assert old.read_text().startswith("length,mass")


def test_a_folder_that_is_not_there_or_may_not_be_written(run: Any, model: Path, tmp_path: Path) -> None:
    refused(run("sample", model, "-n", 2, "-o", tmp_path / "none" / "s.csv"), 1, "folder")
    refused(run("sample", model, "-n", 2, "-o", tmp_path / "s.xlsx"), 2, ".csv")
    (tmp_path / "file").write_text("")
    refused(run("sample", model, "-n", 2, "-o", tmp_path / "file" / "s.csv"), 1, "s.csv")
    refused(run("demo", "-o", tmp_path / "file"), 1, "file")


def test_a_column_is_given_once(run: Any, model: Path) -> None:
    refused(run("sample", model, "-n", 2, "--given", "mass=3", "--given", "mass=4"), 2, "--given", "twice")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("score",), "log_density"),
        (("latent",), "component_1"),
        (("predict", "--target", "mass"), "q0.5"),
        (("anomalies",), "row"),
    ],
)
def test_a_kept_column_does_not_take_the_place_of_an_answer(
    run: Any, model: Path, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f"length,mass,sort,site,{name}\n10,20,small,north,7\n")
    refused(run(command[0], model, rows, *command[1:], "--keep", name), 2, "--keep", name)


def test_files_that_cannot_be_standard_output(run: Any, model: Path, table: Path) -> None:
    refused(run("fit", table, "-o", "-"), 2, "standard output")
    refused(run("fit", table, "-o", "m.tacit", "--report", "-"), 2, "standard output")
    refused(run("report", model, "-o", "-"), 2, "standard output")
    assert not Path("-").exists()


def test_a_long_cell_is_cut_in_the_message(run: Any, tmp_path: Path) -> None:
    rows = "".join(f"{i}.5,{i}\n" for i in range(50))
    (tmp_path / "t.csv").write_text(f"x,y\n{rows}{'z' * 5000},1\n")
    result = run("check", tmp_path / "t.csv")
    refused(result, 3, "line 52", "zzz...")
    assert len(result.stderr) < 400
