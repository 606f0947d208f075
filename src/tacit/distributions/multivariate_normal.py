"""The multivariate normal with a covariance of its own, or one tied over the components of a stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import _moments, _row_by_row
from tacit.distributions._base import AbstractExponentialFamily, AbstractReparameterised
from tacit.distributions._cholesky import cholesky, inverse_lower, solve_lower
from tacit.distributions._row_by_row import LOG_2PI


def _replace_diagonal(lower: Float[Array, "*k d d"], function: Callable[[Array], Array]) -> Float[Array, "*k d d"]:
    """The lower triangle with the function taken of its diagonal."""
    diagonal = function(jnp.diagonal(lower, axis1=-2, axis2=-1))
    return jnp.tril(lower, -1) + diagonal[..., None] * jnp.eye(lower.shape[-1], dtype=lower.dtype)


class MultivariateNormal(AbstractExponentialFamily, AbstractReparameterised):
    """Normal over d columns with a full covariance.

    `log p(y) = -1/2 (y - m)' S^-1 (y - m) - 1/2 log det S - d/2 log 2 pi`, in nats. A missing cell is integrated
    out: the density is that of the present cells.

    Statistics: `[y_i y_j for i <= j, y, 1]`, (d (d + 1) / 2 + d + 1,). Fields: `loc` (d,), the mean `m`; `raw`
    (d, d), the Cholesky factor of the covariance `S`, its diagonal in logs.

        >>> family = MultivariateNormal.from_covariance(jnp.zeros(2), jnp.array([[1.0, 0.6], [0.6, 1.0]]))
        >>> round(float(family.log_prob(jnp.array([1.0, 0.6]))), 4)
        -2.1147
        >>> round(float(family.log_prob(jnp.array([1.0, jnp.nan]), jnp.array([True, False]))), 4)
        -1.4189
        >>> family.sample(jax.random.key(0)).shape
        (2,)
    """

    loc: Float[Array, "*k d"]
    raw: Float[Array, "*k d d"]

    @classmethod
    def from_covariance(cls, mean: Float[Array, "*k d"], covariance: Float[Array, "*k d d"]) -> Self:
        """From a mean and a positive definite covariance (one that is not gives NaN)."""
        factor = jnp.vectorize(cholesky, signature="(d,d)->(d,d)")(covariance)
        return cls(mean, _replace_diagonal(factor, jnp.log))

    @property
    def scale_tril(self) -> Float[Array, "*k d d"]:
        """Cholesky factor of the covariance."""
        return _replace_diagonal(self.raw, jnp.exp)

    @property
    def covariance(self) -> Float[Array, "*k d d"]:
        """Covariance matrix."""
        return self.scale_tril @ jnp.swapaxes(self.scale_tril, -1, -2)

    @property
    def variance(self) -> Float[Array, "*k d"]:
        """Variance of each column."""
        return jnp.sum(self.scale_tril**2, -1)

    @property
    def n_columns(self) -> int:
        return self.loc.shape[-1]

    @property
    def pattern_columns(self) -> tuple[int, ...]:
        return tuple(range(self.n_columns))

    def n_parameters(self) -> int:
        k, d = self.loc.shape
        return k * (d + d * (d + 1) // 2)

    def sample(self, key: Key) -> Float[Array, " d"]:
        return self.loc + self.scale_tril @ jax.random.normal(key, self.loc.shape, self.loc.dtype)

    def marginal(self, observed: Bool[Array, " d"]) -> Self:
        """A missing column becomes an independent normal whose density at 0, the placeholder, is 1."""
        present = jnp.outer(observed, observed)
        neutral = jnp.eye(self.n_columns, dtype=self.loc.dtype) / (2 * jnp.pi)
        return self.from_covariance(self.loc * observed, jnp.where(present, self.covariance, neutral))

    def given(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Self:
        regression, remaining = self._regression(observed, self.marginal(observed)._precision())
        present = jnp.diag(observed.astype(remaining.dtype))  # present columns are independent of the rest
        return self.from_covariance(self.loc + regression @ self.centre(y, observed), remaining + present)

    def moments_given(
        self, y: Float[Array, " d"], observed: Bool[Array, " d"]
    ) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """Mean and variance of each missing column given the present ones; a present one is its value, and 0."""
        regression, remaining = self._regression(observed, self.marginal(observed)._precision())
        return self.loc + regression @ self.centre(y, observed), jnp.diagonal(remaining)

    def moments_given_rest(
        self, y: Float[Array, " d"], observed: Bool[Array, " d"]
    ) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """Mean and variance of each present column given the other present ones: `y - (P r) / diag P`, `1 / diag P`.

        P is the precision of the present columns and r their residuals; of missing ones the numbers mean nothing.
        """
        precision = self.marginal(observed)._precision()
        variance = 1 / jnp.diagonal(precision)
        return y - variance * (precision @ self.centre(y, observed)), variance

    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        white = inverse_lower(self.scale_tril) @ (y - self.loc)
        return -0.5 * (white @ white + self.n_columns * LOG_2PI) - jnp.trace(self.raw)

    def _precision(self) -> Float[Array, "d d"]:
        inverse = inverse_lower(self.scale_tril)
        return inverse.T @ inverse

    def statistics(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " t"]:
        return _moments.products(y)

    def coefficients(self) -> Float[Array, " t"]:
        precision = self._precision()
        linear = precision @ self.loc
        # y' P y = sum_i P_ii y_i^2 + 2 sum_{i<j} P_ij y_i y_j
        quadratic = 0.5 * jnp.diag(jnp.diagonal(precision)) - precision
        constant = -0.5 * (self.loc @ linear + self.n_columns * LOG_2PI) - jnp.trace(self.raw)
        return _moments.pack(quadratic, linear, constant)

    def rounding(self) -> Scalar:
        size = jnp.abs(self.loc)  # along a direction of large variance the terms cancel to little
        return size @ jnp.abs(self._precision()) @ size

    def centre(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " d"]:
        return (y - self.loc) * observed

    def recentre(self, statistics: Float[Array, " t"]) -> Float[Array, " t"]:
        second, first, mass = _moments.unpack(statistics, self.n_columns)
        cross = jnp.outer(first, self.loc)
        second = second - cross - cross.T + mass * jnp.outer(self.loc, self.loc)
        return _moments.pack(second, first - mass * self.loc, mass)

    def complete(
        self, observed: Bool[Array, " d"], statistics: Float[Array, " t"], coefficients: Float[Array, " t"]
    ) -> Float[Array, " t"]:
        """E[y | present] is affine in the present cells, so the sums over rows are completed, not the rows."""
        second, first, mass = _moments.unpack(statistics, self.n_columns)
        first, second = first * observed, second * jnp.outer(observed, observed)
        quadratic, _, _ = _moments.unpack(coefficients, self.n_columns)
        precision = -quadratic - jnp.diag(jnp.diagonal(quadratic))
        regression, remaining = self._regression(observed, precision)
        return _moments.pack(regression @ second @ regression.T + mass * remaining, regression @ first, mass)

    def completer(self) -> _row_by_row.Completer:
        whitener = jax.vmap(inverse_lower)(self.scale_tril)
        return _row_by_row.normals(self.loc, whitener, jnp.trace(self.raw, axis1=-2, axis2=-1))

    def _regression(
        self, observed: Bool[Array, " d"], precision: Float[Array, "d d"]
    ) -> tuple[Float[Array, "d d"], Float[Array, "d d"]]:
        """Of every cell on the present ones: `E[y - m | present] = A (y - m)_present` and the remaining covariance.

        `precision` is that of the marginal; its cells of missing columns are not read.
        """
        slopes = self.covariance @ jnp.where(jnp.outer(observed, observed), precision, 0.0)
        regression = jnp.where(observed[:, None], jnp.eye(self.n_columns, dtype=self.loc.dtype), slopes)
        missing = jnp.outer(~observed, ~observed)
        return regression, jnp.where(missing, self.covariance - slopes @ self.covariance, 0.0)

    def _scatter(
        self, statistics: Float[Array, "k t"], centred: bool
    ) -> tuple[Float[Array, "k d"], Float[Array, "k d d"], Float[Array, " k"], Float[Array, " k"]]:
        """New means, scatter matrices about them, masses, and the rounding error of the scatter."""
        second, first, mass = jax.vmap(_moments.unpack, (0, None))(statistics, self.n_columns)
        eps = jnp.finfo(mass.dtype).eps
        mass = mass + 10 * eps  # an empty component stays finite
        shift = first / mass[:, None]
        scatter = second - mass[:, None, None] * shift[:, :, None] * shift[:, None, :]
        rounding = 4 * self.n_columns * eps * jnp.max(jnp.diagonal(second, axis1=-2, axis2=-1), -1)
        return (self.loc + shift if centred else shift), scatter, mass, rounding

    def _floored(
        self, mean: Float[Array, "k d"], covariance: Float[Array, "k d d"], rounding: Float[Array, "*k"], floor: Any
    ) -> Self:
        """Add the floor; where there is one, rounding of a large variance must not push another one below 0."""
        ridge = floor + jnp.where(floor > 0, rounding[..., None], 0.0)
        return self.from_covariance(mean, covariance + ridge[..., None] * jnp.eye(self.n_columns))

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted means and covariances; `regularise` (d,) is added to the variances."""
        mean, scatter, mass, rounding = self._scatter(statistics, centred)
        return self._floored(mean, scatter / mass[:, None, None], rounding / mass, regularise)


