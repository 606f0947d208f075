"""The normal whose covariance is a few directions plus independent noise, worked with by those few directions."""

from __future__ import annotations

from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractReparameterised
from tacit.distributions._cholesky import cholesky, inverse_lower
from tacit.distributions.multivariate_normal import LOG_2PI, MultivariateNormal


class LowRankNormal(AbstractReparameterised):
    """`y = W z + b + e`, `z ~ N(0, I)` of m directions, independent `e_j ~ N(0, s_j^2)`: `N(b, W W' + diag s^2)`.

    `log p(y) = -1/2 (|(y - b - W h) / s|^2 + |h|^2 + log det P + sum_j (2 log s_j + log 2 pi))` in nats, with
    `P = I + W' diag(s^-2) W` the precision of z given y, and `h = P^-1 W' diag(s^-2) (y - b)` its mean: the cost is
    that of m x m matrices, and nothing cancels where the noise is small. Of cells that are missing, the rows of W and
    their noise are left out: they are integrated out exactly.

    Fields: `weight` (d, m); `bias` (d,); `log_scale` (d,) or (1,), one for all columns. Source: Woodbury's identity;
    Tipping and Bishop 1999, section 3.

        >>> family = LowRankNormal(jnp.array([[1.0], [2.0]]), jnp.zeros(2), jnp.zeros(1))
        >>> round(float(family.log_prob(jnp.array([1.0, 0.0]))), 4)
        -3.1504
        >>> round(float(family.log_prob(jnp.array([1.0, 0.0]), jnp.array([True, False]))), 4)
        -1.5155
    """

    weight: Float[Array, "*k d m"]
    bias: Float[Array, "*k d"]
    log_scale: Float[Array, "*k s"]

    def sample(self, key: Key) -> Float[Array, " d"]:
        key_z, key_e = jax.random.split(key)
        z = jax.random.normal(key_z, self.weight.shape[1:], self.weight.dtype)
        noise = jax.random.normal(key_e, self.bias.shape, self.bias.dtype)
        return self.weight @ z + self.bias + jnp.exp(self.log_scale) * noise

    def log_prob(self, event: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> Scalar:
        scaled, loc, factor = self._white(observed)
        residual = self._residual(event, observed)
        h = self._latent_mean(residual, scaled, factor)
        left = jnp.exp(-self.log_scale) * residual - scaled @ h
        present = jnp.ones_like(loc) if observed is None else observed.astype(loc.dtype)
        constant = jnp.sum(present * (2 * self.log_scale + LOG_2PI))
        return -0.5 * (left @ left + h @ h + constant) - jnp.sum(jnp.log(jnp.diagonal(factor)))

    def latent(self, event: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> MultivariateNormal:
        """The exact posterior of z given the present cells, `N(h, P^-1)`."""
        scaled, _, factor = self._white(observed)
        inverse = inverse_lower(factor)
        h = self._latent_mean(self._residual(event, observed), scaled, factor)
        return MultivariateNormal.from_covariance(h, inverse.T @ inverse)

    def given(self, event: Float[Array, " d"], observed: Bool[Array, " d"]) -> Self:
        """The distribution of all cells given the present ones: `y = W z + b + e` with the posterior of z.

        Cells that are present are free as well, as those of a second row with the same z; see `tacit.models`.
        """
        q = self.latent(event, observed)
        return type(self)(self.weight @ q.scale_tril, self.weight @ q.loc + self.bias, self.log_scale)

    @property
    def variance(self) -> Float[Array, " d"]:
        """Variance of each column."""
        return jnp.sum(self.weight**2, axis=-1) + jnp.exp(2 * self.log_scale)

    @property
    def covariance(self) -> Float[Array, "d d"]:
        """`W W' + diag s^2`."""
        return self.weight @ self.weight.T + jnp.diag(jnp.exp(2 * self.log_scale) * jnp.ones_like(self.bias))

    def _residual(self, event: Float[Array, " d"], observed: Bool[Array, " d"] | None) -> Float[Array, " d"]:
        return event - self.bias if observed is None else jnp.where(observed, event - self.bias, 0.0)

    def _white(self, observed: Bool[Array, " d"] | None) -> tuple[Array, Array, Array]:
        """`diag(1 / s) W` of the present cells, the bias, and the Cholesky factor of P."""
        scaled = jnp.exp(-self.log_scale)[..., None] * self.weight
        if observed is not None:
            scaled = jnp.where(observed[:, None], scaled, 0.0)
        precision = jnp.eye(self.weight.shape[-1], dtype=self.weight.dtype) + scaled.T @ scaled
        return scaled, self.bias, cholesky(precision)

    def _latent_mean(self, residual: Array, scaled: Array, factor: Array) -> Float[Array, " m"]:
        inverse = inverse_lower(factor)
        return inverse.T @ (inverse @ (scaled.T @ (jnp.exp(-self.log_scale) * residual)))
