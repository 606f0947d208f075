"""A normal whose mean is linear in covariates: one component of a mixture of regressions."""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import _moments
from tacit.distributions._base import AbstractExponentialFamily
from tacit.distributions._cholesky import cholesky, inverse_lower
from tacit.distributions.multivariate_normal import MultivariateNormal
from tacit.distributions.normal import DiagonalNormal

AnyNormal = MultivariateNormal | DiagonalNormal


class LinearNormal(AbstractExponentialFamily):
    """Normal over d targets given p covariates, the event being the row `[y, x]`.

    `log p(y | x) = log N(y; b + W x, S)`, in nats: the density of y alone; x has none. Covariates should be
    standardised. Rows are complete: one with a missing cell says nothing, its density being 1.

    Statistics: `[u_i u_j for i <= j, u, 1]` of `u = [y, x]`. Fields: `normal`, the distribution `N(b, S)` at x = 0,
    which also says how S is structured (full, tied, diagonal, spherical); `slopes` (d, p), `W` above.

        >>> family = LinearNormal(DiagonalNormal(jnp.array([1.0]), jnp.zeros(1)), slopes=jnp.array([[2.0, 0.0]]))
        >>> round(float(family.log_prob(jnp.array([3.0, 1.0, 5.0]))), 4)
        -0.9189
        >>> family.at(jnp.array([1.0, 5.0])).loc
        Array([3.], dtype=float32)

    Source: Quandt and Ramsey 1978 (mixtures of regressions); DeSarbo and Cron 1988 (by EM).
    """

    normal: AnyNormal
    slopes: Float[Array, "*k d p"]

    @property
    def n_columns(self) -> int:
        return sum(self.slopes.shape[-2:])

    @property
    def n_targets(self) -> int:
        """d, the number of targets; the covariates follow them in a row."""
        return self.slopes.shape[-2]

    def n_parameters(self) -> int:
        return self.normal.n_parameters() + self.slopes.size

    def at(self, x: Float[Array, " p"]) -> AnyNormal:
        """The distribution of y given x."""
        return _moved(self.normal, self.normal.loc + self.slopes @ x)

    def sample(self, key: Key) -> Float[Array, " d"]:
        """A row at x = 0; `at(x).sample(key)` draws y elsewhere, and so does `given` a row with x."""
        return jnp.concatenate([self.normal.sample(key), jnp.zeros_like(self.slopes[0])])

    def given(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Self:
        """At the row's x, which must be there; missing targets follow their distribution given the present ones."""
        d = self.n_targets
        return type(self)(self.at(y[d:]).given(y[:d], observed[:d]), jnp.zeros_like(self.slopes))

    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        d = self.n_targets
        return jnp.where(jnp.all(observed), self.at(y[d:]).log_prob(y[:d]), 0.0)

    def statistics(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " t"]:
        return _moments.products(y) * jnp.all(observed)

    def coefficients(self) -> Float[Array, " t"]:
        precision, linear, constant = _natural(self.normal)
        residual = jnp.concatenate([jnp.eye(self.n_targets, dtype=linear.dtype), -self.slopes], axis=1)
        square = residual.T @ precision @ residual
        # u' Q u = sum_i Q_ii u_i^2 + 2 sum_{i<j} Q_ij u_i u_j
        quadratic = 0.5 * jnp.diag(jnp.diagonal(square)) - square
        return _moments.pack(quadratic, residual.T @ linear, constant)

    def rounding(self) -> Scalar:
        size = jnp.abs(self.normal.loc) + jnp.sum(jnp.abs(self.slopes), axis=-1)  # of the mean, x being about 1
        return size @ jnp.abs(_natural(self.normal)[0]) @ size

    def centre(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " d"]:
        """The row with its residuals in place of the targets."""
        d = self.n_targets
        return jnp.concatenate([y[:d] - self.normal.loc - self.slopes @ y[d:], y[d:]]) * jnp.all(observed)

    def recentre(self, statistics: Float[Array, " t"]) -> Float[Array, " t"]:
        second, first, mass = _moments.unpack(statistics, self.n_columns)
        d = self.n_targets
        turn = jnp.eye(self.n_columns, dtype=second.dtype).at[:d, d:].set(-self.slopes)
        location = jnp.concatenate([self.normal.loc, jnp.zeros_like(self.slopes[0])])
        first = turn @ first
        cross = jnp.outer(first, location)
        second = turn @ second @ turn.T - cross - cross.T + mass * jnp.outer(location, location)
        return _moments.pack(second, first - mass * location, mass)

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Weighted least squares, and the covariance of its residuals.

        `regularise` is (floor (d,), ridge): the floor is added to the variances, and `ridge` to the diagonal of the
        scatter of x, as if so many further rows of unit spread had asked for slopes of 0.
        """
        floor, ridge = regularise
        old = self if centred else jax.tree.map(jnp.zeros_like, self)
        location, slopes, residuals, mass = jax.vmap(_regress, (0, 0, 0, None, None))(
            statistics, old.normal.loc, old.slopes, floor, ridge
        )
        sums = jax.vmap(_residual_statistics, (0, 0, 0))(self.normal, residuals, mass)
        return type(self)(_moved(self.normal.maximise(sums, floor, centred=False), location), slopes)


def _regress(
    statistics: Float[Array, " t"], location: Float[Array, " d"], slopes: Float[Array, "d p"], floor: Any, ridge: Any
) -> tuple[Float[Array, " d"], Float[Array, "d p"], Float[Array, "d d"], Scalar]:
    """New location and slopes from statistics about old ones; the scatter of the residuals, and the mass."""
    d, p = slopes.shape
    second, first, mass = _moments.unpack(statistics, d + p)
    eps = jnp.finfo(mass.dtype).eps
    mass = mass + 10 * eps  # an empty component stays finite
    mean = first / mass
    scatter = second - mass * jnp.outer(mean, mean)
    yy, yx, xx = scatter[:d, :d], scatter[:d, d:], scatter[d:, d:]
    # where there is a ridge or a floor, rounding of a large variance must not push another one below 0
    rounding = 4 * (d + p) * eps * jnp.diagonal(second)
    ridge = ridge + jnp.where(ridge > 0, jnp.max(rounding[d:]), 0.0)
    inverse = inverse_lower(cholesky(xx + ridge * jnp.eye(p, dtype=xx.dtype)))
    change = (yx - ridge * slopes) @ inverse.T @ inverse
    cross = change @ yx.T
    residuals = yy - cross - cross.T + change @ xx @ change.T
    residuals = residuals + jnp.diag(jnp.where(floor > 0, jnp.max(rounding[:d]), 0.0))
    return location + mean[:d] - change @ mean[d:], slopes + change, residuals, mass


def _moved(normal: AnyNormal, loc: Float[Array, "*k d"]) -> AnyNormal:
    return eqx.tree_at(lambda n: n.loc, normal, loc)


def _natural(normal: AnyNormal) -> tuple[Float[Array, "d d"], Float[Array, " d"], Scalar]:
    """Precision P, P b, and the constant of `log N(y; b, S) = -1/2 y' P y + (P b)' y + constant`."""
    if isinstance(normal, DiagonalNormal):
        half, linear, constants = jnp.split(normal.coefficients(), 3)
        return jnp.diag(-2 * half), linear, jnp.sum(constants)
    quadratic, linear, constant = _moments.unpack(normal.coefficients(), normal.n_columns)
    return -quadratic - jnp.diag(jnp.diagonal(quadratic)), linear, constant


def _residual_statistics(normal: AnyNormal, scatter: Float[Array, "d d"], mass: Scalar) -> Float[Array, " t"]:
    """What the normal's own M-step reads, of residuals with mean 0."""
    zero = jnp.zeros_like(scatter[0])
    if isinstance(normal, DiagonalNormal):
        return jnp.concatenate([jnp.diagonal(scatter), zero, zero + mass])
    return _moments.pack(scatter, zero, mass)
