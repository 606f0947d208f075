"""tacit gradients: the table, the picture, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli_bad_input import refused

QUICK = ("--latent", "categorical", "--samples", 2, "--draws", 2000)


@pytest.fixture(scope="session")
def records(run: Any) -> list[dict[str, Any]]:
    result = run("gradients", *QUICK, "--json")
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert (body["format"], body["command"]) == (1, "gradients")
    found: list[dict[str, Any]] = body["result"]
    return found


def test_records_hold_what_was_promised(records: list[dict[str, Any]]) -> None:
    names = {record["name"] for record in records}
    assert {"enumeration", "uniform", "reinforce", "leave-one-out"} <= names
    assert "disarm" not in names  # binary latents only
    assert "pathwise" not in names
    for record in records:
        assert {"unbiased", "bias", "bias_z", "variance", "evaluations", "seconds"} <= record.keys()
        assert record["reference"] == "listed"
        assert record["seconds"] > 0
        if record["unbiased"]:
            assert record["bias_z"] < 5, record["name"]


def test_the_order_is_that_of_variance_times_cost(records: list[dict[str, Any]]) -> None:
    places = [(not record["unbiased"], record["variance"] * record["evaluations"]) for record in records]
    assert places == sorted(places)
    assert records[0]["name"] == "enumeration"
    variance = {record["name"]: record["variance"] for record in records}
    assert variance["leave-one-out"] < variance["reinforce"] < variance["uniform"]


def test_the_table_and_the_picture(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "g.png"
    result = run("gradients", *QUICK, "--plot", path)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["estimator", "claims", "bias", "z"]
    assert "standard errors" in lines[-1]
    assert path.read_bytes().startswith(b"\x89PNG")


def test_what_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "g.png").write_text("mine")
    refused(run("gradients", *QUICK, "--plot", tmp_path / "g.png"), 1, "exists", "--force")
    refused(run("gradients", *QUICK, "--plot", tmp_path / "g.xyz"), 2, "g.xyz", "ending", ".png")
    assert not (tmp_path / "g.xyz").exists()
    refused(run("gradients", "--latent", "gaussian"), 2, "categoricals")
    refused(run("gradients", "--samples", 0), 2, "range")
