"""Gradients of a Gaussian latent against quadrature: unbiased, and with the variance that they claim."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from tacit._errors import UsageError
from tacit.distributions import Categorical, DiagonalNormal
from tacit.gradients import AbstractGradient, DoublyReparameterised, Memory, Pathwise, Reinforce, StickingTheLanding
from tacit.gradients.baselines import ConstantBaseline
from tacit.objectives import ELBO, IWAE

DRAWS, CHUNK = 200_000, 20_000
COMBINE = {"elbo": ELBO().combine, "iwae": IWAE().combine}
Y = 1.3


class Parameters(NamedTuple):
    """Of q = N(loc, scale²) and of the model z ~ N(0, 1), y | z ~ N(slope z + bend z², .7²)."""

    loc: Any
    log_scale: Any
    slope: Any
    bend: Any


START = Parameters(0.1, -0.2, 0.5, 0.4)


def posterior(p: Parameters) -> DiagonalNormal:
    return DiagonalNormal(jnp.atleast_1d(p.loc), jnp.atleast_1d(p.log_scale))


def log_weight(p: Parameters) -> Any:
    prior = DiagonalNormal(jnp.zeros(1), jnp.zeros(1))

    def function(q: DiagonalNormal, z: jax.Array) -> jax.Array:
        likelihood = DiagonalNormal(p.slope * z + p.bend * z**2, jnp.log(0.7 * jnp.ones(1)))
        return likelihood.log_prob(jnp.array([Y])) + prior.log_prob(z) - q.log_prob(z)

    return function


def exact(p: Parameters, objective: str) -> jax.Array:
    """The objective of one draw (ELBO) or of two (IWAE), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    q, weights = posterior(p), jnp.asarray(weights / weights.sum())
    log_w = jax.vmap(lambda z: log_weight(p)(q, z))(q.loc + jnp.exp(q.log_scale) * nodes[:, None])
    if objective == "elbo":
        return weights @ log_w
    return weights @ (jnp.logaddexp(log_w[:, None], log_w[None]) - jnp.log(2)) @ weights


