"""Relaxed mixtures of experts: the latent is a Concrete variable, whose event is u = log z."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Scalar
from tacit.distributions import AbstractDistribution, Concrete, DiagonalNormal, Mixed
from tacit.models.components import AbstractFamily, Components
from tacit.models.latent import AbstractConditional
from tacit.networks import MLP, Fixed, Linear


class ConcreteGate(AbstractConditional):
    """`h -> Concrete(W h + b, temperature)`; the temperature is trained unless it is `Fixed`."""

    head: Linear
    log_temperature: Scalar | Fixed

    def __call__(self, context: Float[Array, " h"]) -> Concrete:
        fixed = isinstance(self.log_temperature, Fixed)
        return Concrete(self.head(context), self.log_temperature.value if fixed else self.log_temperature)


class MixtureRelaxation(AbstractConditional):
    """`(u, h) -> sum_k z_k p_k(y)` with z = exp u: the components in the proportions of a relaxed category."""

    components: Components

    def __call__(self, context: tuple[Array, Array]) -> Mixed:
        u, h = context
        return Mixed(u, self.components(h))


class MomentsRelaxation(AbstractConditional):
    """`(u, h) -> N(sum_k z_k mu_k, sum_k z_k sigma_k²)` with z = exp u: means and variances are averaged."""

    components: Components  # of a DiagonalFamily

    def __call__(self, context: tuple[Array, Array]) -> DiagonalNormal:
        u, h = context
        stack: Any = self.components(h)
        log_variance = jax.nn.logsumexp(u[:, None] + 2 * stack.log_scale, axis=0)
        return DiagonalNormal(jnp.exp(u) @ stack.loc, 0.5 * log_variance)


class NetworkRelaxation(AbstractConditional):
    """`(u, h) -> family(W [z, features([z, h])] + b)` with z = exp u: a network of the relaxed category and x."""

    features: MLP
    head: Linear
    family: AbstractFamily

    def __call__(self, context: tuple[Array, Array]) -> AbstractDistribution:
        u, h = context
        return self.family(self.head(self.features(jnp.concatenate([jnp.exp(u), h]))))
