"""A small problem that every test of training shares, so that it compiles once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.data.batch import Batch
from tacit.models import Components, DiagonalFamily, Encoder, Expert, Gate, MixtureOfExperts
from tacit.networks import MLP, Fixed, Linear

K = 2


def make_model(seed: int = 0) -> MixtureOfExperts:
    keys = jax.random.split(jax.random.key(seed), 3)
    family = DiagonalFamily(Fixed(jnp.array([0.01])))
    components = Components.init(keys[0], family, K, 5)
    return MixtureOfExperts(Gate(Linear.init(keys[1], 5, K)), Expert(components), MLP.init(keys[2], 1, (4,)))


def make_encoder(seed: int = 0) -> Encoder:
    keys = jax.random.split(jax.random.key(100 + seed), 2)
    return Encoder(MLP.init(keys[0], 2, (4,)), Gate(Linear.init(keys[1], 6, K)))


@pytest.fixture(scope="session")
def data() -> Batch:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(40, 1))
    y = np.where(rng.random((40, 1)) < 0.5, x, -x) + 0.1 * rng.normal(size=(40, 1))
    return Batch(y, x, None, None, None)


@pytest.fixture
def model() -> Any:
    return make_model()
