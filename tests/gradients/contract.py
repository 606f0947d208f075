"""The contract of gradient estimators: one row an estimator, on small problems whose answers are listed.

A new estimator adds one row to `ROWS`; every test of `test_gradient_contract.py` then runs on it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy import stats

from tacit.distributions import Bernoulli, Categorical, Categoricals, DiagonalNormal, DiscreteChain
from tacit.gradients import (
    AbstractGradient,
    Arms,
    ConstantBaseline,
    DisARM,
    DoubleControlVariates,
    Enumeration,
    GumbelRao,
    GumbelSoftmax,
    LearnedDensity,
    LeaveOneOut,
    LocalExpectation,
    MovingAverage,
    NetworkBaseline,
    Rebar,
    Reinforce,
    ReinMax,
    Relax,
    ReweightedWakeSleep,
    StraightThrough,
    SumAndSample,
    UniformSampling,
    UnorderedSet,
)
from tacit.models import BernoulliLatent, CategoricalLatent, Constant, Layer
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO, IWAE

DRAWS, CHUNK = 200_000, 4_000
LATENTS: dict[str, Callable[[np.random.Generator], Any]] = {
    "categorical": lambda random: Categorical(jnp.asarray(random.normal(size=4))),
    "categoricals": lambda random: Categoricals(jnp.asarray(random.normal(size=(2, 3)))),
    "bernoulli": lambda random: Bernoulli(jnp.asarray(random.normal(size=4))),
    "layers": lambda random: layers(random),
}
ONE_LAYER = ("categorical", "categoricals", "bernoulli")
OBJECTIVES = {"elbo": ELBO(), "iwae": IWAE()}
CONTEXT = (jnp.array([0.5, -1.0, 2.0]), None)  # y and x of the row, for baselines that see them


class Row(NamedTuple):
    """An estimator, where it applies, and what it claims beyond being unbiased."""

    make: Callable[[], AbstractGradient]
    latents: tuple[str, ...] = ONE_LAYER
    objectives: tuple[str, ...] = tuple(OBJECTIVES)  # beyond the first on the last latent only
    num_samples: int = 2
    exact_at_posterior: bool = False  # no variance at all once q is the posterior


def layers(random: np.random.Generator) -> DiscreteChain:
    """Two bits, and one of three given them."""
    weight, bias = (jnp.asarray(random.normal(size=size)) for size in ((3, 2), 3))
    layer = Layer(BernoulliLatent(2), Dense((), "tanh"), Linear(weight, bias), CategoricalLatent(3))
    return DiscreteChain(Bernoulli(jnp.asarray(random.normal(size=2))), layer)


def density() -> Constant:
    return Constant(DiagonalNormal(jnp.zeros(3), jnp.zeros(3)))


ALL = tuple(LATENTS)
ONE, TWO = ("categorical",), ("categoricals",)  # where another latent would tell nothing new
ROWS: dict[str, Row] = {
    "enumeration": Row(Enumeration, ALL, objectives=("elbo",), num_samples=1, exact_at_posterior=True),
    "uniform": Row(UniformSampling),
    "defensive": Row(lambda: UniformSampling(0.3, ConstantBaseline(-1.7)), TWO, exact_at_posterior=True),
    "reinforce": Row(Reinforce, ALL),
    "reinforce constant": Row(lambda: Reinforce(ConstantBaseline(-1.7)), TWO, exact_at_posterior=True),
    "reinforce average": Row(lambda: Reinforce(MovingAverage()), ONE, ("elbo",)),
    "reinforce network": Row(lambda: Reinforce(NetworkBaseline((8,))), ONE, ("elbo",)),
    "reinforce density": Row(lambda: Reinforce(LearnedDensity(density())), ONE),
    "leave-one-out": Row(LeaveOneOut, ALL, num_samples=3, exact_at_posterior=True),
    "leave-one-out arithmetic": Row(lambda: LeaveOneOut("arithmetic"), TWO, num_samples=3, exact_at_posterior=True),
    "leave-one-out plain": Row(lambda: LeaveOneOut(plain=True), TWO, num_samples=3),
    "disarm": Row(DisARM, latents=("bernoulli",), exact_at_posterior=True),
    "rebar": Row(Rebar, ("categorical", "bernoulli")),
    "rebar alone": Row(Rebar, TWO, ("elbo",), num_samples=1),
    "relax": Row(lambda: Relax(6), TWO, ("elbo",)),
    "gumbel-softmax": Row(GumbelSoftmax, ("bernoulli",), ("elbo",)),
    "straight-through": Row(StraightThrough, ONE, ("elbo",)),
    "reinmax": Row(ReinMax, ("bernoulli",), ("elbo",)),
    "reweighted-wake-sleep": Row(
        ReweightedWakeSleep, ("categorical", "bernoulli"), ("iwae",), 3, exact_at_posterior=True
    ),
    "gumbel-rao": Row(lambda: GumbelRao(inner=2), TWO, ("elbo",)),
    "double-control-variates": Row(lambda: DoubleControlVariates(0.8), ("categorical", "bernoulli")),
    "local-expectation": Row(LocalExpectation, ("bernoulli", "categoricals"), exact_at_posterior=True),
    "sum-and-sample": Row(SumAndSample, TWO, ("elbo",), 1, exact_at_posterior=True),
    "unordered-set": Row(
        lambda: UnorderedSet(3), ("categorical", "categoricals"), ("elbo",), 1, exact_at_posterior=True
    ),
    "arms": Row(lambda: Arms(3), ("bernoulli", "categoricals"), exact_at_posterior=True),
    "arms in pairs": Row(lambda: Arms(2), ("bernoulli",), ("elbo",), num_samples=1, exact_at_posterior=True),
}
CASES = [
    (name, latent, objective)
    for name, row in ROWS.items()
    for latent in row.latents
    for objective in row.objectives
    if objective == row.objectives[0] or latent == row.latents[-1]
]


class Problem(NamedTuple):
    """`log p(y, z)`, curved in z, with parameters of its own; and q. Call inside `jax.enable_x64(True)`."""

    theta: dict[str, jax.Array]
    q: Any

    def log_joint(self, theta: Any, z: jax.Array) -> jax.Array:
        features = ravel_pytree(z)[0]
        return theta["offset"] + theta["linear"] @ features + 2.0 * jnp.tanh(theta["inner"] @ features - 0.3)

    def log_weight(self, theta: Any) -> Callable[[Any, jax.Array], jax.Array]:
        return lambda q, z: self.log_joint(theta, z) - q.log_prob(z)


def problem(latent: str) -> Problem:
    random = np.random.default_rng(3)
    q = LATENTS[latent](random)
    size = ravel_pytree(q.sample(jax.random.key(0)))[0].size
    linear, inner = (jnp.asarray(random.normal(size=size)) for _ in range(2))
    return Problem({"offset": jnp.asarray(0.4), "linear": linear, "inner": 1.5 * inner}, q)


def at_posterior(latent: str) -> Problem:
    """The same with a joint density to which q is the exact posterior."""
    given = problem(latent)
    theta = {name: jnp.zeros_like(value) for name, value in given.theta.items()} | {"offset": jnp.array(-1.7)}

    class Exact(Problem):
        def log_joint(self, theta: Any, z: jax.Array) -> jax.Array:
            return theta["offset"] + given.q.log_prob(z)

    return Exact(theta, given.q)


def listed(given: Problem, combine: Callable[..., Any], num_samples: int) -> Callable[[Any, Any], jax.Array]:
    """The objective's expectation over all tuples of draws, as a function of theta and q."""

    def value(theta: Any, q: Any) -> jax.Array:
        log_w = jax.vmap(lambda z: given.log_weight(theta)(q, z))(q.support())
        tuples = np.array(list(itertools.product(range(q.n_states), repeat=num_samples)))
        probabilities = jnp.exp(jnp.sum(q.log_probs()[tuples], axis=1))
        return jnp.sum(probabilities * jax.vmap(combine)(log_w[tuples]))

    return value


