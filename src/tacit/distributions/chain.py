"""Two events, the second given the first: a stack of two latent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from tacit._typing import Event, Key, Scalar
from tacit.distributions._base import AbstractDistribution, AbstractReparameterised


class Chain(AbstractReparameterised):
    """`p(a, b) = p(a) p(b | a)`; the event is the pair (a, b). Differentiable draws where both have them.

    Fields: `first`, the distribution of a; `then`, from an event a to the distribution of b.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import DiagonalNormal
    >>> walk = Chain(DiagonalNormal(jnp.zeros(1), jnp.zeros(1)), lambda a: DiagonalNormal(a, jnp.zeros(1)))
    >>> round(float(walk.log_prob((jnp.ones(1), jnp.ones(1)))), 4)
    -2.3379
    """

    first: AbstractDistribution
    then: Callable[[Any], AbstractDistribution]

    def sample(self, key: Key) -> tuple[Event, Event]:
        key_a, key_b = jax.random.split(key)
        a = self.first.sample(key_a)
        return a, self.then(a).sample(key_b)

    def log_prob(self, event: tuple[Event, Event]) -> Scalar:
        a, b = event
        return self.first.log_prob(a) + self.then(a).log_prob(b)
