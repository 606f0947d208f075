"""tacit check, fit and compare: what they say, and what they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tacit.persistence import read_manifest
from tacit.workflow.model_file import load_model
from tests.cli.test_cli_bad_input import refused

QUICK = ("-k", 2, "--set", "n_starts=2", "--set", "n_finish=2")


def test_check_writes_a_schema_that_fit_can_read(run: Any, table: Path, tmp_path: Path) -> None:
    schema, model = tmp_path / "schema.toml", tmp_path / "m.tacit"
    result = run("check", table, "-o", schema)
    assert result.exit_code == 0
    assert "name" in result.stdout
    edited = schema.read_text().replace('[column."length"]\nkind = "real"', '[column."length"]\nkind = "positive"')
    assert edited != schema.read_text()
    schema.write_text(edited)
    assert run("check", table, "--schema", schema, "--json").exit_code == 0
    assert run("fit", table, "--schema", schema, "-o", model, *QUICK).exit_code == 0
    assert load_model(model)[0].schema["length"].kind == "positive"


def test_fit_says_what_the_model_is_worth_and_how_to_repeat_it(run: Any, table: Path, tmp_path: Path) -> None:
    model, page = tmp_path / "a model.tacit", tmp_path / "r.html"
    result = run("fit", table, "-o", model, "--report", page, *QUICK)
    assert result.exit_code == 0
    for words in ("held-out log-likelihood", "one Gaussian", "independent columns", "converged", "wrote"):
        assert words in result.stdout
    record = read_manifest(model)["record"]
    assert f"-o '{model}'" in record["command"]
    assert record["heldout"][0]["value"] > record["heldout"][1]["value"]
    assert "two standard deviations" in page.read_text()


def test_the_same_seed_gives_the_same_figures_in_a_file_named_after_the_table(
    run: Any, model: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("fit", table, *QUICK).exit_code == 0
    assert read_manifest(tmp_path / f"{table.stem}.tacit")["figures"] == read_manifest(model)["figures"]
    refused(run("fit", table, *QUICK), 1, "--force")
    refused(run("fit", "-", *QUICK), 2, "-o M.tacit")


def test_no_refit_keeps_the_model_of_the_training_rows(run: Any, table: Path, tmp_path: Path) -> None:
    assert run("fit", table, "-o", tmp_path / "m.tacit", *QUICK, "--no-refit").exit_code == 0
    assert read_manifest(tmp_path / "m.tacit")["fitted_on"] == "the training rows only"


def test_groups_are_held_out_whole_and_counted(run: Any, table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines()
    grouped = tmp_path / "t.csv"
    grouped.write_text("\n".join([lines[0] + ",g", *(f"{line},g{i // 4}" for i, line in enumerate(lines[1:]))]) + "\n")
    result = run("fit", grouped, "-o", tmp_path / "m.tacit", *QUICK, "--group", "g", "--json")
    record = json.loads(result.stdout)["result"]["record"]
    assert record["heldout"][0]["n_groups"] == 4
    assert record["data"]["split"] == "by group"


def test_k_is_chosen_and_the_table_shown(run: Any, table: Path, tmp_path: Path) -> None:
    result = run("fit", table, "-o", tmp_path / "m.tacit", "-k", "1:2", "--set", "n_starts=1", "--set", "n_folds=2")
    assert "k = 2: fewest components" in result.stdout
    assert "*2" in result.stdout
    assert read_manifest(tmp_path / "m.tacit")["record"]["selection"]["chosen"] == 2


def test_segments_follow_the_components(run: Any, table: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.tacit"
    args = ("-k", "1:2", "--select", "segments", "--set", "n_starts=2", "--set", "n_finish=2")
    assert run("fit", table, "-o", model, *args).exit_code == 0
    header = run("latent", model, table).stdout.splitlines()[0]
    assert "most_probable_component" in header
    assert "segment_1" in header
    assert "most_probable_segment" in header


def test_compare_takes_the_same_rows(run: Any, table: Path) -> None:
    result = json.loads(run("compare", table, *QUICK, "--models", "made,linear-gaussian", "--json").stdout)["result"]
    mixture, gaussian, independent = result["figures"]
    assert mixture["n"] == gaussian["n"] == independent["n"] == 16
    assert len({figure["reference"] for figure in result["figures"]}) == 1
    gap = result["differences"][0]
    assert gap["value"] == pytest.approx(mixture["value"] - gaussian["value"], rel=1e-9)
    assert result["left_out"].keys() == {"made", "linear-gaussian"}
    assert result["left_out"]["made"] == "some cells are missing"
    text = run("compare", table, *QUICK, "--models", "none").stdout
    assert "mixture of 2 - one Gaussian" in text
    assert "left out" not in text
    assert run("compare", table, *QUICK, "--models", "no-such").exit_code == 2


@pytest.mark.slow
def test_the_demo_does_the_whole_job(run: Any, tmp_path: Path) -> None:
    result = run("demo", "-o", tmp_path / "demo")
    assert result.exit_code == 0
    assert "log-likelihood" in result.stdout
    assert {"report.html", "model.tacit", "holes.csv"} <= {file.name for file in (tmp_path / "demo").iterdir()}
    assert run("demo", "-o", tmp_path / "demo").exit_code == 1
