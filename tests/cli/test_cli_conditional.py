"""Commands with a target: fit, and every command that asks a conditional model."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pytest

from tacit.cli.conditional_plan import with_plan
from tacit.data.table import read_table
from tacit.persistence import read_manifest
from tacit.workflow.any_file import load_any
from tacit.workflow.conditional_job import ConditionalJob
from tacit.workflow.conditional_plan import Candidate
from tacit.workflow.conditional_table import ConditionalTable
from tests.cli.test_cli_bad_input import refused

TINY = [word for text in ("steps=60", "width=8", "n_members=2", "search=none") for word in ("--set", text)]


def read(text: str) -> dict[str, list[Any]]:
    return pyarrow.csv.read_csv(io.BytesIO(text.encode())).to_pydict()


@pytest.fixture(scope="session")
def speeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two branches of speed over flow, and a site that says nothing."""
    rng = np.random.default_rng(3)
    flow = rng.uniform(0, 10, 120)
    speed = np.where(rng.random(120) < 0.6, 60 - flow, 20 + flow) + rng.normal(size=120)
    sites = np.array(["north", "south", "west"])[rng.integers(3, size=120)]
    path = tmp_path_factory.mktemp("speeds") / "speeds.csv"
    lines = [f"{f:.4f},{site},{s:.4f}" for f, site, s in zip(flow, sites, speed, strict=True)]
    path.write_text("\n".join(["flow,site,speed", *lines]) + "\n")
    return path


