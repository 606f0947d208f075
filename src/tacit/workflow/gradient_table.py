"""Every gradient estimator that applies to one kind of latent, on one small problem, beside enumeration."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from tacit._errors import UsageError
from tacit._typing import Array, Scalar
from tacit.distributions import Bernoulli, Categorical, Categoricals
from tacit.gradients import (
    AbstractGradient,
    Comparison,
    Enumeration,
    LearnedDensity,
    Reinforce,
    SumAndSample,
    UnorderedSet,
    compare,
)
from tacit.gradients.names import GRADIENTS
from tacit.models import AbstractConditional, Constant, LatentModel
from tacit.models.enumeration import log_joints, log_marginal
from tacit.networks import Linear
from tacit.objectives import ELBO, IWAE, AbstractObjective

LATENTS = {
    "categorical": lambda a: Categorical(a[:8]),
    "categoricals": lambda a: Categoricals(a.reshape(3, 4)),
    "bernoulli": lambda a: Bernoulli(a[:6]),
}
OBJECTIVES: dict[str, AbstractObjective] = {"elbo": ELBO(), "iwae": IWAE()}
COLUMNS, LARGEST = 16, 12  # of the row; numbers in the largest latent
UNTAUGHT = ("reinforce-network",)  # on one row, and untrained, no more than a moving average


class Decoder(AbstractConditional):
    """0/1 columns whose logits are linear in the latent event."""

    linear: Linear

    def __call__(self, context: Any) -> Bernoulli:
        z, _ = context
        return Bernoulli(self.linear(jnp.ravel(z)))


class Marginal(eqx.Module):
    """The model's own `p(y)`: the density that a learned baseline can become at best."""

    model: LatentModel

    def log_prob(self, y: Array) -> Scalar:
        return log_marginal(self.model, y)


def gradient_table(
    *, latent: str, objective: str, num_samples: int, seed: int, n_draws: int = 10_000, nearness: float = 0.5
) -> list[Comparison]:
    """The estimators by name, on a row drawn from a model with 16 binary columns.

    The logits of q are a share, `nearness`, of those of the posterior's margins: 0 is the prior. Estimators are at
    their usual settings and take `num_samples` draws each; those that do not apply are left out. Those that take no
    more than one draw, such as enumeration, take part under the ELBO.

    Raises `UsageError` for an unknown latent or objective.
    """
    for name, value, known in (("latent", latent, LATENTS), ("objective", objective, OBJECTIVES)):
        if value not in known:
            raise UsageError(f"{value!r} is no {name}.", where=name, mend=f"Use one of {', '.join(known)}.")
    keys = jax.random.split(jax.random.key(seed, impl="unsafe_rbg"), 3)  # compiles in half the time
    prior = LATENTS[latent](jnp.zeros(LARGEST))
    size = prior.support()[0].size
    decoder = Decoder(Linear(1.5 * jax.random.normal(keys[0], (COLUMNS, size)), jnp.zeros(COLUMNS)))
    model = LatentModel(Constant(prior), decoder)
    _, y = model.sample(keys[1])
    q = type(prior)(nearness * _margins(model, prior, y))
    chosen, bound = OBJECTIVES[objective], (y, None)

    def log_weight(q: Any, z: Array) -> Scalar:
        return model.log_likelihood(z, None, y) + prior.log_prob(z) - q.log_prob(z)

    estimators, draws = applicable(q, num_samples, listed=objective == "elbo")
    estimators["reinforce, b = log p(y)"] = Reinforce(LearnedDensity(Constant(Marginal(model))))
    draws["reinforce, b = log p(y)"] = num_samples
    settings: dict[str, Any] = {"num_samples": draws, "combine": chosen.combine, "context": bound}
    return compare(keys[2], q, log_weight, estimators, n_draws=n_draws, **settings)


def applicable(q: Any, num_samples: int, *, listed: bool) -> tuple[dict[str, AbstractGradient], dict[str, int]]:
    """The estimators by name that apply to q, and their draws; those of the expectation of one draw take one."""
    estimators, draws = {}, {}
    for name, make in GRADIENTS.items():
        estimator = make()
        single = isinstance(estimator, Enumeration | SumAndSample | UnorderedSet)
        try:
            estimator.check(q, 1 if single else num_samples)
        except UsageError:
            continue
        if name not in UNTAUGHT and (listed or not single):
            estimators[name], draws[name] = estimator, 1 if single else num_samples
    return estimators, draws


def _margins(model: LatentModel, prior: Any, y: Array) -> Array:
    """Logits of the margins of `p(z | y)`, factor by factor."""
    weights = jax.nn.softmax(log_joints(model, y))
    share = jnp.clip(jnp.tensordot(weights, prior.support(), 1), 1e-6, 1 - 1e-6)
    return jnp.log(share) - (jnp.log1p(-share) if isinstance(prior, Bernoulli) else 0.0)


def summary(found: list[Comparison]) -> list[dict[str, Any]]:
    """The records, the least variance times cost first; those that are biased by design after all others."""
    return [one.to_dict() for one in sorted(found, key=lambda one: (not one.unbiased, one.variance * one.evaluations))]
