"""Commands with --model vae: targets given other columns, grey images, some columns given others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tacit.cli.latent_pictures import latent_pictures
from tacit.persistence import read_manifest
from tacit.workflow.latent_file import load_latent
from tests.cli.test_cli_bad_input import refused
from tests.cli.test_cli_conditional import read

TINY = [word for text in ("preset=fast", "max_iter=300", "n_latents=1") for word in ("--set", text)]


def written(path: Path, columns: dict[str, Any]) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two columns that follow x and a cause of their own."""
    rng = np.random.default_rng(0)
    x, kind, cause = rng.normal(size=160).round(3), rng.integers(0, 3, 160), rng.normal(size=160)
    columns = {
        "a": (2 * x + cause + 0.3 * rng.normal(size=160)).round(3),
        "b": (cause - x + 0.3 * rng.normal(size=160)).round(3),
        "x": x,
        "kind": np.array(["u", "v", "w"])[kind],
    }
    return written(tmp_path_factory.mktemp("vae") / "table.csv", columns)


@pytest.fixture(scope="session")
def given(table: Path, run: Any) -> Path:
    model, page = table.with_name("given.tacit"), table.with_name("given.html")
    targets = ["--target", "a", "--target", "b"]
    result = run("fit", table, "--model", "vae", *targets, "-o", model, "--report", page, *TINY)
    assert result.exit_code == 0, result.output
    assert "given x, kind" in result.output
    return model


def test_targets_are_modelled_given_the_other_columns(given: Path, table: Path, run: Any) -> None:
    manifest = read_manifest(given)
    assert manifest["record"]["data"]["given"] == ["x", "kind"]
    figures = {figure["name"]: figure["value"] for figure in manifest["record"]["heldout"]}
    assert figures["log-likelihood"] > figures["independent columns"]
    told = json.loads(run("score", given, table, "--json").stdout)["result"]
    assert told["mean"]["kind"] == "exact"
    assert "given x, kind" in run("info", given).output
    assert set(read(run("latent", given, table).stdout)) == {"latent_1", "sd_1"}


def test_what_the_approximation_cost_is_told(given: Path, table: Path, run: Any) -> None:
    told = json.loads(run("score", given, table, "--cost", "--json").stdout)["result"]
    log_p, bound, *gaps, information = told["cost"]
    assert [one["name"] for one in gaps] == ["amortisation gap", "approximation gap"]
    np.testing.assert_allclose(bound["value"] + sum(one["value"] for one in gaps), log_p["value"], rtol=1e-5)
    np.testing.assert_allclose(log_p["value"], told["mean"]["value"], rtol=1e-6)
    assert information["value"] > 0


def test_rows_of_covariates_alone_can_be_drawn_for(given: Path, tmp_path: Path, run: Any) -> None:
    rows = written(tmp_path / "rows.csv", {"x": [-2.0, 2.0], "kind": ["u", "w"]})
    drawn = read(run("sample", given, rows, "-n", "200").stdout)
    assert drawn["row"] == [1] * 200 + [2] * 200
    assert np.mean(drawn["a"][200:]) - np.mean(drawn["a"][:200]) > 4
    refused(run("sample", given, "-n", "5"), 2, "given x, kind", "ROWS")
    refused(run("score", given, rows), 3, "lacks")
    lacking = written(tmp_path / "lacking.csv", {"a": [1.0], "b": [0.0], "x": [0.5]})
    refused(run("score", given, lacking), 3, "lacks covariate 'kind'")


def test_a_target_that_is_none_is_refused(table: Path, run: Any, tmp_path: Path) -> None:
    model = tmp_path / "m.tacit"
    refused(run("fit", table, "--model", "vae", "--target", "q", "-o", model), 2, "no column 'q'")
    refused(run("fit", table, "--model", "discrete-vae", "--target", "a", "-o", model), 2, "has no target")
    every = [word for name in ("a", "b", "x", "kind") for word in ("--target", name)]
    refused(run("fit", table, "--model", "vae", *every, "-o", model), 3, "No column is left")


def test_some_columns_given_others_are_an_estimate(table: Path, tmp_path: Path, run: Any) -> None:
    model = tmp_path / "joint.tacit"
    result = run("fit", table, "--model", "vae", "--drop", "kind", "-o", model, *TINY)
    assert result.exit_code == 0, result.output
    drawn = run("sample", model, "-n", "30", "--given", "x=1")
    assert "an estimate" in drawn.stderr
    assert read(drawn.stdout)["x"] == [1.0] * 30