@pytest.fixture(scope="session")
def fitted(speeds: Path, run: Any) -> Any:
    """What fit printed; the model and the report lie beside the table."""
    model, page = speeds.with_name("m.tacit"), speeds.with_name("r.html")
    result = run("fit", speeds, "--target", "speed", "-o", model, "--report", page, "-k", 2, *TINY)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def conditional(fitted: Any, speeds: Path) -> Path:
    """A model file of speed given the rest."""
    return speeds.with_name("m.tacit")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Rows without a target, one far outside the training range."""
    path = tmp_path / "new.csv"
    path.write_text("name,site,flow\na,north,1.5\nb,south,9\nc,west,400\n")
    return path


def test_fit_says_what_the_model_is_worth_and_whether_to_believe_it(fitted: Any, conditional: Path) -> None:
    said = ("speed given flow, site", "constant Gaussian", "linear Gaussian", "90 % intervals hold", "CRPS", "PIT")
    for words in ("held-out log-likelihood", "row by row", *said[:5]):
        assert words in fitted.stdout
    record = read_manifest(conditional)["record"]
    assert record["heldout"][0]["n"] == 24
    assert len({figure["reference"] for figure in record["heldout"]}) == 1
    assert record["calibration"]["target"] == "speed"
    assert record["k"] == 2
    assert "--target speed" in record["command"]


def test_the_report_is_one_page_with_the_sections_of_a_conditional_model(fitted: Any, speeds: Path) -> None:
    page = speeds.with_name("r.html").read_text()
    for words in ("speed", "linear Gaussian", "Can its probabilities be believed?"):
        assert words in page
    assert "<script" not in page


def test_predict_needs_no_target_and_says_which_rows_are_far(run: Any, conditional: Path, new: Path) -> None:
    result = run("predict", conditional, new, "--quantiles", "0.1,0.9", "--keep", "name")
    found = read(result.stdout)
    assert list(found) == ["name", "mean", "sd", "q0.1", "q0.9", "far"]
    assert found["far"] == [False, False, True]
    assert "outside the range" in result.stderr
    model, _ = load_any(conditional)
    assert isinstance(model, ConditionalTable)
    x = model.covariates.encode(read_table(str(new))).x
    np.testing.assert_allclose(found["q0.9"], model.predict(x, "speed").quantile(0.9), rtol=1e-9)
    near = new.with_name("near.csv")
    near.write_text("\n".join(new.read_text().splitlines()[:-1]) + "\n")
    again = run("predict", conditional, near, "--target", "speed")
    assert "far" not in read(again.stdout)
    assert again.stderr == ""


def test_sample_gives_rows_times_draws_that_follow_the_prediction(run: Any, conditional: Path, new: Path) -> None:
    found = read(run("sample", conditional, new, "-n", 400, "--seed", 1).stdout)
    assert found["row"][:2] == [1, 1]
    assert found["draw"][:3] == [1, 2, 3]
    assert len(found["speed"]) == 1200
    told = read(run("predict", conditional, new).stdout)
    drawn = np.reshape(found["speed"], (3, 400))
    assert np.all(np.abs(drawn.mean(axis=1) - told["mean"]) < 5 * np.array(told["sd"]) / 20)
    assert (
        run("sample", conditional, new, "-n", 2, "--seed", 1).stdout != run("sample", conditional, new, "-n", 2).stdout
    )


def test_score_is_the_log_density_with_its_label(run: Any, conditional: Path, speeds: Path, new: Path) -> None:
    result = run("score", conditional, speeds)
    found = read(result.stdout)["log_density"]
    model, _ = load_any(conditional)
    assert isinstance(model, ConditionalTable)
    table = read_table(str(speeds))
    x = model.covariates.encode(table).x
    expected = model.predict(x, "speed").log_prob(table.numbers("speed"))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert "exact" in result.stderr
    body = json.loads(run("score", conditional, speeds, "--json").stdout)["result"]
    assert body["mean"]["value"] == pytest.approx(np.mean(found), rel=1e-9)
    refused(run("score", conditional, new), 3, "target", "speed", "predict")


def test_score_leaves_out_rows_whose_target_is_missing(run: Any, conditional: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("flow,site,speed\n1.5,north,58\n2.5,north,\n")
    result = run("score", conditional, rows)
    assert read(result.stdout)["log_density"][1] is None
    assert "lack a target" in result.stderr
    assert "1 rows" in result.stderr


def test_latent_uses_the_target_where_it_is_there(run: Any, conditional: Path, new: Path, tmp_path: Path) -> None:
    prior = run("latent", conditional, new)
    weights = read(prior.stdout)
    shares = np.stack([weights[name] for name in weights if name.startswith("network")])
    assert shares.shape == (4, 3)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    assert "before it is seen" in prior.stderr
    seen = tmp_path / "seen.csv"
    seen.write_text("site,flow,speed\nnorth,1.5,58\nnorth,1.5,21\nnorth,1.5,\n")
    told = read(run("latent", conditional, seen).stdout)
    assert told["network_1_component_1"][2] == pytest.approx(weights["network_1_component_1"][0], rel=1e-9)
    assert told["network_1_component_1"][0] != pytest.approx(told["network_1_component_1"][1], rel=1e-3)


def test_info_needs_only_the_file(run: Any, conditional: Path) -> None:
    text = run("info", conditional).stdout
    assert "fitted on all rows" in text
    assert "speed given flow, site" in text
    assert json.loads(run("info", conditional, "--json").stdout)["result"]["targets"] == ["speed"]


def test_the_report_of_other_rows_has_their_figures(run: Any, conditional: Path, speeds: Path, tmp_path: Path) -> None:
    page, other = tmp_path / "p.html", tmp_path / "other.csv"
    lines = speeds.read_text().splitlines()
    other.write_text("\n".join(lines[:60]) + "\n")
    figure = json.loads(run("score", conditional, other, "--json").stdout)["result"]["mean"]
    told = json.loads(run("report", conditional, other, "-o", page, "--json").stdout)["result"]["figures"]
    assert [one["value"] for one in told] == [pytest.approx(figure["value"], rel=1e-9)]
    assert "other.csv" in page.read_text()
    assert "too good" not in page.read_text()
    again = tmp_path / "again.html"
    assert run("report", conditional, speeds, "-o", again).exit_code == 0
    assert "too good" in again.read_text()
    refused(run("report", conditional, tmp_path / "none.csv", "-o", tmp_path / "q.html"), 3, "none.csv")


@pytest.mark.slow
def test_a_relaxed_latent_is_told_by_four_numbers(run: Any, speeds: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.tacit"
    relaxed = ("--set", "latent=concrete", "--set", "relaxation=moments")
    result = run("fit", speeds, "--target", "speed", "-o", model, "-k", 2, *TINY, *relaxed)
    assert result.exit_code == 0, result.output
    numbers = read_manifest(model)["record"]["numbers"]
    assert [one["kind"] for one in numbers] == ["lower bound", "estimate", "exact", "exact"]
    bound, relaxed_one, *_ = numbers
    assert bound["value"] < relaxed_one["value"] + 5 * relaxed_one["monte_carlo_error"]
    assert all(one["name"] in result.stdout for one in numbers)
    said = run("score", model, speeds).stderr
    assert all(word in said for word in ("estimate", "relaxed ELBO", "discretised"))
    assert "monte_carlo_error" in run("predict", model, speeds).stdout
    assert "discretised" in run("latent", model, speeds).stderr


def test_what_the_fit_itself_found_is_told(run: Any, tmp_path: Path) -> None:
    rows = "".join(f"{i / 7:.3f},{(i * 7) % 5 if i else 1e7:g}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("flow,speed\n" + rows)
    told = ("fit", tmp_path / "t.csv", "--target", "speed", "--type", "speed=real", "-o", tmp_path / "m.tacit", *TINY)
    assert "far-target" in codes(run(*told), tmp_path / "m.tacit")
    result = run(*told, "--force", "--set", "dequantise=yes", "--set", "calibrate=no", "--set", "validation_fraction=0")
    found = codes(result, tmp_path / "m.tacit")
    assert {"dequantised", "no-validation"} <= found
    assert "few-distinct" not in found
    assert read_manifest(tmp_path / "m.tacit")["record"]["spread"] == 1.0


def codes(result: Any, model: Path) -> set[str]:
    """What a fit found, by its codes."""
    assert result.exit_code == 0, result.output
    return {one["code"] for one in read_manifest(model)["record"]["warnings"]}


def test_regressions_compete_by_their_number_alone() -> None:
    told = with_plan(ConditionalJob(("speed",)), ["inference=em"], "auto").plan.candidates
    assert [one.k for one in told] == [1, 2, 3, 4, 5]
    assert {replace(one, k=1) for one in told} == {Candidate(k=1)}
    assert [one.k for one in with_plan(ConditionalJob(("speed",)), ["inference=em"], "2").plan.candidates] == [2]


@pytest.mark.slow
def test_compare_judges_every_model_on_the_same_rows(run: Any, speeds: Path) -> None:
    tiny = [word.replace("n_members=2", "n_members=1") for word in TINY]
    result = run("compare", speeds, "--target", "speed", "-k", 2, *tiny, "--json")
    told = json.loads(result.stdout)["result"]
    models = {one["name"]: one for one in told["models"]}
    assert {
        "conditional mixture",
        "Concrete, mixture",
        "Concrete, moments",
        "Concrete, network",
        "linear Gaussian",
    } <= set(models)
    assert {one["log_likelihood"]["n"] for one in models.values() if one["log_likelihood"]} == {24}
    assert models["Concrete, moments"]["log_likelihood"]["kind"] == "estimate"
    boosted = models["boosted quantiles (scikit-learn)"]
    assert boosted["log_likelihood"] is None
    assert boosted["pinball"]["value"] > 0
    best, mixture = models[told["best_plain"]], models["conditional mixture"]
    gap = mixture["log_likelihood"]["value"] - best["log_likelihood"]["value"]
    assert mixture["difference"]["value"] == pytest.approx(gap, rel=1e-9)
    order = [one["log_likelihood"]["value"] for one in told["models"] if one["log_likelihood"]]
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("impute",), ("tacit impute", "predict")),
        (("anomalies",), ("tacit anomalies", "score")),
        (("predict", "--target", "flow"), ("'flow'", "speed")),
    ],
)
def test_what_needs_a_joint_density_says_what_to_use(
    run: Any, conditional: Path, speeds: Path, command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(run(command[0], conditional, speeds, *command[1:]), 2, *words)


def test_sampling_without_rows_says_that_rows_are_needed(run: Any, conditional: Path) -> None:
    refused(run("sample", conditional, "-n", 3), 2, "ROWS")
    refused(run("sample", conditional, "-n", 3, "--given", "flow=2"), 2, "ROWS")


def test_a_joint_mixture_must_be_told_what_to_predict(run: Any, model: Path, holes: Path) -> None:
    refused(run("predict", model, holes), 2, "--target", "mass")


def test_a_category_never_seen_is_told_and_a_lacking_covariate_refused(
    run: Any, conditional: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("flow,site\n1.5,moon\n")
    result = run("predict", conditional, rows)
    assert result.exit_code == 0
    assert "moon" in result.stderr
    rows.write_text("site\nnorth\n")
    refused(run("predict", conditional, rows), 3, "flow")


TARGETS = {
    "absent": ("speeds", 2, ("'speeds'", "flow")),
    "constant": ("same", 3, ("one value", "same")),
    "empty": ("empty", 3, ("empty",)),
    "an identifier": ("name", 3, ("name", "--type")),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_that_cannot_be_predicted(run: Any, tmp_path: Path, name: str) -> None:
    target, code, words = TARGETS[name]
    rows = "".join(f"{i / 7:.3f},{i * i % 11 / 3:.3f},7,,row{i}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("flow,speed,same,empty,name\n" + rows)
    refused(run("fit", tmp_path / "t.csv", "--target", target, "-o", tmp_path / "m.tacit", *TINY), code, *words)
    assert not (tmp_path / "m.tacit").exists()


ARGUMENTS = {
    "a mixture has none": (("--model", "mixture"), ("--target", "conditional-mixture")),
    "no such setting": (("--set", "n_starts=3"), ("n_starts", "width")),
    "not a choice": (("--set", "latent=gaussian"), ("gaussian", "concrete")),
    "not a number": (("--set", "width=many"), ("many", "width")),
    "temperature": (("--set", "prior_temperature=0"), ("prior_temperature",)),
    "one relaxed component": (("-k", "1", "--set", "latent=concrete"), ("-k 2",)),
    "k twice": (("-k", "2", "--set", "k=3"), ("-k",)),
    "no yes": (("--set", "calibrate=7"), ("calibrate", "yes")),
    "regressions are of a category": (("--set", "latent=concrete", "--set", "inference=em"), ("inference", "latent")),
    "a bound has no cells": (("--set", "latent=concrete", "--set", "dequantise=yes"), ("dequantise",)),
    "segments": (("--select", "segments"), ("--select",)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_settings_that_make_no_sense(run: Any, speeds: Path, tmp_path: Path, name: str) -> None:
    more, words = ARGUMENTS[name]
    refused(run("fit", speeds, "--target", "speed", "-o", tmp_path / "m.tacit", *more), 2, *words)


def test_a_conditional_mixture_needs_a_target(run: Any, speeds: Path, tmp_path: Path) -> None:
    refused(run("fit", speeds, "--model", "conditional-mixture", "-o", tmp_path / "m.tacit"), 2, "--target")
