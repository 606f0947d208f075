"""Structured prediction: its objective is E log mean p(y | z_s, x) with z_s from the prior, which a listing gives."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Categorical, DiscreteChain
from tacit.gradients import Pathwise
from tacit.inference.from_prior import FromPrior
from tacit.inference.optimizers import Descent
from tacit.models import AbstractConditional, LatentModel
from tacit.networks import Linear
from tacit.objectives import ELBO, IWAE
from tacit.training import train


class Second(AbstractConditional):
    head: Linear

    def __call__(self, a):
        return Categorical(self.head(a))


class Layers(AbstractConditional):
    first: Linear
    second: Linear

    def __call__(self, x):
        return DiscreteChain(Categorical(self.first(x)), Second(self.second))


class Pixels(AbstractConditional):
    head: Linear

    def __call__(self, context):
        (_, b), _ = context
        return Bernoulli(self.head(b))


def small() -> LatentModel:
    keys = jax.random.split(jax.random.key(0), 3)
    prior = Layers(Linear.init(keys[0], 2, 2), Linear.init(keys[1], 2, 2, gain=2.0))
    return LatentModel(prior, Pixels(Linear.init(keys[2], 2, 3, gain=3.0)))


@pytest.mark.parametrize(("objective", "samples"), [(ELBO(), 1), (IWAE(), 2)])
def test_the_value_is_the_listed_expectation(objective, samples: int) -> None:
    model, x, y = small(), jnp.array([0.4, -1.0]), jnp.array([1.0, 0.0, 1.0])
    n = 20_000
    batch = Batch(jnp.tile(y, (n, 1)), jnp.tile(x, (n, 1)), None, jnp.ones(n), jnp.arange(n))
    procedure = FromPrior(objective, Pathwise(), Descent(), num_samples=samples)
    state = procedure.init(jax.random.key(0), model, None, batch)
    values = [procedure.evaluate(key, state, batch) for key in jax.random.split(jax.random.key(1), 10)]
    means = np.array([float(value / weight) for value, weight in values])

    prior = model.prior(x)
    states = list(itertools.product(jnp.eye(2), jnp.eye(2)))
    log_p = np.array([float(prior.log_prob(z)) for z in states])
    log_y = np.array([float(model.log_likelihood(z, x, y)) for z in states])
    np.testing.assert_allclose(np.exp(log_p).sum(), 1.0, rtol=1e-5)
    expected = 0.0
    for draws in itertools.product(range(4), repeat=samples):
        of_one = np.log(np.mean(np.exp(log_y[list(draws)]))) if samples > 1 else log_y[draws[0]]
        expected += np.exp(log_p[list(draws)].sum()) * of_one
    assert abs(means.mean() - expected) < 4.5 * means.std(ddof=1) / np.sqrt(len(means))
    assert means.std() < 0.01


def test_it_trains_without_a_posterior() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2))
    y = np.repeat((x[:, :1] > 0).astype(float), 3, axis=1)
    data = Batch(y, x, None, None, None)
    settings = {"procedure": FromPrior, "optimizer": Descent(0.05), "batch_size": 32}
    fitted = train(small(), None, data, key=jax.random.key(0), max_epochs=30, **settings)
    # Pathwise does not reach through one-hot draws, so only the likelihood learns
    assert fitted.training[-1] > fitted.training[0]
    assert fitted.skipped == 0
