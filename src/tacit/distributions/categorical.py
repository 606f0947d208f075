"""The categorical distribution: of a latent (one-hot events) and of a column of a table (codes)."""

from __future__ import annotations

from typing import Any, Self

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractEnumerable, AbstractExponentialFamily
from tacit.distributions._zeros import times


class Categorical(AbstractEnumerable):
    """One of k states; the event is a one-hot float vector and `log_prob` is linear in it.

    `log p(z) = z · log_softmax(logits)`, in nats. Field: `logits` (k,).

        >>> prior = Categorical(jnp.log(jnp.array([0.25, 0.75])))
        >>> [round(float(prior.log_prob(z)), 4) for z in prior.support()]
        [-1.3863, -0.2877]
        >>> prior.sample(jax.random.key(0)).shape
        (2,)
    """

    logits: Float[Array, "*m k"]

    def sample(self, key: Key) -> Float[Array, " k"]:
        k = self.logits.shape[-1]
        return jax.nn.one_hot(jax.random.categorical(key, self.logits), k, dtype=self.logits.dtype)

    def log_prob(self, event: Float[Array, " k"]) -> Scalar:
        return jnp.sum(times(event, self.log_probs()))

    @property
    def n_states(self) -> int:
        return int(self.logits.shape[-1])

    def support(self) -> Float[Array, "k k"]:
        return jnp.eye(self.logits.shape[-1], dtype=self.logits.dtype)

    def log_probs(self) -> Float[Array, " k"]:
        return jax.nn.log_softmax(self.logits)


class CategoricalColumn(AbstractExponentialFamily):
    """A column of codes 0..l-1: `log p(y) = log_softmax(logits)[y]`, in nats.

    Statistics: the one-hot code (l,), all zeros where the cell is missing. Field: `logits` (l,).

        >>> column = CategoricalColumn(jnp.log(jnp.array([0.2, 0.3, 0.5])))
        >>> round(float(column.log_prob(jnp.array([2.0]))), 4)
        -0.6931
        >>> column.sample(jax.random.key(0)).shape
        (1,)
    """

    logits: Float[Array, "*k l"]

    @property
    def probs(self) -> Float[Array, "*k l"]:
        """Probability of each level."""
        return jax.nn.softmax(self.logits)

    @property
    def n_columns(self) -> int:
        return 1

    def n_parameters(self) -> int:
        k, levels = self.logits.shape
        return k * (levels - 1)

    def sample(self, key: Key) -> Float[Array, " 1"]:
        return jax.random.categorical(key, self.logits)[None].astype(self.logits.dtype)

    def log_density(self, y: Float[Array, " 1"], observed: Bool[Array, " 1"]) -> Scalar:
        return jnp.sum(times(self.statistics(y, observed), self.coefficients()))

    def impossible(self, events: Float[Array, "... 1"]) -> Bool[Array, "... 1"]:
        return (events < 0) | (events > self.logits.shape[-1] - 1) | (events % 1 > 0)

    def statistics(self, y: Float[Array, " 1"], observed: Bool[Array, " 1"]) -> Float[Array, " l"]:
        return jax.nn.one_hot(y[0].astype(int), self.logits.shape[-1], dtype=y.dtype) * observed

    def coefficients(self) -> Float[Array, " l"]:
        return jax.nn.log_softmax(self.logits)

    def maximise(self, statistics: Float[Array, "k l"], regularise: Any, *, centred: bool) -> Self:
        """Weighted frequencies, `(count + r/l) / (mass + r)`: `regularise = r` pseudo-rows spread over the l levels."""
        counts = statistics + regularise / statistics.shape[-1]
        return type(self)(jnp.log(jnp.maximum(counts, jnp.finfo(counts.dtype).tiny)))

    def embed(self, y: Float[Array, " 1"], observed: Bool[Array, " 1"]) -> Float[Array, " l"]:
        return self.statistics(y, observed)
