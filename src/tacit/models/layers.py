"""Two layers of discrete latents: `p(z_2 | x) p(z_1 | z_2) p(y | z_1, x)`, and `q(z_1 | y, x) q(z_2 | z_1)`.

The latent event is the pair (z_1, z_2), z_1 next to the data.
"""

from __future__ import annotations

from typing import Any

import jax

from tacit._typing import Event, Key
from tacit.distributions import AbstractDistribution, DiscreteChain
from tacit.models.latent import AbstractConditional
from tacit.models.latents import AbstractLatent
from tacit.networks import Dense, Linear


class Layer(AbstractConditional):
    """`z -> target(W features(z) + b)`: a layer of latents of the kind `target`, given one of the kind `source`.

    >>> import jax
    >>> from tacit.models import BernoulliLatent
    >>> layer = Layer.init(jax.random.key(0), BernoulliLatent(3), BernoulliLatent(2))
    >>> layer(jax.numpy.ones(3)).n_states
    4
    """

    source: AbstractLatent
    features: Dense
    head: Linear
    target: AbstractLatent

    @classmethod
    def init(cls, key: Key, source: AbstractLatent, target: AbstractLatent, widths: tuple[int, ...] = ()) -> Layer:
        """Hidden layers of these widths; weights that keep the variance."""
        key_features, key_head = jax.random.split(key)
        features = Dense.init(key_features, source.size, widths)
        return cls(source, features, Linear.init(key_head, features.width(source.size), target.width), target)

    def __call__(self, context: Event) -> AbstractDistribution:
        return self.target(self.head(self.features(self.source.inputs(context))))


class LayeredPrior(AbstractConditional):
    """`p(z_2 | x) p(z_1 | z_2)`, from the top down."""

    top: AbstractConditional
    layer: Layer

    def __call__(self, context: Any) -> DiscreteChain:
        return DiscreteChain(self.top(context), self.layer, reverse=True)


class LayeredPosterior(AbstractConditional):
    """`q(z_1 | y, x) q(z_2 | z_1)`, from the data up."""

    bottom: AbstractConditional
    layer: Layer

    def __call__(self, context: tuple[Any, ...]) -> DiscreteChain:
        return DiscreteChain(self.bottom(context), self.layer)


class OfBottom(AbstractConditional):
    """`p(y | z_1, x)`: a likelihood that reads the layer next to it."""

    likelihood: AbstractConditional

    def __call__(self, context: tuple[tuple[Event, Event], Any]) -> AbstractDistribution:
        (z_1, _), x = context
        return self.likelihood((z_1, x))
