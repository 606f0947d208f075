"""A fit that was stopped and is resumed ends where one that was never stopped ends; and how it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tacit.cli.checkpoints import seconds_of
from tacit.training import Checkpoint
from tests.cli.test_cli_bad_input import refused

SETTINGS = {
    "vae": ("--model", "vae", "--set", "preset=fast", "--set", "max_iter=12", "--set", "n_latents=1"),
    "conditional": (
        "--target",
        "b",
        "-k",
        "2",
        "--set",
        "search=none",
        "--set",
        "n_members=2",
        "--set",
        "max_epochs=6",
    ),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    a = rng.normal(size=60)
    path = tmp_path_factory.mktemp("kept") / "rows.csv"
    path.write_text("a,b\n" + "".join(f"{x:.4f},{y:.4f}\n" for x, y in zip(a, a + rng.normal(size=60), strict=True)))
    return path


@pytest.mark.parametrize("model", SETTINGS)
def test_a_resumed_fit_ends_where_a_whole_one_ends(
    model: str, rows: Path, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole.tacit", tmp_path / "stopped.tacit"
    assert run("fit", rows, "-o", whole, *SETTINGS[model]).exit_code == 0
    often = ("--checkpoint-every", "0.001s")
    saved, keep = [], Checkpoint.save

    def save(self: Checkpoint, *args: Any) -> None:
        keep(self, *args)
        saved.append(self.path.name)
        if len(saved) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save)
        assert run("fit", rows, "-o", stopped, *often, *SETTINGS[model]).exit_code == 130
    assert not stopped.exists()
    assert (tmp_path / "stopped.tacit.checkpoint.1").exists()
    other = ("--resume", "--seed", 1, *SETTINGS[model])
    refused(run("fit", rows, "-o", stopped, *other), 4, "of another run", "name another file")
    result = run("fit", rows, "-o", stopped, "--resume", *SETTINGS[model])
    assert result.exit_code == 0, result.output
    assert not list(tmp_path.glob("*.checkpoint.*"))
    scores = [run("score", path, rows).stdout for path in (whole, stopped)]
    assert scores[0] == scores[1]


def test_a_damaged_checkpoint_is_refused(rows: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "m.tacit.checkpoint.1").write_bytes(b"nothing of ours")
    refused(run("fit", rows, "-o", tmp_path / "m.tacit", "--resume", *SETTINGS["vae"]), 4, "cannot be read", "Remove")


def test_how_it_is_asked_for(rows: Path, run: Any, tmp_path: Path) -> None:
    model = tmp_path / "m.tacit"
    refused(run("fit", rows, "-o", model, "--resume", *SETTINGS["vae"]), 2, "no", "checkpoint.1 to go on from")
    refused(run("fit", rows, "-o", model, "--checkpoint-every", "1d", *SETTINGS["vae"]), 2, "'1d' is no time")
    refused(run("fit", rows, "-o", model, "--checkpoint-every", "1m"), 2, "EM")
    assert [seconds_of(text) for text in ("90", "90s", "1.5m", "1h")] == [90, 90, 90, 3600]
