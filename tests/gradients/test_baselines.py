"""Baselines: what they know and when, how they are trained, and the reward that a learned density goes with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Categorical, kl_divergence
from tacit.gradients import (
    ConstantBaseline,
    Enumeration,
    LearnedDensity,
    LeaveOneOut,
    Memory,
    MovingAverage,
    NetworkBaseline,
    Reinforce,
)
from tacit.inference.joint import Joint
from tacit.inference.optimizers import Descent, Separate
from tacit.models import AbstractConditional, Constant, FiniteMixture
from tacit.networks import Linear
from tacit.objectives import ELBO
from tacit.training import gradient_variance, train

ROWS = (np.random.default_rng(1).random((200, 4)) < np.array([0.9, 0.2, 0.5, 0.7])).astype(np.float32)


def mixture(seed: int = 0, k: int = 3) -> FiniteMixture:
    return FiniteMixture.of(jnp.zeros(k), Bernoulli(2 * jax.random.normal(jax.random.key(seed), (k, 4))))


def test_a_moving_average_knows_past_costs_only() -> None:
    average = MovingAverage(decay=0.5)
    memory, seen = average.init(jax.random.key(0), None), []
    for reward in (-4.0, -8.0, -8.0):
        seen.append(float(average(None, memory)))
        memory = Memory(running=average.update(memory, jnp.array(reward)))
    # (0.5 * -4 + 1 * -8) / 1.5, written out
    np.testing.assert_allclose(seen, [0.0, -4.0, (0.25 * -4 + 0.5 * -8) / 0.75], rtol=1e-6)


def test_the_draw_of_a_step_does_not_move_its_own_baseline() -> None:
    """One step of the gradient is that with the constant the average had before it."""
    q, memory = (
        Categorical(jnp.array([0.1, -0.4])),
        Memory(running=MovingAverage().init(jax.random.key(0), None).running),
    )
    memory = Memory(running=MovingAverage().update(memory, jnp.array(-7.0)))

    def slope(estimator, memory):
        def value(logits):
            own = Categorical(logits)
            return estimator(jax.random.key(3), own, lambda q, z: 9.0 * z[0], jnp.mean, 1, None, memory)[0]

        return jax.grad(value)(q.logits)

    known = slope(Reinforce(ConstantBaseline(-7.0)), Memory())
    np.testing.assert_allclose(slope(Reinforce(MovingAverage()), memory), known, rtol=1e-5)


@pytest.mark.parametrize("baseline", [NetworkBaseline((8,)), LearnedDensity(Constant(mixture(5)))])
def test_the_gradient_of_its_own_arrays_is_that_of_its_loss_alone(baseline) -> None:
    y = jnp.asarray(ROWS[0])
    memory = baseline.init(jax.random.key(0), (jnp.asarray(ROWS), None))

    def value(trained):
        own = Memory(trained, memory.running)
        weigh = lambda q, z: 3.0 * z[0] - q.log_prob(z)  # noqa: E731
        return Reinforce(baseline)(jax.random.key(3), Categorical(jnp.zeros(2)), weigh, jnp.mean, 2, (y, None), own)[0]

    reward = 0.5 * sum(3.0 * z[0] + jnp.log(2.0) for z in draws(jax.random.key(3)))
    loss = lambda trained: baseline.loss((y, None), Memory(trained, memory.running), reward)  # noqa: E731
    ours, expected = jax.grad(value)(memory.trained), jax.grad(loss)(memory.trained)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, -b, rtol=1e-4, atol=1e-6)
    assert max(float(jnp.abs(a).max()) for a in jax.tree.leaves(ours)) > 1e-3


def draws(key: jax.Array) -> list[jax.Array]:
    return [Categorical(jnp.zeros(2)).sample(k) for k in jax.random.split(key, 2)]


def test_a_learned_density_becomes_the_density_of_the_rows_while_training() -> None:
    model, start = mixture(0), Bernoulli(jnp.zeros(4))
    gradient = Reinforce(LearnedDensity(Constant(start)))
    procedure = Joint(ELBO(), gradient, Descent(0.05))
    batch = Batch(jnp.asarray(ROWS), None, None, jnp.ones(len(ROWS)), None)
    posterior = Constant(Categorical(jnp.zeros(3)))
    state = procedure.init(jax.random.key(0), model, posterior, batch)

    def step(state, key):
        return procedure.update(state, procedure.summarise(key, state, batch)), None

    state, _ = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(jax.random.key(1), 300)))(state)
    learned = jax.nn.sigmoid(state.memory.trained.distribution.logits)
    np.testing.assert_allclose(learned, ROWS.mean(0), atol=0.02)


def test_no_variance_at_the_posterior_with_the_full_reward_but_not_with_the_closed_divergence() -> None:
    """The baseline is the model's own density, what it can learn at best; figures are exact, states are listed."""
    model, y = mixture(2, 8), jnp.asarray(ROWS[0])
    posterior = model.posterior(y)
    baseline = LearnedDensity(Constant(model))
    near, far = posterior, Categorical(jnp.linspace(1.0, -1.0, 8))

    def variance(q, kl):
        def log_weight(q, z):
            likelihood = model.log_likelihood(z, None, y)
            return likelihood if kl == "closed" else likelihood + model.prior(None).log_prob(z) - q.log_prob(z)

        def value(logits, key):
            own = Categorical(logits)
            return Reinforce(baseline)(key, own, log_weight, jnp.mean, 1, (y, None), Memory(Constant(model)))[0]

        found = jax.vmap(jax.grad(value), (None, 0))(q.logits, jax.random.split(jax.random.key(0), 4000))
        return float(found.var(0).sum())

    assert variance(near, "full") < 1e-10 < 1e-3 < variance(near, "closed")
    assert variance(far, "full") > 1e-2


