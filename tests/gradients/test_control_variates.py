"""REBAR, RELAX and double control variates: unbiased wherever their own arrays stand, trained to lower the variance."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from scipy import stats

from tacit._errors import UsageError
from tacit.distributions import Bernoulli, Categorical, Categoricals, DiagonalNormal
from tacit.gradients import AbstractGradient, DoubleControlVariates, Memory, Rebar, Relax
from tacit.gradients._digits import log_shares, perturbed_given
from tacit.gradients.names import gradient_named
from tacit.objectives import ELBO, IWAE
from tests.gradients.contract import CONTEXT, Problem, listed, problem

ESTIMATORS: dict[str, tuple[AbstractGradient, int]] = {
    "rebar": (Rebar(0.3), 2),
    "relax": (Relax(6, width=4), 1),
    "double": (DoubleControlVariates(1.0), 3),
}


def moved(estimator: AbstractGradient, far: float = 0.3) -> Any:
    """The estimator's own arrays, not where they start."""
    y, x = CONTEXT
    flat, unravel = ravel_pytree(estimator.init(jax.random.key(5), (y[None], x)).trained)
    return unravel(flat + far * jax.random.normal(jax.random.key(6), flat.shape))


def value_of(given: Problem, estimator: AbstractGradient, combine: Any, n: int) -> Any:
    def value(key: jax.Array, q: Any, own: Any) -> jax.Array:
        return estimator(key, q, given.log_weight(given.theta), combine, n, CONTEXT, Memory(own))[0]

    return value


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_unbiased_wherever_its_own_arrays_stand(name: str) -> None:
    estimator, n = ESTIMATORS[name]
    objective = IWAE() if name == "rebar" else ELBO()
    with jax.enable_x64(True):
        given = problem("categoricals")
        value, own = value_of(given, estimator, objective.combine, n), moved(estimator)

        @jax.jit
        def run() -> Any:
            keys = jax.random.split(jax.random.key(1, impl="unsafe_rbg"), 40_000)
            return jax.lax.map(lambda key: jax.grad(value, 1)(key, given.q, own).logits.ravel(), keys, batch_size=4000)

        found = np.asarray(run())
        exact = jax.grad(lambda q: listed(given, objective.combine, n)(given.theta, q))(given.q).logits.ravel()
    z = (found.mean(0) - np.asarray(exact)) / (found.std(0) / np.sqrt(len(found)))
    assert np.abs(z).max() < stats.norm.isf(1e-6 / (2 * z.size))


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_its_own_arrays_follow_the_squared_norm_of_the_gradient_in_q(name: str) -> None:
    estimator, n = ESTIMATORS[name]
    with jax.enable_x64(True):
        given, key = problem("categoricals"), jax.random.key(2)
        value, own = value_of(given, estimator, ELBO().combine, n), moved(estimator)
        flat, unravel = ravel_pytree(own)
        direction = jax.random.normal(jax.random.key(3), flat.shape)

        @jax.jit
        def norm(step: jax.Array) -> jax.Array:
            return jnp.sum(jax.grad(value, 1)(key, given.q, unravel(flat + step * direction)).logits ** 2)

        descent = jax.jit(jax.grad(value, 2))(key, given.q, own)
        step = 1e-5
        difference = (norm(step) - norm(-step)) / (2 * step)
        found = ravel_pytree(descent)[0] @ direction
    np.testing.assert_allclose(found, -np.asarray(difference), rtol=1e-6)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_training_its_own_arrays_lowers_the_variance(name: str) -> None:
    estimator, n = ESTIMATORS[name]
    given, start = problem("categoricals"), moved(estimator, 1.0)
    value, optimizer = value_of(given, estimator, ELBO().combine, n), optax.adam(0.03)

    def norms(own: Any) -> jax.Array:
        keys = jax.random.split(jax.random.key(8), 2000)
        return jnp.sum(jax.vmap(jax.grad(value, 1), (0, None, None))(keys, given.q, own).logits ** 2, axis=(1, 2))

    def step(carry: Any, key: jax.Array) -> Any:
        own, moments = carry
        keys = jax.random.split(key, 20)
        total = lambda own: jnp.mean(jax.vmap(value, (0, None, None))(keys, given.q, own))  # noqa: E731
        updates, moments = optimizer.update(jax.tree.map(jnp.negative, jax.grad(total)(own)), moments)
        return (optax.apply_updates(own, updates), moments), None

    @jax.jit
    def run() -> Any:
        keys = jax.random.split(jax.random.key(4), 200)
        (own, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), keys)
        return norms(start), norms(own)

    gain = np.subtract(*run())
    assert gain.mean() > 4 * gain.std() / np.sqrt(gain.size)


