"""Exact answers of a latent-variable model whose latent can be listed."""

from __future__ import annotations

import math
from typing import Any

import jax
from jaxtyping import Bool, Float

from tacit._errors import UsageError
from tacit._typing import Array, Event, Scalar
from tacit.distributions import AbstractDistribution, AbstractEnumerable, Categorical
from tacit.models.latent import LatentModel

MOST_STATES = 2**16  # states that are listed


def listable(distribution: AbstractDistribution) -> bool:
    """Whether the events of a distribution can be listed, and are not too many."""
    return isinstance(distribution, AbstractEnumerable) and distribution.n_states <= MOST_STATES


def check_listable(distribution: AbstractDistribution, where: str) -> None:
    """Raise `UsageError` where events cannot be listed, or are more than `MOST_STATES`."""
    if not isinstance(distribution, AbstractEnumerable):
        mend = "Use Pathwise for a continuous latent."
        raise UsageError("the events of this distribution cannot be listed.", where=where, mend=mend)
    if not listable(distribution):
        size = math.log10(distribution.n_states)  # more of them than a float can hold, perhaps
        what = f"about 10^{size:.0f} states are too many to list (at most {MOST_STATES:,})."
        raise UsageError(what, where=where, mend="Use a sampled gradient, such as LeaveOneOut.")


def log_joints(
    model: LatentModel, y: Event, x: Any = None, observed: Bool[Array, " d"] | None = None
) -> Float[Array, " k"]:
    """`log p(z | x) + log p(y | z, x)` of every state z of the prior's support, in nats."""
    context = model.context(x)
    prior: Any = model.prior(context)  # an AbstractEnumerable
    check_listable(prior, "the prior")
    terms = jax.vmap(lambda z: model.log_likelihood(z, context, y, observed))(prior.support())
    return prior.log_probs() + terms


def log_marginal(model: LatentModel, y: Event, x: Any = None, observed: Bool[Array, " d"] | None = None) -> Scalar:
    """`log p(y | x) = log sum_z p(z | x) p(y | z, x)`, in nats: the latent summed out."""
    return jax.nn.logsumexp(log_joints(model, y, x, observed))


def exact_posterior(
    model: LatentModel, y: Event, x: Any = None, observed: Bool[Array, " d"] | None = None
) -> Categorical:
    """`p(z | y, x)` over the states of the support: the responsibilities."""
    return Categorical(jax.nn.log_softmax(log_joints(model, y, x, observed)))
