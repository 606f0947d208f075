"""Every command that asks a model, against the library itself or against what must hold."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pytest

from tacit import persistence
from tacit.data.encode import encode
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.workflow.model_file import load_model
from tests.cli.test_cli_bad_input import refused


def own(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest without what a file says of itself."""
    return {key: value for key, value in manifest.items() if key not in ("format", "tacit", "class")}


def read(text: str) -> dict[str, list[Any]]:
    return pyarrow.csv.read_csv(io.BytesIO(text.encode())).to_pydict()


def test_score_is_the_log_density_in_the_order_of_the_rows(run: Any, model: Path, table: Path) -> None:
    result = run("score", model, table, "--keep", "name,sort")
    found = read(result.stdout)
    fitted, _ = load_model(model)
    rows = encode(fitted.schema, read_table(str(table)))
    assert found["name"] == [f"row-{i}" for i in range(80)]
    np.testing.assert_allclose(found["log_density"], fitted.log_prob(rows), rtol=1e-12)
    assert "mean log-likelihood" in result.stderr
    assert "missing at random" in result.stderr


def test_score_as_json_holds_the_figure_and_the_rows(run: Any, model: Path, table: Path) -> None:
    body = json.loads(run("score", model, table, "--json").stdout)
    assert body["format"] == 1
    assert body["command"] == "score"
    values = body["result"]["columns"]["log_density"]
    assert body["result"]["mean"]["value"] == pytest.approx(np.mean(values), rel=1e-12)


def test_predict_takes_reordered_columns_and_ignores_the_target_itself(run: Any, model: Path, holes: Path) -> None:
    found = read(run("predict", model, holes, "--target", "mass", "--quantiles", "0.1,0.9").stdout)
    assert list(found) == ["mean", "sd", "q0.1", "q0.9"]
    blank = holes.with_name("blank.csv")
    blank.write_text(holes.read_text().replace("30,", ",").replace("20.5,", ","))
    again = read(run("predict", model, blank, "--target", "mass", "--quantiles", "0.1,0.9").stdout)
    assert found == again
    assert all(low < mean < high for low, mean, high in zip(found["q0.1"], found["mean"], found["q0.9"], strict=True))
    assert found["mean"][1] > 29 > 24 > found["mean"][3]  # about twice the length


def test_predict_gives_probabilities_of_categories(run: Any, model: Path, holes: Path) -> None:
    found = read(run("predict", model, holes, "--target", "sort", "--keep", "name").stdout)
    assert found["name"] == ["a", "b", "c", "d"]
    np.testing.assert_allclose(np.add(found["P(big)"], found["P(small)"]), 1.0)
    assert found["most_probable"][0] == "big"
    assert found["most_probable"][3] == "small"


def test_several_targets_are_told_apart_by_name(run: Any, model: Path, holes: Path) -> None:
    found = read(run("predict", model, holes, "--target", "sort", "--target", "length").stdout)
    assert {"sort.P(big)", "length.mean"} <= set(found)


def test_sample_keeps_what_is_given_and_follows_the_seed(run: Any, model: Path) -> None:
    args = ("sample", model, "-n", 50, "--given", "sort=big", "--seed", 3)
    found = read(run(*args).stdout)
    assert found["sort"] == ["big"] * 50
    assert np.mean(found["length"]) == pytest.approx(16.0, abs=1.0)
    assert run(*args).stdout == run(*args).stdout
    assert run(*args[:-1], 4).stdout != run(*args).stdout


def test_sample_completes_each_row_of_a_table(run: Any, model: Path, holes: Path) -> None:
    found = read(run("sample", model, holes, "-n", 3).stdout)
    assert found["row"] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert found["mass"][:3] == pytest.approx([30.0] * 3)
    assert None not in found["length"]


def test_latent_probabilities_add_up_and_the_largest_component_comes_first(run: Any, model: Path, table: Path) -> None:
    found = read(run("latent", model, table).stdout)
    one, two = np.array(found["component_1"]), np.array(found["component_2"])
    np.testing.assert_allclose(one + two, 1.0)
    assert found["most_probable_component"] == list(np.where(one >= two, 1, 2))
    fitted, _ = load_model(model)
    assert fitted.mixture.log_weights[0] >= fitted.mixture.log_weights[1]


