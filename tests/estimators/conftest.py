"""Tiny conditional mixtures that many tests share: each network compiles and trains once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tacit import ConditionalMixture

N = 160
TINY: dict[str, Any] = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "n_members": 2,
    "search": None,
    "max_iter": 60,
    "learning_rate": 0.01,
    "scale_floor": 0.01,
    "random_state": 0,
}


def crossing_lines(n: int = N, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Two branches y = x and y = -x with noise, beside a category that shifts them."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, n)
    kind = np.where(random.random(n) < 0.5, "a", "b")
    y = np.where(random.random(n) < 0.5, x, -x) + 0.5 * (kind == "b") + 0.1 * random.normal(size=n)
    return pd.DataFrame({"x": x, "kind": kind}), pd.Series(y, name="speed")


def two_targets(n: int = N) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A real and a positive target that depend on each other given x."""
    random = np.random.default_rng(1)
    X, y = crossing_lines(n, seed=1)
    return X, pd.DataFrame({"u": y, "v": np.exp(0.5 * y + 0.3 * random.normal(size=n))})


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    return TINY


@pytest.fixture(scope="session")
def targets() -> tuple[pd.DataFrame, pd.DataFrame]:
    return two_targets()


@pytest.fixture(scope="session")
def lines() -> tuple[pd.DataFrame, pd.Series]:
    return crossing_lines()


@pytest.fixture(scope="session")
def exact(lines: Any) -> ConditionalMixture:
    return ConditionalMixture(**TINY).fit(*lines)


@pytest.fixture(scope="session")
def pair() -> ConditionalMixture:
    return ConditionalMixture(**TINY, types={"v": "positive"}).fit(*two_targets())


@pytest.fixture(scope="session")
def concrete(lines: Any) -> ConditionalMixture:
    return ConditionalMixture(**TINY, latent="concrete", compare_exact=True).fit(*lines)


@pytest.fixture(scope="session")
def amortised(lines: Any) -> ConditionalMixture:
    return ConditionalMixture(**TINY, inference="amortised").fit(*lines)