def test_noise_given_the_largest_entry_is_distributed_as_noise_of_draws_with_that_entry() -> None:
    shares = log_shares(Categorical(jnp.array([1.0, 0.0, -1.0])))
    keys = jax.random.split(jax.random.key(0), 20_000)
    free = shares + jax.random.gumbel(jax.random.key(1), (20_000, 1, 3))
    rows = jax.nn.one_hot(free.argmax(-1), 3)
    given = jax.vmap(perturbed_given, (0, None, 0))(keys, shares, rows)
    assert bool(jnp.all(given.argmax(-1) == rows.argmax(-1)))
    for state in range(3):
        place = np.asarray(rows[:, 0, state] > 0)
        for entry in range(3):
            assert stats.ks_2samp(free[place, 0, entry], given[place, 0, entry]).pvalue > 1e-5


def test_the_conditional_noise_moves_with_q_as_the_control_variate_has_it() -> None:
    """`d(z_i - z~_i) / dl_i = exp(z_i - z_k)`, against differences with the noise behind z~ held fixed."""
    with jax.enable_x64(True):
        shares = log_shares(Bernoulli(jnp.array([0.7, -0.4])))
        rows = jnp.array([[0.0, 1.0], [1.0, 0.0]])
        key, step = jax.random.key(3), 1e-6
        z, after = (perturbed_given(key, shares + by, rows) for by in (0.0, step))
        behind, z = np.asarray(1 - (after - z) / step), np.asarray(z)
    np.testing.assert_allclose(behind, np.exp(z - z.max(axis=1, keepdims=True)), rtol=1e-4)


def test_at_one_relaxed_temperature_relax_starts_as_rebar() -> None:
    given, (y, x) = problem("categoricals"), CONTEXT
    rebar, relax = Rebar(0.4), Relax(6, temperature=0.4)
    one, two = (
        jax.grad(value_of(given, e, ELBO().combine, 2), 1)(
            jax.random.key(1), given.q, e.init(jax.random.key(0), (y[None], x)).trained
        ).logits
        for e in (rebar, relax)
    )
    np.testing.assert_allclose(one, two, rtol=1e-5)


def test_relax_by_its_name_takes_its_size_from_q() -> None:
    given, (y, x) = problem("categoricals"), CONTEXT
    named = gradient_named("relax")
    own, whole = named.sized(given.q), Relax(6)
    gradients = [
        jax.grad(value_of(given, e, ELBO().combine, 2), 1)(
            jax.random.key(1), given.q, e.init(jax.random.key(0), (y[None], x)).trained
        ).logits
        for e in (own, whole)
    ]
    np.testing.assert_array_equal(*gradients)
    assert whole.sized(given.q) is whole
    with pytest.raises(UsageError, match="not known yet"):
        named.init(jax.random.key(0), (y[None], x))


def test_bad_settings_and_latents_are_told() -> None:
    with pytest.raises(UsageError, match="temperature"):
        Rebar(0.0)
    with pytest.raises(UsageError, match="size"):
        Relax(0)
    with pytest.raises(UsageError, match=r"Use Relax\(6\)"):
        Relax(4).check(Categoricals(jnp.zeros((2, 3))), 1)
    with pytest.raises(UsageError, match="no discrete latent"):
        Rebar().check(DiagonalNormal(jnp.zeros(2), jnp.zeros(2)), 1)
    with pytest.raises(UsageError, match="too few"):
        DoubleControlVariates().check(Categorical(jnp.zeros(3)), 1)
