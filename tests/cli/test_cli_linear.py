"""Commands with --model linear-gaussian and --model vae: fit, and the commands that ask them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tacit.persistence import read_manifest
from tests.cli.test_cli_bad_input import refused
from tests.cli.test_cli_conditional import read

LINEAR = ("--drop", "sort", "--drop", "site", "--id", "name")


@pytest.fixture(scope="session")
def line(table: Path, run: Any) -> Any:
    """What fit printed; the model and the report lie beside the table."""
    model, page = table.with_name("line.tacit"), table.with_name("line.html")
    result = run("fit", table, "--model", "linear-gaussian", "-o", model, "--report", page, *LINEAR)
    assert result.exit_code == 0, result.output
    return result


def test_fit_tells_the_latents_and_the_exact_figure(line: Any, table: Path) -> None:
    for text in ("1 latents", "isotropic noise", "exact", "independent columns", "integrated out", "length"):
        assert text in line.output, text
    record = read_manifest(table.with_name("line.tacit"))["record"]
    assert record["inference"]["gap"] == 0.0
    assert {entry["column"] for entry in record["loadings"][0]["columns"]} == {"length", "mass"}
    page = table.with_name("line.html").read_text()
    for text in ("What the latents are made of", "All figures of this page are exact", "linear-gaussian"):
        assert text in page, text
    assert "after each step of expectation maximisation" in page
    assert "networks of the model" not in page


def test_commands_ask_the_linear_model(line: Any, table: Path, holes: Path, run: Any) -> None:
    model = table.with_name("line.tacit")
    latents = read(run("latent", model, table).stdout)
    assert list(latents) == ["latent_1", "sd_1"]
    holed = np.asarray(latents["sd_1"], float)[9::10]
    assert holed.min() > np.asarray(latents["sd_1"], float)[0]  # a row with a hole says less
    scored = json.loads(run("score", model, table, "--json").stdout)["result"]
    assert scored["mean"]["kind"] == "exact"
    filled = read(run("impute", model, holes).stdout)
    assert all(cell for cell in filled["mass"])
    told = run("info", model)
    assert told.exit_code == 0
    assert "latents: share of the variance" in told.output
    odd = run("anomalies", model, table, "--rate", 0.05)
    assert odd.exit_code == 0, odd.output
    predicted = run("predict", model, holes, "--target", "mass")
    assert predicted.exit_code == 0, predicted.output


def test_bad_settings_are_told(table: Path, tmp_path: Path, run: Any) -> None:
    base = ("fit", table, "--model", "linear-gaussian", "-o", tmp_path / "m.tacit")
    refused(run(*base, "--id", "name"), 3, "'sort' is binary")
    refused(run(*base, *LINEAR, "--set", "standardise=maybe"), 2, "neither yes nor no")
    refused(run(*base, *LINEAR, "--target", "mass"), 2, "no target")
    refused(run(*base, *LINEAR, "--set", "n_latents=2"), 2, "too many for 2 columns")
    refused(run(*base, *LINEAR, "--set", "latents=2"), 2, "is not a setting")


def test_a_vae_from_the_command_line(table: Path, tmp_path: Path, run: Any) -> None:
    model, page = tmp_path / "v.tacit", tmp_path / "v.html"
    tiny = [word for text in ("preset=fast", "max_iter=25", "n_latents=1") for word in ("--set", text)]
    result = run("fit", table, "--model", "vae", "-o", model, "--report", page, "--id", "name", *tiny)
    assert result.exit_code == 0, result.output
    assert "estimate" in result.output
    assert list(read(run("latent", model, table).stdout)) == ["latent_1", "sd_1"]
    first, second = (run("score", model, table).stdout for _ in range(2))
    assert first == second
    assert len(read(run("sample", model, "-n", 4).stdout)["sort"]) == 4
    assert "How training went" in page.read_text()
