"""Commands with --model discrete-vae: fit, and every command that asks a deep model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tacit.persistence import read_manifest
from tests.cli.test_cli_bad_input import refused
from tests.cli.test_cli_conditional import read

TINY = [word for text in ("preset=fast", "max_iter=25", "n_latents=2") for word in ("--set", text)]


@pytest.fixture(scope="session")
def bits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 2 x 3 pixels, of two sorts; one pixel is never on."""
    rng = np.random.default_rng(0)
    high = rng.random((150, 1)) < 0.5
    pixels = (rng.random((150, 6)) < np.where(high, 0.9, 0.2)).astype(int)
    pixels[:, 5] = 0
    path = tmp_path_factory.mktemp("bits") / "bits.csv"
    lines = [",".join(map(str, row)) for row in pixels]
    path.write_text("\n".join([",".join(f"p{j}" for j in range(6)), *lines]) + "\n")
    return path


@pytest.fixture(scope="session")
def fitted(bits: Path, run: Any) -> Any:
    """What fit printed; the model and the report lie beside the table."""
    model, page = bits.with_name("m.tacit"), bits.with_name("r.html")
    result = run("fit", bits, "--model", "discrete-vae", "-o", model, "--report", page, "--image", "2x3", *TINY)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def deep(fitted: Any, bits: Path) -> Path:
    """A model file of two bits over six pixels."""
    return bits.with_name("m.tacit")


def test_fit_tells_what_the_model_is_worth_and_what_its_parts_are(fitted: Any, deep: Path) -> None:
    for text in (
        "exact",
        "lower bound",
        "independent columns",
        "rate",
        "latents in use",
        "6 columns modelled; 2 latents of 2 states",
    ):
        assert text in fitted.output, text
    record = read_manifest(deep)["record"]
    values = [figure["value"] for figure in record["bounds"]]
    assert values[0] == pytest.approx(values[1] + values[2], abs=1e-6)
    assert record["heldout"][0]["value"] == pytest.approx(values[0])
    assert record["heldout"][0]["reference"] == record["heldout"][1]["reference"]


def test_the_report_shows_training_the_latent_and_images(deep: Path) -> None:
    page = deep.with_name("r.html").read_text()
    for text in ("What the latent does", "How training went", "Rows drawn from the model", "lower bound"):
        assert text in page, text


def test_info_and_report_again(deep: Path, bits: Path, run: Any, tmp_path: Path) -> None:
    assert "latents in use" in run("info", deep).output
    page = tmp_path / "again.html"
    assert run("report", deep, bits, "-o", page).exit_code == 0
    assert "What the latent does" in page.read_text()


def test_score_is_the_density_that_fit_told_of(deep: Path, bits: Path, run: Any) -> None:
    result = run("score", deep, bits, "--json")
    told = json.loads(result.stdout)["result"]
    assert told["mean"]["kind"] == "exact"
    assert told["mean"]["value"] == pytest.approx(np.mean(told["columns"]["log_density"]))


def test_codes_samples_and_holes(deep: Path, bits: Path, run: Any, tmp_path: Path) -> None:
    code = read(run("latent", deep, bits).stdout)
    assert list(code) == ["latent_1", "probability_1", "latent_2", "probability_2"]
    assert set(code["latent_1"]) <= {0, 1}
    drawn = read(run("sample", deep, "-n", 20).stdout)
    assert list(drawn) == [f"p{j}" for j in range(6)]
    assert sum(drawn["p5"]) <= 1
    given = read(run("sample", deep, "-n", 20, "--given", "p0=1").stdout)
    assert given["p0"] == [1] * 20
    holes = tmp_path / "holes.csv"
    holes.write_text("p0,p1,p2,p3,p4,p5\n1,1,1,1,,0\n0,0,,0,0,0\n")
    full = read(run("impute", deep, holes).stdout)
    assert (full["p4"][0], full["p2"][1]) == (1, 0)


def test_any_column_given_others_and_odd_rows(deep: Path, bits: Path, run: Any, tmp_path: Path) -> None:
    found = read(run("predict", deep, bits, "--target", "p1").stdout)
    assert list(found) == ["P(0)", "P(1)", "most_probable"]
    high = found["P(1)"][[int(line.split(",")[0]) for line in bits.read_text().split()[1:]].index(1)]
    assert 0 < high < 1
    refused(run("predict", deep, bits, "--target", "p9"), 2, "not a column")
    odd = tmp_path / "odd.csv"
    odd.write_text("p0,p1,p2,p3,p4,p5\n1,1,1,1,1,0\n1,1,1,1,1,1\n,,,,,\n")
    result = run("anomalies", deep, odd, "--all")
    told = read(result.stdout)
    assert (told["row"][0], told["odd_1"][0]) == (2, "p5")
    assert told["p_value"][-1] == 1
    assert "rows that the model draws" in result.stderr


def test_settings_that_make_no_sense(bits: Path, run: Any, tmp_path: Path) -> None:
    fit = ("fit", bits, "--model", "discrete-vae", "-o", tmp_path / "x.tacit")
    refused(run(*fit, "--set", "n_latent=3"), 2, "n_latents")
    refused(run(*fit, "--set", "n_latents=three"), 2, "whole number")
    refused(run(*fit, "--set", "gradient=no-such"), 2, "leave-one-out")
    refused(run(*fit, "--set", "likelihood=no-such"), 2, "likelihood")
    refused(run(*fit, "--image", "3x3"), 2, "3 x 3 pixels are not the 6 columns")
    refused(run(*fit, "--image", "wide"), 2, "no shape")
    refused(run(*fit, "-k", "2:5"), 2, "-k")
    refused(run("fit", bits, "--model", "vae", "-o", tmp_path / "x.tacit", "-k", 3), 2, "--set n_latents")
    refused(run(*fit, "--target", "p1"), 2, "no target")
    refused(run("fit", bits, "--image", "2x3", "-o", tmp_path / "x.tacit"), 2, "--image")
    assert not (tmp_path / "x.tacit").exists()


def test_columns_one_after_the_other(bits: Path, run: Any, tmp_path: Path) -> None:
    model, ordered = tmp_path / "o.tacit", ("--set", "decoder=autoregressive", *TINY)
    fit = ("fit", bits, "--model", "discrete-vae", "-o", model, "--report", tmp_path / "o.html", *ordered)
    refused(run(*fit, "--show-rows"), 2, "--show-rows")
    assert run(*fit, "--image", "2x3").exit_code == 0
    assert "decoder" in (tmp_path / "o.html").read_text()
    assert run("sample", model, "-n", 3).exit_code == run("latent", model, bits).exit_code == 0
    assert "exact" in run("score", model, bits, "-o", tmp_path / "s.csv").output
    refused(run("predict", model, bits, "--target", "p1"), 2, "decoder='independent'")
    refused(run("report", model, bits, "--show-rows", "-o", tmp_path / "again.html"), 2, "--show-rows")
    holes = tmp_path / "holes.csv"
    holes.write_text("p0,p1,p2,p3,p4,p5\n1,0,1,0,1,0\n1,,1,0,1,0\n")
    for command in ("score", "latent", "impute"):
        refused(run(command, model, holes), 2 if command == "impute" else 3, "decoder='independent'")


def test_values_that_no_bernoulli_has(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "grey.csv"
    path.write_text("a,b\n" + "\n".join(f"{i % 2},{i % 3}" for i in range(30)) + "\n")
    fit = ("fit", path, "--model", "discrete-vae", "-o", tmp_path / "x.tacit", "--set", "likelihood=bernoulli")
    refused(run(*fit), 3, "neither 0 nor 1")
