"""Two events, the second given the first: latents in two layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from tacit._typing import Event, Key, Scalar
from tacit.distributions._base import AbstractDistribution, AbstractEnumerable, AbstractReparameterised


class AbstractChain(AbstractDistribution):
    """`log p(a, b) = log p(a) + log p(b | a)` in nats; the event is the pair (a, b), with `reverse` (b, a).

    Fields: `first`, the distribution of a; `then`, from an event a to the distribution of b. What `then` learns must
    be in its fields, for gradient estimators may stop them.
    """

    first: Any  # AbstractDistribution
    then: Callable[[Any], Any]
    reverse: bool = eqx.field(static=True, default=False)

    def sample(self, key: Key) -> tuple[Event, Event]:
        key_a, key_b = jax.random.split(key)
        a = self.first.sample(key_a)
        return self._pair(a, self.then(a).sample(key_b))

    def log_prob(self, event: tuple[Event, Event]) -> Scalar:
        a, b = self._pair(*event)
        log_prob: Scalar = self.first.log_prob(a) + self.then(a).log_prob(b)
        return log_prob

    def _pair(self, one: Any, other: Any) -> tuple[Any, Any]:
        """From (a, b) to the event, and from the event to (a, b)."""
        return (other, one) if self.reverse else (one, other)


class Chain(AbstractChain, AbstractReparameterised):
    """A chain whose draws are differentiable, as both parts' are.

    >>> from tacit.distributions import DiagonalNormal
    >>> walk = Chain(DiagonalNormal(jnp.zeros(1), jnp.zeros(1)), lambda a: DiagonalNormal(a, jnp.zeros(1)))
    >>> round(float(walk.log_prob((jnp.ones(1), jnp.ones(1)))), 4)
    -2.3379
    """


class DiscreteChain(AbstractChain, AbstractEnumerable):
    """A chain of two discrete parts, which can be listed where both can: as many states as pairs. Parts may be chains.

    >>> from tacit.distributions import Bernoulli
    >>> copied = DiscreteChain(Bernoulli(jnp.zeros(1)), lambda a: Bernoulli(8.0 * a - 4.0))
    >>> print(copied.log_prob((jnp.ones(1), jnp.ones(1))).round(3), copied.n_states)
    -0.711 4
    >>> [round(float(p), 2) for p in jnp.exp(copied.log_probs())]
    [0.49, 0.01, 0.01, 0.49]
    """

    @property
    def n_states(self) -> int:
        return int(self.first.n_states * self._second().n_states)

    def support(self) -> tuple[PyTree, PyTree]:
        n, second = self.first.n_states, self._second()
        a = jax.tree.map(lambda part: jnp.repeat(part, second.n_states, axis=0), self.first.support())
        b = jax.tree.map(lambda part: jnp.tile(part, (n, *[1] * (part.ndim - 1))), second.support())
        return self._pair(a, b)

    def log_probs(self) -> Array:
        log_b: Array = jax.vmap(lambda a: self.then(a).log_probs())(self.first.support())  # (a, b)
        return (self.first.log_probs()[:, None] + log_b).reshape(-1)

    def _second(self) -> Any:
        """A distribution of b, whatever a: what does not depend on a is read off it."""
        return self.then(self.first.sample(jax.random.key(0)))
