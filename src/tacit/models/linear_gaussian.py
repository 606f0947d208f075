"""The linear-Gaussian latent model: probabilistic PCA and factor analysis, where every answer is exact."""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution, DiagonalNormal, LowRankNormal, MultivariateNormal
from tacit.models.latent import AbstractConditional, LatentModel
from tacit.networks import Fixed

LEAST_VARIANCE = 1e-12  # of a direction that is whitened, as a share of the largest


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


class WhitenedEncoder(AbstractConditional):
    """An encoder that reads `R y`, columns without correlation and of unit variance, in place of y.

    An affine encoder can say the same of either; but steps along the gradient are of one size in all directions of
    `R y`, where those of y may differ as the condition number of its covariance. `whitener` is R (d, d).
    """

    encoder: AbstractConditional
    whitener: Fixed

    @classmethod
    def of(cls, encoder: AbstractConditional, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"]) -> Self:
        """R is that of these rows: `R cov(y) R' = I`, but for directions in which they do not vary.

        >>> y = np.random.default_rng(0).normal(size=(50, 2)) @ [[1.0, 3.0], [0.0, 0.1]]
        >>> R = WhitenedEncoder.of(LinearEncoder.zeros(2, 1), y, np.ones(50)).whitener.value
        >>> bool(np.allclose(R @ np.cov(y.T, bias=True) @ R.T, np.eye(2), atol=1e-4))
        True
        """
        variances, directions = np.linalg.eigh(np.cov(y.T, aweights=weight, ddof=0).reshape(y.shape[1], -1))
        least = max(variances[-1] * LEAST_VARIANCE, np.finfo(float).tiny)
        return cls(encoder, Fixed(jnp.asarray((directions / np.sqrt(np.maximum(variances, least))).T)))

    def __call__(self, context: Any) -> AbstractDistribution:
        y, *others = context
        q: AbstractDistribution = self.encoder((self.whitener.value @ y, *others))
        return q


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
