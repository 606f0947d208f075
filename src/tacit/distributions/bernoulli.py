"""Independent Bernoulli columns."""

from __future__ import annotations

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractEnumerable, AbstractExponentialFamily
from tacit.distributions._zeros import times


class Bernoulli(AbstractExponentialFamily, AbstractEnumerable):
    """Independent 0/1 columns: `log p(y) = sum_j y_j a_j - log(1 + exp a_j)` over the present cells, in nats.

    Linear in the event, so a relaxed event in [0, 1] has a value too. Statistics: `[y, observed]` (2 d,). It has
    2^d states: only small ones can be listed.

    Field: `logits` (d,), `a` above.

        >>> family = Bernoulli(jnp.array([0.0, 2.0]))
        >>> round(float(family.log_prob(jnp.array([1.0, 0.0]))), 4)
        -2.8201
        >>> family.sample(jax.random.key(0)).shape
        (2,)
    """

    logits: Float[Array, "*k d"]

    @property
    def probs(self) -> Float[Array, "*k d"]:
        """Probability of a 1 in each column."""
        return jax.nn.sigmoid(self.logits)

    @property
    def n_columns(self) -> int:
        return self.logits.shape[-1]

    def n_parameters(self) -> int:
        return self.logits.size

    def sample(self, key: Key) -> Float[Array, " d"]:
        return jax.random.bernoulli(key, self.probs).astype(self.logits.dtype)

    @property
    def n_states(self) -> int:
        return int(2**self.n_columns)

    def support(self) -> Float[Array, "s d"]:
        d = self.n_columns
        states = np.arange(2**d)[:, None] >> np.arange(d)[::-1] & 1
        return jnp.asarray(states, self.logits.dtype)

    def log_probs(self) -> Float[Array, " s"]:
        return jax.vmap(self.log_prob)(self.support())

    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        # y a - log(1 + exp a) in parts that are exact in both tails: of a 0 or a 1 one of the first two is 0. |a| is
        # their difference, whose derivative at 0 is 0: that of `abs` is 1 there
        above, below = jnp.maximum(self.logits, 0.0), jnp.minimum(self.logits, 0.0)
        terms = times(y, below) - times(1 - y, above) - jnp.log1p(jnp.exp(below - above))
        return jnp.sum(jnp.where(observed, terms, 0.0))

    def impossible(self, events: Float[Array, "... d"]) -> Bool[Array, "... d"]:
        return (events < 0) | (events > 1)

    def statistics(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " t"]:
        return jnp.concatenate([y, observed.astype(y.dtype)])

    def coefficients(self) -> Float[Array, " t"]:
        return jnp.concatenate([self.logits, -jax.nn.softplus(self.logits)])

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted frequencies, `(ones + r/2) / (mass + r)`, with `regularise = r` pseudo-rows, half of them ones."""
        ones, mass = jnp.split(statistics, 2, axis=-1)
        tiny = jnp.finfo(ones.dtype).tiny  # a zero count keeps a finite logit: 0 times it is 0, not NaN
        half = 0.5 * regularise
        zeros = jnp.maximum(mass - ones, 0.0)
        return type(self)(jnp.log(jnp.maximum(ones + half, tiny)) - jnp.log(jnp.maximum(zeros + half, tiny)))
