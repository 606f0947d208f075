"""A latent that is summed out, against SciPy; and the one equation, log p = ELBO + KL."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from tacit.distributions import Categorical, kl_divergence
from tacit.gradients import Enumeration
from tacit.inference.bound import bound_of_row
from tacit.models import Components, DiagonalFamily, Encoder, Expert, FullFamily, Gate, MixtureOfExperts
from tacit.models.enumeration import exact_posterior, log_joints, log_marginal
from tacit.networks import MLP, Fixed, Linear
from tacit.objectives import ELBO

D, P, K = 2, 3, 4


def experts(full: bool, active: jax.Array | None = None) -> MixtureOfExperts:
    keys = jax.random.split(jax.random.key(0), 3)
    family = (FullFamily if full else DiagonalFamily)(Fixed(jnp.array([0.05, 0.1])))
    components = Components.init(keys[0], family, K, 5 + P)
    base = components.base + 0.3 * jax.random.normal(keys[0], components.base.shape)
    gate = Gate(Linear.init(keys[1], 5 + P, K), active)
    return MixtureOfExperts(gate, Expert(Components(family, base, components.head)), MLP.init(keys[2], P, (5,)))


@pytest.mark.parametrize("full", [False, True])
def test_the_marginal_is_that_of_scipy(full: bool) -> None:
    model, x, y = experts(full), jnp.array([0.3, -1.0, 2.0]), jnp.array([0.5, -0.7])
    features = model.context(x)
    logits, stack = model.prior(features).logits, model.likelihood.components(features)
    densities = []
    for k in range(K):
        if full:
            factor = np.asarray(stack.scale_tril[k], float)
            densities.append(stats.multivariate_normal(stack.loc[k], factor @ factor.T).logpdf(y))
        else:
            densities.append(stats.norm(stack.loc[k], np.exp(stack.log_scale[k])).logpdf(y).sum())
    joints = special.log_softmax(np.asarray(logits, float)) + densities
    np.testing.assert_allclose(log_joints(model, y, x), joints, rtol=2e-5)
    np.testing.assert_allclose(log_marginal(model, y, x), special.logsumexp(joints), rtol=2e-5)
    np.testing.assert_allclose(jnp.exp(exact_posterior(model, y, x).log_probs()), special.softmax(joints), rtol=1e-4)


def test_scales_stay_above_their_floor() -> None:
    model, x = experts(False), jnp.array([0.3, -1.0, 2.0])
    family = model.likelihood.components.family
    far = Components(family, jnp.full((K, 4), -100.0), None)
    np.testing.assert_allclose(jnp.exp(far(x).log_scale), np.broadcast_to([0.05, 0.1], (K, D)), rtol=1e-6)


def test_components_that_are_off_have_no_weight_and_finite_gradients() -> None:
    x, y = jnp.array([0.3, -1.0, 2.0]), jnp.array([0.5, -0.7])
    model = experts(False, jnp.array([True, True, False, False]))
    weights = np.exp(model.prior(model.context(x)).log_probs())
    assert weights[2:].tolist() == [0.0, 0.0]
    bare = model.context(x)
    stack = model.likelihood.components(bare)
    two = special.log_softmax(np.asarray(model.prior.head(bare), float)[:2])
    densities = stats.norm(stack.loc[:2], np.exp(stack.log_scale[:2])).logpdf(y).sum(1)
    np.testing.assert_allclose(log_marginal(model, y, x), special.logsumexp(two + densities), rtol=2e-5)
    gradient = jax.grad(lambda head: log_marginal(eqx_replace(model, head), y, x))(model.prior.head)
    assert np.all(np.isfinite(gradient.weight))
    assert np.all(gradient.weight[2:] == 0)


def eqx_replace(model: MixtureOfExperts, head: Linear) -> MixtureOfExperts:
    return MixtureOfExperts(Gate(head, model.prior.active), model.likelihood, model.features)


@pytest.mark.parametrize("kl", ["closed", "sampled"])
def test_log_p_is_the_elbo_plus_the_divergence_from_q_to_the_posterior(kl: str) -> None:
    model, x, y = experts(False), jnp.array([0.3, -1.0, 2.0]), jnp.array([0.5, -0.7])
    keys = jax.random.split(jax.random.key(5), 2)
    encoder = Encoder(MLP.init(keys[0], D + P, (5,)), Gate(Linear.init(keys[1], 5 + D + P, K)))
    objective = ELBO(kl=kl)
    value, kls, _ = bound_of_row(jax.random.key(0), model, encoder((y, x)), objective, Enumeration(), 1, y, x)
    bound = value - objective.penalty(kls) if objective.closed_kl else value
    gap = kl_divergence(encoder((y, x)), exact_posterior(model, y, x))
    assert gap > 0.01
    np.testing.assert_allclose(bound + gap, log_marginal(model, y, x), rtol=1e-5)


def test_divergence_of_categories_is_that_of_scipy() -> None:
    q, p = np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
    found = kl_divergence(Categorical(jnp.log(q)), Categorical(jnp.log(p)))
    np.testing.assert_allclose(found, stats.entropy(q, p), rtol=1e-6)
