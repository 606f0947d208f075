"""The categorical distribution: of a latent (one-hot events) and of a column of a table (codes)."""

from __future__ import annotations

from typing import Any, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from tacit._typing import Key, Scalar
from tacit.distributions._base import AbstractEnumerable, AbstractExponentialFamily


class Categorical(AbstractEnumerable):
    """One of k states; the event is a one-hot float vector and `log_prob` is linear in it.

    `log p(z) = z · log_softmax(logits)`, in nats. Field: `logits` (k,).
    """

    logits: Float[Array, "*m k"]

    def sample(self, key: Key) -> Float[Array, " k"]:
        k = self.logits.shape[-1]
        return jax.nn.one_hot(jax.random.categorical(key, self.logits), k, dtype=self.logits.dtype)

    def log_prob(self, event: Float[Array, " k"]) -> Scalar:
        log_probs = self.log_probs()
        # 0 times -inf is 0 here: a state that cannot occur does not occur
        return jnp.sum(jnp.where(event == 0, 0.0, event * log_probs))

    def support(self) -> Float[Array, "k k"]:
        return jnp.eye(self.logits.shape[-1], dtype=self.logits.dtype)

    def log_probs(self) -> Float[Array, " k"]:
        return jax.nn.log_softmax(self.logits)


class CategoricalColumn(AbstractExponentialFamily):
    """A column of codes 0..l-1: `log p(y) = log_softmax(logits)[y]`, in nats. Field: `logits` (l,)."""

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
        return self.statistics(y, observed) @ self.coefficients()

    def statistics(self, y: Float[Array, " 1"], observed: Bool[Array, " 1"]) -> Float[Array, " l"]:
        return jax.nn.one_hot(y[0].astype(int), self.logits.shape[-1], dtype=y.dtype) * observed

    def coefficients(self) -> Float[Array, " l"]:
        return jax.nn.log_softmax(self.logits)

    def maximise(self, statistics: Float[Array, "k l"], regularise: Any, *, centred: bool) -> Self:
        """Weighted frequencies, with `regularise` pseudo-rows spread evenly over the levels."""
        counts = statistics + regularise / statistics.shape[-1]
        return type(self)(jnp.log(jnp.maximum(counts, jnp.finfo(counts.dtype).tiny)))

    def embed(self, y: Float[Array, " 1"], observed: Bool[Array, " 1"]) -> Float[Array, " l"]:
        return self.statistics(y, observed)
