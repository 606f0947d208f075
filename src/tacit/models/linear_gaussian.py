"""The linear-Gaussian latent model: probabilistic PCA and factor analysis, where every answer is exact."""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution, DiagonalNormal, LowRankNormal, MultivariateNormal
from tacit.models.latent import AbstractConditional, LatentModel


class StandardNormal(AbstractConditional):
    """`z ~ N(0, I)` of m dimensions in every context; nothing in it is trained."""

    n_latents: int = eqx.field(static=True)

    def __call__(self, context: Any) -> DiagonalNormal:
        return DiagonalNormal(jnp.zeros(self.n_latents), jnp.zeros(self.n_latents))


class LinearDecoder(AbstractConditional):
    """`(z, c) -> N(W z + b, diag s^2)`. Fields: `weight` (d, m), `bias` (d,), `log_scale` (d,), or (1,) for one s."""

    weight: Float[Array, "*m d l"]
    bias: Float[Array, "*m d"]
    log_scale: Float[Array, "*m s"]

    def __call__(self, context: tuple[Array, Any]) -> DiagonalNormal:
        z, _ = context
        return DiagonalNormal(self.weight @ z + self.bias, self.log_scale)


class LinearEncoder(AbstractConditional):
    """`(y, x) -> N(A y + c, V)`, affine in y: where no cell is missing, the exact posterior is of this form.

    `spread` is the Cholesky factor of V, (l, l) with the logarithm of its diagonal, or the log scales (l,) of a
    diagonal V. Fields: `weight` (l, d), `bias` (l,), `spread`.
    """

    weight: Float[Array, "*m l d"]
    bias: Float[Array, "*m l"]
    spread: Float[Array, "*m ..."]

    @classmethod
    def zeros(cls, d: int, n_latents: int, *, full: bool = True) -> Self:
        """The prior for every row."""
        spread = jnp.zeros((n_latents, n_latents) if full else n_latents)
        return cls(jnp.zeros((n_latents, d)), jnp.zeros(n_latents), spread)

    @classmethod
    def exact(cls, model: LinearGaussianModel) -> Self:
        """The exact posterior of complete rows."""
        decoder = model.likelihood
        q = model.posterior(decoder.bias)
        slopes = q.covariance @ (decoder.weight * jnp.exp(-2 * decoder.log_scale)[:, None]).T
        return cls(slopes, -slopes @ decoder.bias, q.raw)

    def __call__(self, context: Any) -> AbstractDistribution:
        loc = self.weight @ context[0] + self.bias
        return MultivariateNormal(loc, self.spread) if self.spread.ndim > 1 else DiagonalNormal(loc, self.spread)


class LinearGaussianModel(LatentModel):
    """`y = W z + b + e`, `z ~ N(0, I)`, `e ~ N(0, diag s^2)`: the latent is integrated out, not sampled.

    With one s for all columns it is probabilistic PCA, else factor analysis. Cells that are missing at random are
    integrated out as well. Sources: Tipping and Bishop 1999; Rubin and Thayer 1982.

    >>> model = LinearGaussianModel.of(jnp.array([[1.0], [2.0]]), jnp.zeros(2), jnp.zeros(1))
    >>> y = jnp.array([1.0, 0.0])
    >>> round(float(model.log_marginal(y)), 4), round(float(model.posterior(y).loc[0]), 4)
    (-3.1504, 0.1667)
    """

    prior: StandardNormal
    likelihood: LinearDecoder

    @classmethod
    def of(cls, weight: Float[Array, "d l"], bias: Float[Array, " d"], log_scale: Float[Array, " s"]) -> Self:
        """From W, b and log s."""
        return cls(StandardNormal(weight.shape[-1]), LinearDecoder(weight, bias, log_scale))

    @classmethod
    def start(cls, key: Key, d: int, n_latents: int, *, isotropic: bool) -> Self:
        """For standardised columns: random directions of half the variance, the rest noise."""
        weight = jax.random.normal(key, (d, n_latents)) * jnp.sqrt(0.5 / n_latents)
        return cls.of(weight, jnp.zeros(d), jnp.full(1 if isotropic else d, 0.5 * jnp.log(0.5)))

    @property
    def marginal(self) -> LowRankNormal:
        """`p(y)`, with the latent integrated out."""
        return LowRankNormal(self.likelihood.weight, self.likelihood.bias, self.likelihood.log_scale)

    def log_marginal(self, y: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> Scalar:
        """`log p(present cells)` in nats: exact."""
        return self.marginal.log_prob(y, observed)

    def posterior(self, y: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> MultivariateNormal:
        """`p(z | present cells)`: exact."""
        return self.marginal.latent(y, observed)

    def conditional(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> LowRankNormal:
        """`p(missing cells | present cells)` of a row: exact; its places of present cells are not to be read."""
        return self.marginal.given(y, observed)

    def complete(self, key: Key, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " d"]:
        """The row with its missing cells drawn jointly given the present ones."""
        return jnp.where(observed, y, self.conditional(y, observed).sample(key))
