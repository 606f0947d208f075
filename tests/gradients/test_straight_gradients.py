"""Biased gradients: what each of them is exact for, and what it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tacit._errors import UsageError
from tacit.distributions import Bernoulli, Categorical, Categoricals
from tacit.gradients import (
    AbstractGradient,
    Enumeration,
    GumbelRao,
    GumbelSoftmax,
    Memory,
    ReinMax,
    ReweightedWakeSleep,
    StickingTheLanding,
    StraightThrough,
)
from tacit.objectives import ELBO, IWAE


class ToldCategorical(Categorical):
    """Draws are told, so that an expectation can be listed."""

    told: jax.Array

    def sample(self, key: Any) -> jax.Array:
        return self.told


class ToldCategoricals(Categoricals):
    """As above."""

    told: jax.Array

    def sample(self, key: Any) -> jax.Array:
        return self.told


class ToldBernoulli(Bernoulli):
    """As above."""

    told: jax.Array

    def sample(self, key: Any) -> jax.Array:
        return self.told


LATENTS = {
    Categorical: (ToldCategorical, (4,)),
    Categoricals: (ToldCategoricals, (2, 3)),
    Bernoulli: (ToldBernoulli, (3,)),
}


def differences(estimator: AbstractGradient, latent: type, power: int) -> np.ndarray:
    """The mean gradient by listing the draws, less the exact one, for `f = a·z + z'Az` (power 2) plus a cubic (3)."""
    told, shape = LATENTS[latent]
    random = np.random.default_rng(2)
    logits = jnp.asarray(random.normal(size=shape))
    size = logits.size
    linear, square, cube = random.normal(size=size), random.normal(size=(size, size)), random.normal(size=size)

    def log_weight(q: Any, z: jax.Array) -> jax.Array:
        v = z.ravel()
        f = v @ linear - q.log_prob(z)
        return f + (v @ square @ v if power > 1 else 0.0) + ((v @ cube) ** 3 if power > 2 else 0.0)

    def value(estimator: AbstractGradient, q: Any) -> jax.Array:
        return estimator(jax.random.key(0), q, log_weight, jnp.mean, 1, None, Memory())[0]

    def slope(event: jax.Array) -> jax.Array:
        return jax.grad(lambda logits: value(estimator, told(logits, event)))(logits)

    q = latent(logits)
    mean = jnp.tensordot(jnp.exp(q.log_probs()), jax.vmap(slope)(q.support()), axes=1)
    return np.asarray(mean - jax.grad(lambda logits: value(Enumeration(), latent(logits)))(logits))


CLAIMS = [
    (StraightThrough, 1, True),
    (StraightThrough, 2, False),
    (ReinMax, 1, True),
    (ReinMax, 2, True),
    (ReinMax, 3, False),
]
ONE, *OTHERS = LATENTS


@pytest.mark.parametrize("latent", [ONE, *(pytest.param(other, marks=pytest.mark.slow) for other in OTHERS)])
@pytest.mark.parametrize(("make", "power", "exact"), CLAIMS)
def test_reinmax_is_exact_to_the_second_power_and_straight_through_to_the_first(
    make: Callable[[], AbstractGradient], power: int, exact: bool, latent: type
) -> None:
    with jax.enable_x64(True):
        error = np.abs(differences(make(), latent, power)).max()
    assert error < 1e-12 if exact else error > 1e-2


def slopes(estimator: AbstractGradient, n: int) -> np.ndarray:
    q = Categoricals(jnp.array([[0.3, -0.5, 0.2], [1.0, 0.0, -0.4]]))
    target = jnp.array([[0.4, 0.1, -0.3], [0.2, 0.6, -0.8]])

    def value(logits: jax.Array, key: jax.Array) -> jax.Array:
        f = lambda q, z: -jnp.sum((z - target) ** 2) + jnp.tanh(3.0 * jnp.sum(z * target))  # noqa: E731
        return estimator(key, Categoricals(logits), f, jnp.mean, 1, None, Memory())[0]

    keys = jax.random.split(jax.random.key(4), n)
    return np.asarray(jax.jit(jax.vmap(jax.grad(value), (None, 0)))(q.logits, keys)).reshape(n, -1)


def test_gumbel_rao_has_the_mean_of_straight_through_gumbel_softmax_and_less_variance() -> None:
    n = 10_000
    one, many = slopes(GumbelRao(0.4, inner=1), n), slopes(GumbelRao(0.4, inner=20), n)
    z = (one.mean(0) - many.mean(0)) / np.sqrt((one.var(0) + many.var(0)) / n)
    assert np.abs(z).max() < stats.norm.isf(1e-6 / (2 * z.size))
    one, many = (np.sum((g - g.mean(0)) ** 2, axis=1) for g in (one, many))
    resampled = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=2000)
    assert np.quantile(resampled @ many / (resampled @ one), 0.9995) < 1


def test_gumbel_softmax_is_the_derivative_of_the_relaxed_objective_and_the_value_of_the_discrete_one() -> None:
    """The relaxed event of a Bernoulli is a sigmoid of logistic noise: one draw in closed form."""
    with jax.enable_x64(True):
        a, temperature, key = jnp.array([0.3]), 0.7, jax.random.key(1)
        estimate = lambda a: GumbelSoftmax(temperature)(  # noqa: E731
            key, Bernoulli(a), lambda q, z: (z[0] - 0.2) ** 2, jnp.mean, 1, None, Memory()
        )[0]
        value, slope = jax.value_and_grad(estimate)(a)
        zero, one = np.asarray(jax.random.gumbel(key, (1, 1, 2), a.dtype))[0, 0]
        r = 1 / (1 + np.exp(-(0.3 + one - zero) / temperature))
    np.testing.assert_allclose(slope, [2 * (r - 0.2) * r * (1 - r) / temperature], rtol=1e-12)
    np.testing.assert_allclose(value, (float(r > 0.5) - 0.2) ** 2)


def test_bad_settings_are_told() -> None:
    for make in (GumbelSoftmax, GumbelRao):
        with pytest.raises(UsageError, match="temperature"):
            make(-1.0)
    with pytest.raises(UsageError, match="inner"):
        GumbelRao(inner=0)


def test_reweighted_wake_sleep_goes_down_the_other_divergence() -> None:
    """With many draws its gradient is `E_p(z|y) grad log q(z)`, which for a categorical is p - q."""
    n = 100_000
    with jax.enable_x64(True):
        logits, joint = jnp.array([0.2, -0.4, 0.1, 0.9]), jnp.array([-3.0, -2.0, -5.0, -2.5])

        def value(logits: jax.Array) -> jax.Array:
            q, log_weight = Categorical(logits), lambda q, z: z @ joint - q.log_prob(z)
            return ReweightedWakeSleep()(jax.random.key(0), q, log_weight, IWAE().combine, n, None, Memory())[0]

        slope = np.asarray(jax.grad(value)(logits))
        q, p = (np.asarray(jax.nn.softmax(one)) for one in (logits, joint))
    wanted, error = p - q, np.sqrt(np.max((p / q) ** 2) / n)
    assert np.abs(slope - wanted).max() < 5 * error
    assert np.abs(wanted).max() > 20 * error


def test_estimators_that_are_wrong_for_an_objective_say_so() -> None:
    for objective in (ELBO(), ELBO(kl="closed")):
        with pytest.raises(UsageError, match="objective='iwae'"):
            ReweightedWakeSleep().check_objective(objective)
    with pytest.raises(UsageError, match="biased for an importance-weighted bound"):
        StickingTheLanding().check_objective(IWAE())
    StickingTheLanding().check_objective(ELBO())
    ReweightedWakeSleep().check_objective(IWAE())
    with pytest.raises(UsageError, match="num_samples"):
        ReweightedWakeSleep().check(Bernoulli(jnp.zeros(2)), 1)
