"""Exact answers of a latent-variable model whose latent can be listed."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Float

from tacit._typing import Array, Event, Scalar
from tacit.distributions import Categorical
from tacit.models.latent import LatentModel


def log_joints(model: LatentModel, y: Event, x: Any = None) -> Float[Array, " k"]:
    """`log p(z | x) + log p(y | z, x)` of every state z of the prior's support, in nats."""
    context = model.context(x)
    prior: Any = model.prior(context)  # an AbstractEnumerable
    return prior.log_probs() + jax.vmap(lambda z: model.likelihood((z, context)).log_prob(y))(prior.support())


def log_marginal(model: LatentModel, y: Event, x: Any = None) -> Scalar:
    """`log p(y | x) = log sum_z p(z | x) p(y | z, x)`, in nats: the latent summed out."""
    return jax.nn.logsumexp(log_joints(model, y, x))


def exact_posterior(model: LatentModel, y: Event, x: Any = None) -> Categorical:
    """`p(z | y, x)` over the states of the support: the responsibilities."""
    return Categorical(jax.nn.log_softmax(log_joints(model, y, x)))