class LoneMultivariateNormal(MultivariateNormal):
    """Normal over d columns whose covariance is that of one row alone, as a network gives it.

    The density is that of `MultivariateNormal`, worked out with less effort where no other row has the covariance.

        >>> shared = MultivariateNormal(jnp.zeros(2), jnp.array([[0.0, 0.0], [0.5, -1.0]]))
        >>> lone = LoneMultivariateNormal(shared.loc, shared.raw)
        >>> y = jnp.array([1.0, 2.0])
        >>> bool(jnp.allclose(lone.log_prob(y), shared.log_prob(y)))
        True
    """

    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        white = solve_lower(self.scale_tril, y - self.loc)
        return -0.5 * (white @ white + self.n_columns * LOG_2PI) - jnp.trace(self.raw)


class TiedMultivariateNormal(MultivariateNormal):
    """Normal over d columns whose covariance is shared by all components of a stack.

    `log p(y) = -1/2 (y - m_k)' S^-1 (y - m_k) - 1/2 log det S - d/2 log 2 pi` for component k, in nats. Every member
    of the stack holds a copy of the factor of `S`.

        >>> y = jax.random.normal(jax.random.key(0), (100, 2))
        >>> stack = TiedMultivariateNormal(jnp.zeros((2, 2)), jnp.zeros((2, 2, 2)))
        >>> seen = jnp.ones(2, bool)
        >>> sums = jax.vmap(stack.statistics, (0, None))(y, seen).reshape(2, 50, -1).sum(1)
        >>> fitted = stack.maximise(sums, jnp.zeros(2), centred=False)
        >>> bool(jnp.all(fitted.covariance[0] == fitted.covariance[1])), stack.n_parameters()
        (True, 7)
    """

    def n_parameters(self) -> int:
        k, d = self.loc.shape
        return k * d + d * (d + 1) // 2

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted means, and one covariance about them pooled by mass; `regularise` (d,) is added to its diagonal."""
        mean, scatter, mass, rounding = self._scatter(statistics, centred)
        shared = jnp.broadcast_to(jnp.sum(scatter, 0) / jnp.sum(mass), scatter.shape)
        return self._floored(mean, shared, jnp.sum(rounding) / jnp.sum(mass), regularise)
