"""p(y | x) of a mixture of experts as one mixture distribution, its latent summed, integrated or drawn out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tacit._typing import Array, Key
from tacit.distributions import Concrete, Mixed, concrete_mean
from tacit.models.experts import Expert, MixtureOfExperts
from tacit.models.relaxed import MixtureRelaxation


def is_exact(model: MixtureOfExperts) -> bool:
    """Whether `predictive` is exact: the latent is a category, or the likelihood is linear in the relaxed one."""
    return isinstance(model.likelihood, Expert | MixtureRelaxation)


def predictive(model: MixtureOfExperts, x: Array, key: Key, num_draws: int) -> Mixed:
    """p(y | x), exactly where `is_exact`, else the mixture of the likelihoods at `num_draws` draws of the prior.

    A *mixture* relaxation has the weights `m_k = E[z_k]` of its Concrete prior.
    """
    context = model.context(x)
    prior: Any = model.prior(context)
    if isinstance(model.likelihood, Expert):
        return Mixed(prior.log_probs(), model.likelihood.components(context))
    if isinstance(model.likelihood, MixtureRelaxation):
        weights = concrete_mean(prior.logits, prior.temperature)
        return Mixed(weights, model.likelihood.components(context))
    draws = jax.vmap(prior.sample)(jax.random.split(key, num_draws))
    return Mixed(jnp.zeros(num_draws), jax.vmap(lambda u: model.likelihood((u, context)))(draws))


def discretised(model: MixtureOfExperts, x: Array) -> Mixed:
    """p(y | x) with the relaxed category at the corners of the simplex: `sum_k pi_k(x) p(y | e_k, x)`."""
    context = model.context(x)
    prior: Any = model.prior(context)
    category = prior.discretised() if isinstance(prior, Concrete) else prior
    corners = category.support()
    if isinstance(prior, Concrete):
        corners = jnp.log(corners)
    stack = jax.vmap(lambda corner: model.likelihood((corner, context)))(corners)
    if isinstance(model.likelihood, MixtureRelaxation):
        stack = model.likelihood.components(context)
    return Mixed(category.log_probs(), stack)
