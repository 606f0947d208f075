"""Latents of several independent factors: their states add up, and divergences are those of a listing."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tacit._errors import UsageError
from tacit.distributions import (
    Bernoulli,
    Categoricals,
    Concrete,
    Concretes,
    DiagonalNormal,
    DiscreteChain,
    concrete_kl,
    kl_divergence,
    kl_factors,
)
from tacit.models.enumeration import check_listable, listable
from tacit.objectives import ELBO

LOGITS = jax.random.normal(jax.random.key(0), (3, 4))


def codes(seed: int) -> dict[str, Bernoulli | Categoricals]:
    key = jax.random.key(seed)
    return {
        "bernoulli": Bernoulli(1.5 * jax.random.normal(key, (4,))),
        "categoricals": Categoricals(1.5 * jax.random.normal(key, (3, 3))),
    }


@pytest.mark.parametrize("name", ["bernoulli", "categoricals"])
def test_the_states_are_all_different_and_their_probabilities_add_up(name: str) -> None:
    q = codes(1)[name]
    states = np.asarray(q.support()).reshape(q.n_states, -1)
    assert len(np.unique(states, axis=0)) == q.n_states == {"bernoulli": 16, "categoricals": 27}[name]
    np.testing.assert_allclose(np.exp(q.log_probs()).sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", ["bernoulli", "categoricals"])
def test_draws_have_the_listed_frequencies(name: str) -> None:
    q, n = codes(1)[name], 40_000
    draws = np.asarray(jax.vmap(q.sample)(jax.random.split(jax.random.key(2), n))).reshape(n, -1)
    states = np.asarray(q.support()).reshape(q.n_states, -1)
    found = (draws[:, None] == states).all(-1).mean(0)
    expected = np.exp(q.log_probs())
    assert np.abs((found - expected) / np.sqrt(expected * (1 - expected) / n)).max() < 4.5
    np.testing.assert_allclose(found.sum(), 1.0)  # no draw outside the support


@pytest.mark.parametrize("name", ["bernoulli", "categoricals"])
def test_divergences_are_those_of_a_listing_factor_by_factor(name: str) -> None:
    q, p = codes(1)[name], codes(2)[name]
    log_q, log_p = np.asarray(q.log_probs(), float), np.asarray(p.log_probs(), float)
    np.testing.assert_allclose(kl_divergence(q, p), np.sum(np.exp(log_q) * (log_q - log_p)), rtol=1e-4)
    for j in range(len(q.logits)):
        alone = kl_divergence(type(q)(q.logits[j : j + 1]), type(p)(p.logits[j : j + 1]))
        np.testing.assert_allclose(kl_factors(q, p)[j], alone, rtol=1e-5)


def test_events_of_categories_are_linear_in_every_factor() -> None:
    q = Categoricals(LOGITS)
    a, b, rest = jnp.eye(4)[1], jnp.eye(4)[2], jnp.eye(4)[jnp.array([0, 3])]
    between = q.log_prob(jnp.concatenate([(0.3 * a + 0.7 * b)[None], rest]))
    ends = [q.log_prob(jnp.concatenate([e[None], rest])) for e in (a, b)]
    np.testing.assert_allclose(between, 0.3 * ends[0] + 0.7 * ends[1], rtol=1e-5)


def test_relaxed_categories_are_independent_concretes() -> None:
    q, p = Concretes(LOGITS, jnp.log(0.6)), Concretes(-LOGITS, jnp.log(0.4))
    u = q.sample(jax.random.key(1))
    alone = [Concrete(row, q.log_temperature).log_prob(v) for row, v in zip(LOGITS, u, strict=True)]
    np.testing.assert_allclose(q.log_prob(u), sum(alone), rtol=1e-5)
    pairs = zip(LOGITS, -LOGITS, strict=True)
    apart = [concrete_kl(Concrete(a, q.log_temperature), Concrete(b, p.log_temperature)) for a, b in pairs]
    np.testing.assert_allclose(kl_factors(q, p), apart, rtol=1e-4)


def test_what_cannot_be_listed_is_refused_with_the_number_of_states() -> None:
    assert listable(Bernoulli(jnp.zeros(16)))
    assert not listable(Bernoulli(jnp.zeros(200)))
    with pytest.raises(UsageError, match=r"10\^60 states.*LeaveOneOut"):
        check_listable(Bernoulli(jnp.zeros(200)), "Enumeration")
    with pytest.raises(UsageError, match="events of this distribution cannot be listed"):
        check_listable(DiagonalNormal(jnp.zeros(1), jnp.zeros(1)), "Enumeration")


def test_free_bits_cost_at_least_their_number_a_factor() -> None:
    objective = ELBO(kl="closed", free_bits=0.5, beta=2.0)
    np.testing.assert_allclose(objective.penalty(jnp.array([0.1, 0.7])), 2 * (0.5 + 0.7), rtol=1e-6)
    gradient = jax.grad(objective.penalty)(jnp.array([0.1, 0.7]))
    assert gradient.tolist() == [0.0, 2.0]
    with pytest.raises(UsageError, match="closed"):
        ELBO(free_bits=0.5)
    with pytest.raises(UsageError, match="'sampled' or 'closed'"):
        ELBO(kl="open")


@pytest.mark.parametrize("logit", [0.0, 1e-8, -1e-8, 3.0, -3.0, 60.0, -60.0])
@pytest.mark.parametrize("double", [False, True])
def test_the_slope_of_a_bit_is_its_residual_everywhere(logit: float, double: bool) -> None:
    """d/da (y a - log(1 + exp a)) = y - sigmoid(a): at 0 too, where learned logits begin, and for relaxed bits."""
    with jax.enable_x64(double):
        y = jnp.array([0.0, 1.0, 0.3])
        found = jax.grad(lambda a: Bernoulli(a).log_prob(y))(jnp.full(3, logit))
        np.testing.assert_allclose(found, y - jax.nn.sigmoid(logit), rtol=1e-5, atol=1e-7)


def linked(q: Any) -> DiscreteChain:
    """A chain of q, and of two bits given the first bit of its event."""
    return DiscreteChain(q, lambda a: Bernoulli(2.0 * jax.tree.leaves(a)[0][0] * jnp.array([1.0, -0.5]) - 0.5))


BITS = Bernoulli(jnp.array([0.4, 0.0]))
CHAINS = {
    "plain": DiscreteChain(BITS, lambda a: Bernoulli(2.0 * a - 0.5)),
    "reverse": DiscreteChain(BITS, lambda a: Bernoulli(2.0 * a - 0.5), reverse=True),
    "of a chain": linked(linked(Bernoulli(jnp.array([0.3])))),
    "to a chain": DiscreteChain(Bernoulli(jnp.array([0.3])), lambda a: linked(Bernoulli(2.0 * jnp.repeat(a, 2) - 0.5))),
}


@pytest.mark.parametrize("name", CHAINS)
def test_draws_of_a_chain_are_as_frequent_as_it_says(name: str) -> None:
    """With the generator that users have: both parts have keys of their own."""
    chain = CHAINS[name]
    draws = jax.vmap(chain.sample)(jax.random.split(jax.random.key(0), 20_000))
    states, seen = (
        np.concatenate([np.asarray(part) for part in jax.tree.leaves(events)], axis=1)
        for events in (chain.support(), draws)
    )
    counts = np.array([np.all(seen == state, axis=1).sum() for state in states])
    expected = np.exp(np.asarray(chain.log_probs(), np.float64)) * len(seen)
    assert len(states) == chain.n_states == {"plain": 16, "reverse": 16}.get(name, 32)
    assert stats.chi2.sf(np.sum((counts - expected) ** 2 / expected), len(states) - 1) > 1e-6
    log_probs = [chain.log_prob(jax.tree.map(lambda a, i=i: a[i], chain.support())) for i in range(len(states))]
    np.testing.assert_allclose(log_probs, chain.log_probs(), rtol=1e-5)
