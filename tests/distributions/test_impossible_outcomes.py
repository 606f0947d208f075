"""0 times -inf is 0, and log_prob stays linear in the event."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.distributions import Bernoulli, Categorical, CategoricalColumns, Poisson

INF = jnp.inf


@pytest.mark.parametrize(
    ("family", "event", "value"),
    [
        (Bernoulli(jnp.array([INF, -INF])), [1.0, 0.0], 0.0),
        (Bernoulli(jnp.array([INF, 0.0])), [0.0, 1.0], -INF),
        (CategoricalColumns(jnp.array([[0.0, -INF, 0.0]])), [2.0], -np.log(2)),
        (CategoricalColumns(jnp.array([[0.0, -INF, 0.0]])), [1.0], -INF),
        (Categorical(jnp.array([0.0, -INF, 0.0])), [1.0, 0.0, 0.0], -np.log(2)),
        (Categorical(jnp.array([0.0, -INF, 0.0])), [0.0, 1.0, 0.0], -INF),
        (Poisson(jnp.array([-INF, 0.0])), [0.0, 1.0], -1.0),
        (Poisson(jnp.array([-INF])), [1.0], -INF),
    ],
    ids=lambda part: type(part).__name__ if hasattr(part, "log_prob") else str(part),
)
def test_zero_times_minus_infinity(family: Any, event: list[float], value: float) -> None:
    found, gradient = jax.jit(jax.value_and_grad(lambda f: f.log_prob(jnp.array(event))))(family)
    np.testing.assert_allclose(found, value, rtol=1e-6)
    if np.isfinite(value):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_gradient_in_a_one_hot_event_is_every_log_probability() -> None:
    """What straight-through estimators differentiate: the zero cells count too."""
    logits = jnp.array([0.3, -1.0, 2.0])
    categorical = Categorical(logits)
    for event in categorical.support():
        np.testing.assert_allclose(jax.grad(categorical.log_prob)(event), jax.nn.log_softmax(logits), rtol=1e-6)
    for event in ([0.0, 1.0, 0.0], [1.0, 1.0, 0.5]):
        np.testing.assert_allclose(jax.grad(Bernoulli(logits).log_prob)(jnp.array(event)), logits, rtol=1e-6)


def test_relaxed_event_is_the_chord() -> None:
    categorical = Categorical(jnp.array([0.3, -1.0, 2.0]))
    weights = jnp.array([0.2, 0.5, 0.3])
    chord = sum(w * categorical.log_prob(z) for w, z in zip(weights, categorical.support(), strict=True))
    np.testing.assert_allclose(categorical.log_prob(weights), chord, rtol=1e-6)


def test_categorical_states_sum_to_one_and_are_drawn_as_often() -> None:
    probs = np.array([0.1, 0.6, 0.3])
    categorical = Categorical(jnp.log(jnp.asarray(probs)) - 2.0)
    np.testing.assert_allclose(jnp.exp(categorical.log_probs()), probs, rtol=1e-6)
    n = 20_000
    draws = jax.jit(jax.vmap(categorical.sample))(jax.random.split(jax.random.key(0), n))
    assert set(np.unique(draws)) == {0.0, 1.0}
    np.testing.assert_array_equal(draws.sum(1), 1.0)
    assert (np.abs(np.asarray(draws).mean(0) - probs) < 5 * np.sqrt(probs * (1 - probs) / n)).all()
