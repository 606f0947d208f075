"""Independent Poisson columns."""

from __future__ import annotations

from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractExponentialFamily
from tacit.distributions._zeros import times


class Poisson(AbstractExponentialFamily):
    """Independent counts: `log p(y) = sum_j y_j log r_j - r_j - log y_j!` over the present cells, in nats.

    Statistics: `[y, observed]` (2 d,); `- log y!` is the log base measure. Field: `log_rate` (d,), `log r` above.

        >>> family = Poisson(jnp.log(jnp.array([2.0, 5.0])))
        >>> round(float(family.log_prob(jnp.array([0.0, 5.0]))), 4)
        -3.7403
        >>> family.sample(jax.random.key(0)).shape
        (2,)
    """

    log_rate: Float[Array, "*k d"]

    @property
    def rate(self) -> Float[Array, "*k d"]:
        """Mean of each column."""
        return jnp.exp(self.log_rate)

    @property
    def n_columns(self) -> int:
        return self.log_rate.shape[-1]

    def n_parameters(self) -> int:
        return self.log_rate.size

    def sample(self, key: Key) -> Float[Array, " d"]:
        return jax.random.poisson(key, self.rate).astype(self.log_rate.dtype)

    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        terms = times(y, self.log_rate) - self.rate - gammaln(y + 1)
        return jnp.sum(jnp.where(observed, terms, 0.0))

    def impossible(self, events: Float[Array, "... d"]) -> Bool[Array, "... d"]:
        return events < 0

    def statistics(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " t"]:
        return jnp.concatenate([y, observed.astype(y.dtype)])

    def coefficients(self) -> Float[Array, " t"]:
        return jnp.concatenate([self.log_rate, -self.rate])

    def log_base(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        return -jnp.sum(gammaln(y + 1) * observed)

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted mean counts, `(total + r overall) / (mass + r)`, with `regularise = r` pseudo-rows.

        The pseudo-rows are at the mean over the whole stack, itself taken with r pseudo-rows of count 1: a column
        without a single event keeps a positive rate.
        """
        total, mass = jnp.split(statistics, 2, axis=-1)
        tiny = jnp.finfo(total.dtype).tiny  # a zero count keeps a finite log-rate: 0 times it is 0, not NaN
        overall = (jnp.sum(total, 0) + regularise) / jnp.maximum(jnp.sum(mass, 0) + regularise, tiny)
        rate = (total + regularise * overall) / jnp.maximum(mass + regularise, tiny)
        return type(self)(jnp.log(jnp.maximum(rate, tiny)))

    def embed(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " d"]:
        return jnp.sqrt(y) * observed  # the square root stabilises the variance of a count
