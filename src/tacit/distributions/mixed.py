"""A mixture as one distribution of an event, its latent summed out."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Bool, Float

from tacit._typing import Array, Event, Key, Scalar
from tacit.distributions._base import AbstractDistribution


class Mixed(AbstractDistribution):
    """`log p(y) = log sum_k w_k p(y | theta_k)`, in nats. Fields: `logits` (k,), log weights; `stack`, of k members.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import DiagonalNormal
    >>> mixed = Mixed(jnp.zeros(2), DiagonalNormal(jnp.array([[-1.0], [1.0]]), jnp.zeros((2, 1))))
    >>> round(float(mixed.log_prob(jnp.zeros(1))), 4)
    -1.4189
    """

    logits: Float[Array, " k"]
    stack: Any  # AbstractDistribution

    def sample(self, key: Key) -> Event:
        key_z, key_y = jax.random.split(key)
        z = jax.random.categorical(key_z, self.logits)
        return jax.tree.map(lambda a: a[z], self.stack).sample(key_y)

    def log_prob(self, event: Event) -> Scalar:
        log_probs = jax.vmap(lambda member: member.log_prob(event))(self.stack)
        return jax.nn.logsumexp(jax.nn.log_softmax(self.logits) + log_probs)

    def impossible(self, events: Float[Array, "... d"]) -> Bool[Array, "... d"]:
        odd: Array = self.stack.impossible(events)
        return odd