def estimates(gradient: AbstractGradient, objective: str, p: Parameters, num_samples: int, draws: int) -> np.ndarray:
    """Value and gradient of many calls, (draws, 1 + parameters)."""

    def value(p: Parameters, key: jax.Array) -> jax.Array:
        arguments = posterior(p), log_weight(p), COMBINE[objective], num_samples, None, Memory()
        return gradient(key, *arguments)[0]

    @jax.jit
    def chunk(key: jax.Array) -> jax.Array:
        found, slopes = jax.vmap(jax.value_and_grad(value), (None, 0))(p, jax.random.split(key, min(draws, CHUNK)))
        return jnp.stack([found, *slopes], axis=1)

    return np.concatenate([chunk(key) for key in jax.random.split(jax.random.key(0), max(draws // CHUNK, 1))])


def parameters() -> Parameters:
    return Parameters(*(jnp.asarray(float(v)) for v in START))


def z_scores(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return (found.mean(0) - truth) / (found.std(0) / np.sqrt(len(found)))


def limit(n: int) -> float:
    return float(norm.ppf(1 - 1e-6 / (2 * n)))


@pytest.mark.parametrize(
    ("gradient", "objective"),
    [
        (Pathwise(), "elbo"),
        (StickingTheLanding(), "elbo"),
        (DoublyReparameterised(), "elbo"),
        (Pathwise(), "iwae"),
        (DoublyReparameterised(), "iwae"),
        (Reinforce(ConstantBaseline(-2.5)), "elbo"),
        (Reinforce(ConstantBaseline(-2.5)), "iwae"),
    ],
)
def test_unbiased_against_quadrature_and_a_mutant_is_not(gradient: AbstractGradient, objective: str) -> None:
    with jax.enable_x64(True):
        p = parameters()
        truth = np.r_[exact(p, objective), jnp.stack(jax.grad(exact)(p, objective))]
        found = estimates(gradient, objective, p, 1 if objective == "elbo" else 2, DRAWS)
    assert np.abs(z_scores(found, truth)).max() < limit(5)
    mutant = np.c_[found[:, :1], 1.05 * found[:, 1:]]
    assert np.abs(z_scores(mutant, truth)).max() > limit(5)


def test_sticking_the_landing_is_biased_for_the_importance_weighted_bound() -> None:
    with jax.enable_x64(True):
        p = parameters()
        truth = np.r_[exact(p, "iwae"), jnp.stack(jax.grad(exact)(p, "iwae"))]
        found = estimates(StickingTheLanding(), "iwae", p, 2, DRAWS)
    z = np.abs(z_scores(found, truth))
    assert z[0] < limit(5)  # the value is right, and so is the gradient of the model
    assert z[3:].max() < limit(5)
    assert z[1:3].max() > 10 * limit(5)


@pytest.mark.parametrize("gradient", [StickingTheLanding(), DoublyReparameterised()])
@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_no_variance_at_the_exact_posterior(gradient: AbstractGradient, objective: str) -> None:
    """A linear model: the posterior is normal, and the gradient of q is nought in every draw."""
    slope, noise = 0.5, 0.7
    precision = 1 + slope**2 / noise**2
    at = Parameters(slope * Y / noise**2 / precision, -0.5 * np.log(precision), slope, 0.0)
    with jax.enable_x64(True):
        p = Parameters(*(jnp.asarray(float(v)) for v in at))
        found = estimates(gradient, objective, p, 3, 500)
        plain = estimates(Pathwise(), objective, p, 3, 500)
    assert found[:, 1:3].var(0).max() < 1e-20
    assert plain[:, 1:3].var(0).min() > 1e-3
    np.testing.assert_allclose(found[:, 0], norm(0, np.hypot(slope, noise)).logpdf(Y), rtol=1e-12)


def ratio_is_below_one(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the bootstrap 99.9 % interval of var a / var b is below 1, variances summed over parameters."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(2000):
        picked = rng.integers(len(a), size=len(a))
        ratios.append(a[picked].var(0).sum() / b[picked].var(0).sum())
    return float(np.quantile(ratios, 0.9995)) < 1


@pytest.mark.parametrize(
    ("gradient", "objective", "num_samples"), [(StickingTheLanding(), "elbo", 1), (DoublyReparameterised(), "iwae", 16)]
)
def test_less_variance_than_the_plain_pathwise_gradient(
    gradient: AbstractGradient, objective: str, num_samples: int
) -> None:
    """Near the posterior, where training ends; far from it dropping the score term may also raise the variance."""
    at = Parameters(0.8, -0.2, 0.6, 0.1)
    with jax.enable_x64(True):
        p = Parameters(*(jnp.asarray(float(v)) for v in at))
        ours, plain = (estimates(g, objective, p, num_samples, 4000)[:, 1:3] for g in (gradient, Pathwise()))
    assert ratio_is_below_one(ours, plain)


def test_draws_differentiated_have_less_variance_than_scores() -> None:
    """With the score term left out; plain pathwise draws lose to a score with a good baseline near the posterior."""
    at = Parameters(0.0, 0.0, 0.6, 0.1)
    both = StickingTheLanding(), Reinforce(ConstantBaseline(-2.0))
    with jax.enable_x64(True):
        p = Parameters(*(jnp.asarray(float(v)) for v in at))
        pathwise, score = (estimates(g, "elbo", p, 1, 4000)[:, 1:3] for g in both)
    assert ratio_is_below_one(pathwise, score)


@pytest.mark.parametrize("gradient", [StickingTheLanding(), DoublyReparameterised()])
def test_a_discrete_latent_is_refused(gradient: AbstractGradient) -> None:
    with pytest.raises(UsageError, match="cannot be differentiated"):
        gradient.check(Categorical(jnp.zeros(3)), 4)