def test_grey_images_are_labelled_in_all_that_is_printed(tmp_path: Path, run: Any) -> None:
    rng = np.random.default_rng(1)
    grey = np.round(np.clip(rng.normal(0.5, 0.25, (80, 6)), 0, 1), 2)
    grey[:, 5] = 0
    data = written(tmp_path / "grey.csv", {f"p{j}": grey[:, j] for j in range(6)})
    model, page = tmp_path / "grey.tacit", tmp_path / "grey.html"
    bernoulli = ["--set", "likelihood=bernoulli", "--image", "2x3"]
    result = run("fit", data, "--model", "vae", *bernoulli, "-o", model, "--report", page, *TINY)
    assert result.exit_code == 0, result.output
    for text in (result.output, page.read_text(), run("info", model).output, run("score", model, data).output):
        assert "not a log-likelihood" in text
    assert "its grey-level score (not a log-likelihood)" in page.read_text()
    assert "log-likelihood of rows" not in page.read_text()
    assert "held-out log-likelihood" not in result.output
    assert set(read(run("score", model, data).stdout)) == {"grey_score"}
    for option, words in (("3x3", "3 x 3 pixels are not the 6 columns"), ("2by3", "no shape of an image")):
        told = run("fit", data, "--model", "vae", *bernoulli[:2], "--image", option, "-o", tmp_path / "n.tacit")
        refused(told, 2, words)
    gaussian = ["--set", "likelihood=gaussian", "--image", "2x3"]
    plain = ("fit", data, "--model", "vae", *gaussian, "-o", tmp_path / "n.tacit")
    refused(run(*plain[:-2], "-o", tmp_path / "n.tacit", "--image", "1x5"), 2, "1 x 5 pixels are not the 6 columns")
    refused(run(*plain, "--set", "network=patches"), 2, "1 pixels are constant")
    result = run(*plain, "--report", page, "--force", *TINY)  # in pictures a constant pixel is its value
    assert result.exit_code == 0, result.output
    assert "Rows drawn from the model, as images" in page.read_text()
    model_of, record = load_latent(tmp_path / "n.tacit")
    drawn = latent_pictures(model_of, None, 0, record["record"])
    assert list(drawn.sampled) == [f"p{j}" for j in range(6)]
    assert set(drawn.sampled["p5"]) == {0.0}
    assert drawn.walk is not None
    assert list(drawn.walk.decoded) == list(drawn.sampled)
    data = written(tmp_path / "loud.csv", {f"p{j}": 16 * grey[:, j] for j in range(6)})
    refused(
        run("fit", data, "--model", "vae", *bernoulli, "-o", tmp_path / "loud.tacit"), 3, "neither 0 nor 1 nor a grey"
    )


@pytest.mark.parametrize("model", ["vae", "discrete-vae"])
def test_pixels_of_several_guessed_kinds_are_read_as_one(model: str, tmp_path: Path, run: Any) -> None:
    """Counts, codes, two values and a row number, each of which is a kind of its own outside an image."""
    rng = np.random.default_rng(2)
    n = 200
    pixels = [
        rng.poisson(4, n),
        rng.integers(0, 3, n),
        16 * rng.integers(0, 2, n),
        rng.permutation(n),
        np.zeros(n, int),
    ]
    columns = {f"p{j}": pixels[j % 5] for j in range(6)} | {"p5": rng.integers(0, 17, n)}
    data = written(tmp_path / "pixels.csv", columns)
    out = tmp_path / "m.tacit"
    fit = ("fit", data, "--model", model, "-o", out, "--force", *TINY[:2], "--set", "max_iter=5")
    kinds = {one["kind"] for one in columns_of(run, fit, out)}
    assert len(kinds) > 2
    result = run(*fit, "--image", "2x3")
    assert result.exit_code == 0, result.output
    assert "all read as real numbers" in result.stderr
    read = read_manifest(out)["record"]["data"]["columns"]
    assert [one["kind"] for one in read] == ["real"] * 4 + ["id", "real"]
    chosen = run(*fit, "--image", "2x3", "--type", "p0=count")
    assert "all read as" not in chosen.stderr
    bits = written(tmp_path / "bits.csv", {name: np.asarray(cells) % 2 for name, cells in columns.items()})
    result = run("fit", bits, *fit[2:], "--image", "2x3")
    assert result.exit_code == 0, result.output
    assert "all read as 0 or 1" in result.stderr


def columns_of(run: Any, command: Any, out: Path) -> list[dict[str, Any]]:
    result = run(*command)
    assert result.exit_code == 0, result.output
    columns: list[dict[str, Any]] = read_manifest(out)["record"]["data"]["columns"]
    return columns


def test_choices_are_listed_in_order(table: Path, tmp_path: Path, run: Any) -> None:
    result = run("fit", table, "--model", "vae", "-o", tmp_path / "m.tacit", "--set", "activation=no-such")
    listed = result.stderr.split("{")[1].split("}")[0].split(", ")
    assert len(listed) > 2
    assert listed == sorted(listed)
    result = run("fit", table, "--model", "vae", "-o", tmp_path / "m.tacit", "--set", "likelihood=no-such")
    assert "{'auto', 'bernoulli', 'categorical', 'gaussian', 'log-normal', 'poisson'}" in result.stderr


def test_columns_out_of_reach_are_told_before_training(table: Path, tmp_path: Path, run: Any) -> None:
    """Whatever becomes of it: the means of the founding decoder lie between 0 and 1."""
    data = written(tmp_path / "far.csv", {"a": np.linspace(50, 90, 40), "b": np.linspace(900, 100, 40) ** 1.01})
    fit = ("fit", data, "--model", "vae", "-o", tmp_path / "m.tacit", "--set", "preset=founding")
    result = run(*fit, "--set", "max_iter=2", "--set", "learning_rate=0.5", "--set", "n_latents=1")
    assert "warning: The founding decoder's means lie between 0 and 1" in result.stderr
