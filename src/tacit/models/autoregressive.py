"""Autoregressive densities in every part of a model: prior, likelihood, or the whole of it, without a latent."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tacit.distributions import AbstractDistribution, AutoregressiveBernoulli, AutoregressiveCategoricals, Categorical
from tacit.distributions.autoregressive import AbstractAutoregressive
from tacit.models.latent import AbstractConditional, Constant, LatentModel
from tacit.networks import MADE


class Autoregressive(AbstractConditional):
    """`context -> ` bits (a network of one channel) or categories, one after the other.

    As a prior the context is x, as a likelihood (z, x); its arrays are laid out as one vector, which a network
    without context does not read.

    >>> prior = Autoregressive(MADE.init(jax.random.key(0), 5, 1, (16,)))
    >>> decoder = Autoregressive(MADE.init(jax.random.key(1), 8, 1, (16,), n_context=5))
    >>> z, y = LatentModel(prior, decoder).sample(jax.random.key(2))
    >>> z.shape, y.shape
    ((5,), (8,))
    """

    network: MADE

    def __call__(self, context: Any) -> AbstractAutoregressive:
        leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(context)]
        vector = jnp.concatenate(leaves) if leaves and self.network.contexts else None
        if self.network.channels == 1:
            return AutoregressiveBernoulli(self.network, vector)
        return AutoregressiveCategoricals(self.network, vector)


class Observed(AbstractConditional):
    """`(z, x) -> density(x)`: a likelihood that does not depend on the latent."""

    density: AbstractConditional

    def __call__(self, context: tuple[Any, Any]) -> AbstractDistribution:
        return self.density(context[1])


def without_latent(density: AbstractConditional) -> LatentModel:
    """`p(y | x)` as a latent-variable model whose latent has one state, to be trained without a posterior.

    >>> model = without_latent(Autoregressive(MADE.init(jax.random.key(0), 3, 1, (8,))))
    >>> model.sample(jax.random.key(1))[1].shape
    (3,)
    """
    return LatentModel(Constant(Categorical(jnp.zeros(1))), Observed(density))
