"""The objective of one row: the three logarithms, the gradient estimator and the objective meet here."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution, kl_factors
from tacit.gradients import AbstractGradient, Memory
from tacit.models import LatentModel
from tacit.objectives import AbstractObjective, Terms


def bound_of_row(
    key: Key,
    model: LatentModel,
    q: AbstractDistribution,
    objective: AbstractObjective,
    gradient: AbstractGradient,
    num_samples: int,
    y: Array,
    x: Any,
    observed: Any = None,
    memory: Memory | None = None,
) -> tuple[Scalar, Float[Array, " j"], Any]:
    """The objective of one row without its closed-form penalty, the KL divergences of that, the estimator's memory.

    `q` is the posterior of this row; `observed` marks the cells of y that are present, None where all are.
    """
    context = model.context(x)
    prior = model.prior(context)

    def log_weight(q: AbstractDistribution, z: Array) -> Scalar:
        likelihood = model.log_likelihood(z, context, y, observed)
        return objective.log_weight(Terms(likelihood, prior.log_prob(z), q.log_prob(z)))

    value, running = gradient(key, q, log_weight, objective.combine, num_samples, (y, x), memory or Memory())
    kls = kl_factors(q, prior) if objective.closed_kl else jnp.zeros(1, value.dtype)
    return value, kls, running


def weighted(values: Float[Array, " n"], weight: Float[Array, " n"]) -> Scalar:
    """The weighted sum; padding may hold anything."""
    return jnp.sum(jnp.where(weight > 0, weight * values, 0.0))