class Measured(NamedTuple):
    """Mean and standard error of value and gradients over independent draws, and the exact answer."""

    mean: np.ndarray  # value, then the gradient in theta, then that in q
    error: np.ndarray
    exact: np.ndarray
    of_theta: int  # numbers in theta

    @property
    def parts(self) -> dict[str, slice]:
        return {"value": slice(0, 1), "model": slice(1, 1 + self.of_theta), "posterior": slice(1 + self.of_theta, None)}

    def accepted(self, part: str, scale: float = 1.0) -> bool:
        """Whether the mean, times `scale`, is the exact answer: the test of a mutant that is off by that."""
        rows = self.parts[part]
        mean, error, exact = scale * self.mean[rows], scale * self.error[rows], self.exact[rows]
        if np.max(np.abs(error)) < 1e-12:
            return bool(np.allclose(mean, exact, rtol=1e-9, atol=1e-9))
        z = np.abs(mean - exact) / np.maximum(error, 1e-12)
        return bool(np.max(z) < stats.norm.isf(1e-6 / (2 * len(z))))


def estimates(estimator: AbstractGradient, given: Problem, combine: Callable[..., Any], num_samples: int) -> Any:
    """From a key to value and gradients, as one vector. The estimator's own arrays are as they start."""
    y, x = CONTEXT
    memory = estimator.init(jax.random.key(5), (jnp.stack([y, y + 1.0]), x))

    def one(key: jax.Array) -> jax.Array:
        def value(theta: Any, q: Any) -> jax.Array:
            return estimator(key, q, given.log_weight(theta), combine, num_samples, CONTEXT, memory)[0]

        found, gradients = jax.value_and_grad(value, (0, 1))(given.theta, given.q)
        return jnp.concatenate([found[None], *(ravel_pytree(part)[0] for part in gradients)])

    return one


@functools.cache
def measured(name: str, latent: str, objective: str) -> Measured:
    row, combine = ROWS[name], OBJECTIVES[objective].combine
    with jax.enable_x64(True):
        given = problem(latent)

        @jax.jit  # all of it: small programs of their own would take longer
        def run() -> tuple[jax.Array, ...]:
            one = jax.vmap(estimates(row.make(), given, combine, row.num_samples))
            value, gradients = jax.value_and_grad(listed(given, combine, row.num_samples), (0, 1))(given.theta, given.q)
            exact = jnp.concatenate([value[None], *(ravel_pytree(part)[0] for part in gradients)])

            def sums(carry: Any, key: jax.Array) -> Any:
                found = one(jax.random.split(key, CHUNK))
                return (carry[0] + found.sum(0), carry[1] + ((found - exact) ** 2).sum(0)), None

            # this generator compiles and runs several times as fast as the default one
            keys = jax.random.split(jax.random.key(11, impl="unsafe_rbg"), DRAWS // CHUNK)
            (total, squares), _ = jax.lax.scan(sums, (jnp.zeros_like(exact), jnp.zeros_like(exact)), keys)
            mean = total / DRAWS
            variance = jnp.maximum(squares / DRAWS - (mean - exact) ** 2, 0.0)
            return mean, jnp.sqrt(variance / DRAWS), exact

        return Measured(*(np.asarray(a) for a in run()), sum(a.size for a in given.theta.values()))