class LinearEncoder(AbstractConditional):
    """The logits of the posterior of a mixture of independent bits are linear in the bits."""

    linear: Linear

    def __call__(self, evidence):
        return Categorical(self.linear(evidence[0]))


def trained(gradient, num_samples=1, metrics=None):
    """Only the posterior moves; the exact one is within its reach."""
    start = LinearEncoder(Linear.init(jax.random.key(4), 4, 3))
    return train(
        mixture(2),
        start,
        Batch(ROWS, None, None, None, None),
        key=jax.random.key(1),
        gradient=gradient,
        num_samples=num_samples,
        optimizer=Separate(Descent(0.0), Descent(0.05, decay_steps=320.0), Descent(0.02)),
        batch_size=50,
        max_epochs=100,
        validation=np.arange(0, 200, 5),
        metrics=metrics,
    )


@pytest.mark.slow
def test_the_variance_along_training_vanishes_as_the_posterior_becomes_exact() -> None:
    metrics = {
        "others": gradient_variance(LeaveOneOut(), num_samples=2),
        "plain": gradient_variance(Reinforce(), num_samples=2),
        "average": gradient_variance(Reinforce(MovingAverage()), num_samples=2),
        "listed": gradient_variance(Enumeration(), n_draws=2),
    }
    seen = trained(Enumeration(), metrics=metrics).metrics
    assert (seen["listed"] < 1e-9).all()
    assert seen["others"][-1] < 0.01 * seen["others"][0]
    assert seen["average"][-1] < 0.01 * seen["average"][0]
    assert seen["plain"][-1] > 0.1  # the size of a log-weight stays


@pytest.mark.parametrize(("gradient", "num_samples"), [(LeaveOneOut(), 2), (Reinforce(NetworkBaseline((8,))), 2)])
def test_sampled_gradients_reach_the_exact_posterior(gradient, num_samples: int) -> None:
    fitted = trained(gradient, num_samples)
    rows = jnp.asarray(ROWS)
    exact = jax.vmap(mixture(2).posterior)(rows)
    found = jax.vmap(lambda y: fitted.posterior((y, None)))(rows)
    gap = jax.vmap(kl_divergence)(found, exact).mean()
    assert gap < 0.02
