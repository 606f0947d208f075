"""The categorical distribution: of a latent (one-hot events) and of columns of a table (codes)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
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


def runs(levels: Iterable[int]) -> list[tuple[int, int]]:
    """Columns that follow one another with the same number of levels: that number, and how many they are.

    >>> runs([17, 17, 3, 17])
    [(17, 2), (3, 1), (17, 1)]
    """
    return [(size, len(list(same))) for size, same in itertools.groupby(levels)]


def located(levels: Iterable[int], column: int) -> tuple[int, int]:
    """Of a column the run that holds it, and its place there.

    >>> located([17, 17, 3, 17], 1), located([17, 17, 3, 17], 3)
    ((0, 1), (2, 0))
    """
    ends = np.cumsum([many for _, many in runs(levels)])
    run = int(np.searchsorted(ends, column, side="right"))
    return run, column - (int(ends[run - 1]) if run else 0)


class CategoricalColumns(AbstractExponentialFamily):
    """m columns of codes 0..l-1, l levels each: `log p(y) = sum_j log_softmax(logits_j)[y_j]`, in nats.

    Statistics: the one-hot codes (m l,), all zeros where a cell is missing. Field: `logits` (m, l).

        >>> columns = CategoricalColumns(jnp.log(jnp.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])))
        >>> round(float(columns.log_prob(jnp.array([2.0, 0.0]))), 4)
        -1.204
        >>> columns.sample(jax.random.key(0)).shape
        (2,)
    """

    logits: Float[Array, "*k m l"]

    @property
    def probs(self) -> Float[Array, "*k m l"]:
        """Probability of each level of each column."""
        return jax.nn.softmax(self.logits)

    @property
    def n_columns(self) -> int:
        return int(self.logits.shape[-2])

    def n_parameters(self) -> int:
        k, m, levels = self.logits.shape
        return k * m * (levels - 1)

    def sample(self, key: Key) -> Float[Array, " m"]:
        return jax.random.categorical(key, self.logits).astype(self.logits.dtype)

    def log_density(self, y: Float[Array, " m"], observed: Bool[Array, " m"]) -> Scalar:
        return jnp.sum(times(self.statistics(y, observed), self.coefficients()))

    def impossible(self, events: Float[Array, "... m"]) -> Bool[Array, "... m"]:
        return (events < 0) | (events > self.logits.shape[-1] - 1) | (events % 1 > 0)

    def statistics(self, y: Float[Array, " m"], observed: Bool[Array, " m"]) -> Float[Array, " t"]:
        codes = jax.nn.one_hot(y.astype(int), self.logits.shape[-1], dtype=y.dtype)
        return (codes * observed[:, None]).ravel()

    def coefficients(self) -> Float[Array, " t"]:
        return jax.nn.log_softmax(self.logits).ravel()

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted frequencies, `(count + r/l) / (mass + r)`: `regularise = r` pseudo-rows spread over the l levels."""
        counts = statistics.reshape(self.logits.shape) + regularise / self.logits.shape[-1]
        return type(self)(jnp.log(jnp.maximum(counts, jnp.finfo(counts.dtype).tiny)))

    def embed(self, y: Float[Array, " m"], observed: Bool[Array, " m"]) -> Float[Array, " t"]:
        return self.statistics(y, observed)
