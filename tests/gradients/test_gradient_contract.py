"""Every estimator that claims to be unbiased is, against enumeration; and the test can tell one that is 5 % off."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from tests.gradients.contract import (
    CASES,
    CONTEXT,
    LATENTS,
    OBJECTIVES,
    ROWS,
    at_posterior,
    estimates,
    listed,
    measured,
    problem,
)


def quick(case: tuple[str, str, str]) -> Any:
    """The case as a parameter: fast on one latent of each estimator, in turn; on the others a long study."""
    name, latent, objective = case
    row = ROWS[name]
    one = row.latents[list(ROWS).index(name) % len(row.latents)]
    fast = objective != row.objectives[0] or latent == one
    return pytest.param(*case, marks=() if fast else pytest.mark.slow)


UNBIASED = [quick(case) for case in CASES if ROWS[case[0]].make().unbiased]
BIASED = [case for case in CASES if not ROWS[case[0]].make().unbiased]
SCALES = (0.95, 1.05)


@pytest.mark.parametrize(("name", "latent", "objective"), UNBIASED)
def test_the_mean_of_value_and_gradients_is_that_of_a_listing(name: str, latent: str, objective: str) -> None:
    found = measured(name, latent, objective)
    for part in found.parts:
        assert found.accepted(part), part


@pytest.mark.parametrize(("name", "latent", "objective"), UNBIASED)
def test_a_mutant_five_per_cent_off_is_found_out(name: str, latent: str, objective: str) -> None:
    found = measured(name, latent, objective)
    for part in ("model", "posterior"):
        assert not any(found.accepted(part, scale) for scale in SCALES), part


@pytest.mark.parametrize(("name", "latent", "objective"), BIASED)
def test_an_estimator_that_does_not_claim_it_is_found_out_too(name: str, latent: str, objective: str) -> None:
    assert not measured(name, latent, objective).accepted("posterior")


EXACT = [quick(case) for case in CASES if ROWS[case[0]].exact_at_posterior]


@pytest.mark.parametrize(("name", "latent", "objective"), EXACT)
def test_no_variance_at_the_exact_posterior(name: str, latent: str, objective: str) -> None:
    row = ROWS[name]
    with jax.enable_x64(True):
        given = at_posterior(latent)
        one = estimates(row.make(), given, OBJECTIVES[objective].combine, row.num_samples)
        found = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1, impl="unsafe_rbg"), 500)))
        of_q = found[:, -ravel_pytree(given.q)[0].size :]
    np.testing.assert_allclose(found[:, 0], -1.7, atol=1e-12)  # the value is log p(y)
    assert of_q.var(axis=0).max() < 1e-20
    assert np.abs(of_q).max() < 1e-10


@pytest.mark.parametrize("name", list(ROWS))
def test_it_survives_jit_and_vmap_in_single_precision_with_keys_as_users_have_them(name: str) -> None:
    row = ROWS[name]
    given, estimator = problem(row.latents[0]), row.make()
    estimator.check(given.q, row.num_samples)
    combine = OBJECTIVES[row.objectives[0]].combine
    one, exact = estimates(estimator, given, combine, row.num_samples), listed(given, combine, row.num_samples)

    @jax.jit
    def run(keys: jax.Array) -> tuple[jax.Array, ...]:
        value, gradients = jax.value_and_grad(exact, (0, 1))(given.theta, given.q)
        return jax.vmap(one)(keys), jax.lax.map(one, keys[:3]), ravel_pytree((value, *gradients))[0]

    # with the generator of the other tests vmap makes even draws of one and the same key independent
    keys = jax.random.split(jax.random.key(2), 4000)
    together, alone, expected = run(keys)
    assert together.dtype == jnp.float32
    np.testing.assert_allclose(together[:3], alone, rtol=1e-4, atol=1e-5)
    told = slice(None) if estimator.unbiased else slice(1)  # of a biased one the value
    seen = np.asarray(together, float)[:, told]
    assert np.all(np.abs(seen.mean(0) - expected[told]) < 5.5 * seen.std(0) / np.sqrt(len(seen)) + 1e-4)
    # what replaces the running figures has their form, so that it can go round a loop
    y, x = CONTEXT
    memory = estimator.init(jax.random.key(5), (jnp.stack([y, y]), x))
    arguments = (given.q, given.log_weight(given.theta), combine, row.num_samples, CONTEXT, memory)
    _, running = jax.eval_shape(lambda key: estimator(key, *arguments), keys[0])
    assert jax.tree.structure(running) == jax.tree.structure(memory.running)
    for new, old in zip(jax.tree.leaves(running), jax.tree.leaves(memory.running), strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)


@pytest.mark.parametrize("name", list(ROWS))
def test_the_log_weight_is_called_as_often_as_the_estimator_says(name: str) -> None:
    row, calls = ROWS[name], []
    given, estimator = problem(row.latents[-1]), row.make()
    y, x = CONTEXT

    def log_weight(q: Any, z: jax.Array) -> jax.Array:
        jax.debug.callback(lambda _: calls.append(1), z)
        return given.log_weight(given.theta)(q, z)

    memory = estimator.init(jax.random.key(5), (jnp.stack([y, y]), x))
    combine = OBJECTIVES[row.objectives[0]].combine
    arguments = (given.q, log_weight, combine, row.num_samples, CONTEXT, memory)
    jax.block_until_ready(jax.jit(lambda key: estimator(key, *arguments)[0])(jax.random.key(0)))
    jax.effects_barrier()
    assert len(calls) == estimator.evaluations(given.q, row.num_samples)


def test_every_latent_and_objective_is_met() -> None:
    assert {(latent, objective) for _, latent, objective in CASES} >= {(a, "elbo") for a in LATENTS}
