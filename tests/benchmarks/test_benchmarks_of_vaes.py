"""Benchmarks of variational autoencoders end to end, a few steps on a few rows: lines and peers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import _torch_vae, convolutional, iwae_mnist

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
