"""Processes of their own: programs compiled as users have them, and files read with what their sort needs alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FIT = """
import sys, warnings
import numpy as np
import tacit
from tacit.training import train
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = {"a": rng.normal(size=60), "b": rng.normal(size=60), "c": np.where(rng.random(60) < 0.5, "u", "v")}
y = X["a"] + rng.normal(size=60)
numbers = {name: X[name] for name in "ab"}
small = {"preset": "fast", "max_iter": 40, "random_state": 0}
for name, fit in {
    "mixture": lambda: tacit.Mixture(1, random_state=0).fit(X),
    "linear": lambda: tacit.LinearGaussian(1, random_state=0).fit(numbers),
    "conditional": lambda: tacit.ConditionalMixture(**small, n_members=2, search=None).fit(X, y),
    "latent": lambda: tacit.VAE(1, **small).fit(X),
}.items():
    fit().save(f"{sys.argv[1]}/{name}.tacit")
short = tacit.VAE(1, **small).fit(X).score(X)
sys.modules["tacit.training.train"].LONG = 0.0  # the other program
print(short, tacit.VAE(1, **small).fit(X).score(X))
rows = np.c_[X["a"], X["b"]]
mixture = tacit.GaussianMixture(2, n_init=2, random_state=0).fit(rows)  # by the programs that users have
print(mixture.score(rows), mixture.partial_fit(rows).partial_fit(rows).score(rows))
"""
LOAD = """
import sys
from tacit.workflow.any_file import load_any, sort_of
model, _ = load_any(sys.argv[1])
files = ("model_file", "conditional_file", "latent_file")
print(type(model).__name__, sort_of(model), *[name for name in files if f"tacit.workflow.{name}" in sys.modules])
"""


def told(code: str, argument: Path) -> list[str]:
    """What a new process prints that has no XLA_FLAGS."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [sys.executable, "-c", code, str(argument)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    folder = tmp_path_factory.mktemp("files")
    return folder, [float(word) for word in told(FIT, folder)]


def test_both_compilations_train_the_same_model(files: tuple[Path, list[float]]) -> None:
    short, long, whole, stream = files[1]
    assert short == pytest.approx(long, rel=1e-3)
    assert np.isfinite([whole, stream]).all()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mixture", ["TableMixture", "joint", "model_file"]),
        ("linear", ["LinearTable", "joint", "model_file"]),
        ("conditional", ["ConditionalTable", "conditional", "conditional_file"]),
        ("latent", ["LatentTable", "latent", "latent_file"]),
    ],
)
def test_a_file_needs_the_module_of_its_own_sort_alone(
    files: tuple[Path, list[float]], name: str, found: list[str]
) -> None:
    assert told(LOAD, files[0] / f"{name}.tacit") == found
