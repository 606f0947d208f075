"""Benchmarks of variational autoencoders end to end, a few steps on a few rows: lines, pictures, peers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import _torch_vae, collapse, convolutional, imputation, iwae_mnist, optimisers

pytestmark = pytest.mark.slow
PARTS = {"train": 40, "valid": 20, "test": 12}


def images(d: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shown = rng.random(d) < 0.3
    parts = {name: rng.random((n, d)) < np.where(shown, 0.9, 0.1) for name, n in PARTS.items()}
    return {name: rows.astype(np.float32) for name, rows in parts.items()}


def finite(line: dict[str, Any], *names: str) -> None:
    assert all(math.isfinite(line[name]) for name in names), line


def test_stages_of_the_importance_weighted_network_go_on_where_they_were(tmp_path: Path) -> None:
    first = iwae_mnist.compare(images(16), [5], 1, 100, False, tmp_path)
    kept = {file.name for file in tmp_path.iterdir()}
    again = iwae_mnist.compare(images(16), [5], 2, 100, _torch_vae.available(), tmp_path)
    assert kept < {file.name for file in tmp_path.iterdir()}
    assert [line["passes"] for line in (first[0], again[0])] == [1, 4]
    for line in (*first, *again):
        finite(line, "-log p, 100 draws", "s.e. over rows", "Monte Carlo error", "-ELBO")
        assert line["-log p, 100 draws"] <= line["-ELBO"]
    assert sum(iwae_mnist.passes(stage) for stage in range(iwae_mnist.STAGES)) == 3280


def test_patches_beside_convolutions() -> None:
    lines = convolutional.compare(images(784), 1, 1, 28)
    assert lines[0]["network"] == "tacit, patches"
    for line in lines:
        finite(line, "-ELBO", "-log p, 28 draws", "seconds")
        assert line["-log p, 28 draws"] <= line["-ELBO"]


def test_the_peer_takes_as_many_steps_as_it_is_told() -> None:
    pytest.importorskip("torch")
    networks = _torch_vae.dense(16, (8,), 3, images(16)["train"].mean(0))
    _, steps = _torch_vae.run(networks, images(16)["train"], epochs=3, batch=20, learning_rate=1e-3, most_steps=5)
    assert steps == 5
    values, errors, elbos = _torch_vae.judged(networks, images(16)["test"], 300)
    assert values.shape == errors.shape == elbos.shape == (12,)
    assert np.all(values >= elbos)


def test_optimisers_choose_their_rate_by_the_validation_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimisers, "RULES", {"adam": (1e-12, 1e-2, 1e-12)})
    monkeypatch.setattr(optimisers, "OBJECTIVES", {"DReG": optimisers.OBJECTIVES["DReG"]})
    table, curves = optimisers.compare(images(16), 12, 2)
    assert table[0]["learning rate"] == 1e-2
    assert table[0]["at the edge of the rates"] == "no"
    finite(table[0], "test, 500 draws", "test ELBO", "ms a step")
    assert len(curves[0]["bound"]) == 12
    optimisers.draw(curves, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_the_collapse_is_told_with_its_least_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "SCALES", {name: collapse.SCALES[name] for name in ("network", "shared")})
    table = collapse.compare([5, 10], 1)
    assert [line["epochs"] for line in table] == [5, 10, "default"] * 2
    for line in table:
        finite(line, "train log p", "held-out log p", "least scale / s.d.")
    collapse.draw(table, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_imputation_by_every_model() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(80, 1))
    X = z @ np.ones((1, 4)) + 0.1 * rng.normal(size=(80, 4))
    lines = imputation.compare({"toy": {f"x{j}": X[:, j] for j in range(4)}}, 1, 200)
    assert {line["method"] for line in lines} >= {"mean", "IterativeImputer", "one Gaussian", *imputation.OURS}
    errors = {line["method"]: line["error (sd)"] for line in lines}
    assert errors["tacit.Mixture"] < errors["mean"]
    assert all(math.isfinite(error) for error in errors.values())