def test_impute_fills_only_the_holes(run: Any, model: Path, holes: Path) -> None:
    before, after = read(holes.read_text()), read(run("impute", model, holes).stdout)
    assert list(after) == list(before)
    for name in before:
        for old, new in zip(before[name], after[name], strict=True):
            assert new == old if old not in (None, "") else new not in (None, "")


def test_impute_says_which_missing_cells_it_leaves(run: Any, model: Path, holes: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    first, *lines = holes.read_text().splitlines()
    wide.write_text("\n".join([f"{first},remark", *(f"{line}," for line in lines)]) + "\n")
    found = run("impute", model, wide)
    assert "missing cells of remark stay as they are" in found.stderr
    assert "stay as they are" not in run("impute", model, holes).stderr
    assert set(read(found.stdout)["remark"]) == {None}


def test_impute_draws_stack_tables(run: Any, model: Path, holes: Path) -> None:
    found = read(run("impute", model, holes, "--draws", 2).stdout)
    assert found["draw"] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert found["name"] == ["a", "b", "c", "d"] * 2
    assert found["mass"][0] == found["mass"][4] == 30
    assert found["mass"][1] != found["mass"][5]


def test_impute_does_not_round_what_only_happens_to_be_whole(run: Any, model: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("length,mass,sort,site\n10,20,small,north\n,32,big,south\n")
    found = read(run("impute", model, rows).stdout)
    assert found["length"][0] == 10
    told = read(run("predict", model, rows, "--target", "length").stdout)["mean"][1]
    assert found["length"][1] == pytest.approx(told, rel=1e-6)


def test_anomalies_name_the_row_and_the_column(run: Any, model: Path, table: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    lines = table.read_text().splitlines()
    name, length, _, sort, site = lines[3].split(",")
    rows.write_text("\n".join([*lines[:3], f"{name},{length},70,{sort},{site}", *lines[4:6]]) + "\n")
    found = read(run("anomalies", model, rows, "--rate", 0.02, "--keep", "name").stdout)
    assert found["row"][0] == 3
    assert found["name"][0] == "row-2"
    assert found["odd_1"][0] == "mass"
    assert found["rank"][0] == 1
    everyone = read(run("anomalies", model, rows, "--all").stdout)
    assert sorted(everyone["row"]) == [1, 2, 3, 4, 5]
    assert everyone["p_value"] == sorted(everyone["p_value"])


def test_info_and_report_need_only_the_model_file(run: Any, model: Path, tmp_path: Path) -> None:
    text = run("info", model).stdout
    assert "fitted on all rows" in text
    assert "held-out log-likelihood" in text
    manifest = json.loads(run("info", model, "--json").stdout)["result"]
    assert manifest["record"]["k"] == 2
    assert manifest["floors"]["mass"] > 0
    page = tmp_path / "page.html"
    assert run("report", model, "-o", page).exit_code == 0
    assert "<html" in page.read_text()


def test_rows_come_from_standard_input(run: Any, model: Path, table: Path) -> None:
    assert run("score", model, "-", stdin=table.read_bytes()).stdout == run("score", model, table).stdout


def test_answers_about_values_beyond_all_measure_are_numbers_and_told(run: Any, model: Path, tmp_path: Path) -> None:
    rows = tmp_path / "far.csv"
    rows.write_text("length,mass,sort,site\n1e200,,,\n16,-1e308,big,\n")
    asked = (("score",), ("latent",), ("predict", "--target", "sort"), ("impute",), ("anomalies", "--all"))
    for command, *options in asked:
        result = run(command, model, rows, *options)
        assert result.exit_code == 0
        assert "so far off" in result.stderr
        for values in read(result.stdout).values():
            assert all(not isinstance(v, float) or np.isfinite(v) for v in values), command


def test_a_table_with_a_column_called_draw_is_imputed_with_draws(run: Any, model: Path, holes: Path) -> None:
    lines = holes.read_text().splitlines()
    rows = holes.with_name("draw.csv")
    rows.write_text("\n".join([f"{lines[0]},draw", *(f"{line},{i}" for i, line in enumerate(lines[1:]))]) + "\n")
    found = read(run("impute", model, rows, "--draws", 2).stdout)
    assert found["draw_"] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert found["draw"] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_model_of_a_column_called_row_keeps_it_beside_the_number(run: Any, tmp_path: Path) -> None:
    data, model = tmp_path / "t.csv", tmp_path / "m.tacit"
    data.write_text("row,x\n" + "".join(f"{i % 7 / 3:.3f},{i * i % 11 / 7:.3f}\n" for i in range(30)))
    assert run("fit", data, "-o", model, "-k", 1, "--set", "n_starts=1", "--holdout", 0).exit_code == 0
    found = read(run("sample", model, data, "-n", 1).stdout)
    assert found["row_"] == list(range(1, 31))
    assert found["row"] == read(data.read_text())["row"]  # exactly


def test_all_rows_are_ranked_also_those_less_odd_than_any_training_row(run: Any, model: Path, table: Path) -> None:
    """The mean of a cluster is denser than the rows that were fitted."""
    fitted, manifest = load_model(model)
    strict = model.with_name("strict.tacit")
    persistence.save(replace(fitted, calibration=np.array([0.0, 0.5])), strict, manifest=own(manifest), force=True)
    found = read(run("anomalies", strict, table, "--all").stdout)
    assert sorted(found["row"]) == list(range(1, 81))
    assert max(found["p_value"]) > 0.5


def test_check_writes_the_schema_to_standard_output(run: Any, table: Path) -> None:
    result = run("check", table, "-o", "-")
    assert Schema.from_toml(result.stdout).names == ("length", "mass", "sort", "site")
    assert "80 rows" in result.stderr


def test_given_numbers_come_back_as_they_were_given(run: Any, tmp_path: Path) -> None:
    data, model = tmp_path / "t.csv", tmp_path / "m.tacit"
    rows = "".join(f"{i % 7},{2.0 ** (i * i % 11)},{'uvw'[i % 3]}\n" for i in range(30))
    data.write_text(f"a,b=c,s\n{rows}")
    types = ("--type", "a=real", "--type", "b=c=positive")
    assert run("fit", data, "-o", model, "-k", 1, "--set", "n_starts=1", "--holdout", 0, *types).exit_code == 0
    for given in (3, 3.5):
        found = read(run("sample", model, "-n", 2, "--given", f"a={given}", "--given", "b=c=3").stdout)
        assert found["a"] == [given] * 2
        assert found["b=c"] == [3.0] * 2


def test_impute_takes_levels_that_this_table_does_not_have(tmp_path: Path, run: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    beds = np.array(["1", "2", "3+"])[np.clip(np.digitize(x, [-0.5, 0.5]), 0, 2)]
    table = tmp_path / "t.csv"
    table.write_text("x,beds\n" + "".join(f"{a:.4f},{b}\n" for a, b in zip(x, beds, strict=True)))
    assert run("fit", table, "-o", tmp_path / "m.tacit", "-k", 3, "--type", "beds=categorical").exit_code == 0
    rows = tmp_path / "rows.csv"
    rows.write_text("x,beds\n-2,1\n0,2\n2,\n")
    result = run("impute", tmp_path / "m.tacit", rows)
    assert result.exit_code == 0, result.output
    assert read(result.stdout)["beds"] == ["1", "2", "3+"]


def test_weights_and_groups_count_where_rows_are_averaged_and_nowhere_else(tmp_path: Path, run: Any) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=90)
    y = x + rng.normal(size=90)
    lines = [f"{a:.4f},{b:.4f},{1 + i % 3},{i // 3}" for i, (a, b) in enumerate(zip(x, y, strict=True))]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["a,b,w,g", *lines]) + "\n")
    model = tmp_path / "m.tacit"
    fit = run("fit", table, "-o", model, "-k", 1, "--weight", "w", "--group", "g")
    assert fit.exit_code == 0, fit.output
    told = json.loads(run("score", model, table, "--json").stdout)["result"]
    each = read(run("score", model, table).stdout)["log_density"]
    assert told["mean"]["n_groups"] == 30
    assert told["mean"]["value"] == pytest.approx(np.average(each, weights=1 + np.arange(90) % 3))
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,w,g\n1,2,,\n0,1,2,\n")
    assert run("predict", model, rows, "--target", "b").exit_code == 0
    assert run("impute", model, rows).exit_code == 0
    refused(run("score", model, rows), 3, "missing")
    rows.write_text("a,b\n1,2\n")
    assert "lacks w, g" in run("score", model, rows).stderr
