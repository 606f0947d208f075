"""Normals over independent columns: one scale a column, or one for all columns."""

from __future__ import annotations

from typing import Any, Self

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractExponentialFamily, AbstractReparameterised
from tacit.distributions.multivariate_normal import LOG_2PI


class DiagonalNormal(AbstractExponentialFamily, AbstractReparameterised):
    """Independent normals over d columns, each with its own mean and scale.

    `log p(y) = sum_j -1/2 ((y_j - m_j) / s_j)^2 - log s_j - 1/2 log 2 pi`, over the present cells, in nats.

    Statistics: `[y^2, y, observed]` (3 d,). Fields: `loc` (d,), `m` above; `log_scale` (d,), `log s`.

        >>> family = DiagonalNormal(jnp.array([0.0, 10.0]), jnp.log(jnp.array([1.0, 2.0])))
        >>> round(float(family.log_prob(jnp.array([1.0, 10.0]))), 4)
        -3.031
        >>> round(float(family.log_prob(jnp.array([1.0, jnp.nan]), jnp.array([True, False]))), 4)
        -1.4189
        >>> family.sample(jax.random.key(0)).shape
        (2,)
    """

    loc: Float[Array, "*k d"]
    log_scale: Float[Array, "*k d"]

    @property
    def variance(self) -> Float[Array, "*k d"]:
        """Variance of each column."""
        return jnp.exp(2 * self.log_scale)

    @property
    def n_columns(self) -> int:
        return self.loc.shape[-1]

    def n_parameters(self) -> int:
        return 2 * self.loc.size

    def sample(self, key: Key) -> Float[Array, " d"]:
        return self.loc + jnp.exp(self.log_scale) * jax.random.normal(key, self.loc.shape, self.loc.dtype)

    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        white = (y - self.loc) * jnp.exp(-self.log_scale)
        terms = -0.5 * (white**2 + LOG_2PI) - self.log_scale
        return jnp.sum(jnp.where(observed, terms, 0.0))

    def statistics(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " t"]:
        return jnp.concatenate([y * y, y, observed.astype(y.dtype)])

    def coefficients(self) -> Float[Array, " t"]:
        precision = jnp.exp(-2 * self.log_scale) * jnp.ones_like(self.loc)
        constant = -0.5 * (precision * self.loc**2 + LOG_2PI) - self.log_scale
        return jnp.concatenate([-0.5 * precision, precision * self.loc, constant])

    def rounding(self) -> Scalar:
        return jnp.sum((self.loc * jnp.exp(-self.log_scale)) ** 2)

    def centre(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " d"]:
        return (y - self.loc) * observed

    def recentre(self, statistics: Float[Array, " t"]) -> Float[Array, " t"]:
        second, first, mass = jnp.split(statistics, 3)
        second = second - 2 * self.loc * first + mass * self.loc**2
        return jnp.concatenate([second, first - mass * self.loc, mass])

    def _scatter(
        self, statistics: Float[Array, "k t"], centred: bool
    ) -> tuple[Float[Array, "k d"], Float[Array, "k d"], Float[Array, "k d"]]:
        second, first, mass = jnp.split(statistics, 3, axis=-1)
        mass = mass + 10 * jnp.finfo(mass.dtype).eps  # an empty component stays finite
        shift = first / mass
        scatter = jnp.maximum(second - mass * shift**2, 0.0)  # far from 0, rounding may leave it below
        return (self.loc + shift if centred else shift), scatter, mass

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted means and variances over the present cells; `regularise` (d,) is added to the variances."""
        mean, scatter, mass = self._scatter(statistics, centred)
        return type(self)(mean, 0.5 * jnp.log(scatter / mass + regularise))


class SphericalNormal(DiagonalNormal):
    """Independent normals over d columns with one scale for all of them.

    `log p(y) = sum_j -1/2 ((y_j - m_j) / s)^2 - log s - 1/2 log 2 pi`, over the present cells, in nats.

    Fields: `loc` (d,), `m` above; `log_scale` (1,), a component's single `log s`.

        >>> family = SphericalNormal(jnp.array([0.0, 10.0]), jnp.log(jnp.array([2.0])))
        >>> round(float(family.log_prob(jnp.array([0.0, 12.0]))), 4)
        -3.7242
        >>> family.sample(jax.random.key(0)).shape
        (2,)
    """

    def n_parameters(self) -> int:
        k, d = self.loc.shape
        return k * (d + 1)

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted means, and the variance pooled over the present cells of all columns.

        The mean of `regularise` (d,) is added to it.
        """
        mean, scatter, mass = self._scatter(statistics, centred)
        pooled = jnp.sum(scatter, -1, keepdims=True) / jnp.sum(mass, -1, keepdims=True)
        return type(self)(mean, 0.5 * jnp.log(pooled + jnp.mean(regularise)))
