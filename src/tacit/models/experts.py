"""Mixtures of experts: conditional densities whose latent, given x, is a category."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array
from tacit.distributions import AbstractDistribution, Categorical
from tacit.models.components import Components
from tacit.models.latent import AbstractConditional, LatentModel
from tacit.networks import MLP, Linear

_OFF = -1e9  # the logit of a component that is off: its weight is 0 and its gradient finite


class Gate(AbstractConditional):
    """`h -> Categorical(W h + b)`; components whose `active` is False have weight 0."""

    head: Linear
    active: Bool[Array, "*m k"] | None = None

    def __call__(self, context: Float[Array, " h"]) -> Categorical:
        logits = self.head(context)
        return Categorical(logits if self.active is None else jnp.where(self.active, logits, _OFF))


class Encoder(AbstractConditional):
    """An amortised posterior, `(y, x) -> gate(features([y, x]))`."""

    features: MLP
    gate: AbstractConditional

    def __call__(self, context: tuple[Array, Array]) -> AbstractDistribution:
        return self.gate(self.features(jnp.concatenate(context)))


class Expert(AbstractConditional):
    """`(z, h) ->` the component that a one-hot z points at."""

    components: Components

    def __call__(self, context: tuple[Array, Array]) -> AbstractDistribution:
        z, h = context
        selected: AbstractDistribution = jax.tree.map(lambda a: jnp.tensordot(z, a, 1), self.components(h))
        return selected


class MixtureOfExperts(LatentModel):
    """`p(y | x) = sum_z p(z | h) p(y | z, h)` with features h of x that prior and likelihood share."""

    features: MLP

    def context(self, x: Float[Array, " p"]) -> Float[Array, " h"]:
        return self.features(x)
