"""Small models whose log-likelihood is known by other means; the float width is that of the surrounding scope."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Categoricals, DiagonalNormal, MultivariateNormal
from tacit.models import AbstractConditional, Constant, LatentModel


class Decoder(AbstractConditional):
    """`z -> N(W z + B tanh(3 z) + x, scale²)`."""

    weight: Any
    bent: Any
    scale: Any

    def __call__(self, context: Any) -> DiagonalNormal:
        z, x = context
        loc = self.weight @ z + self.bent @ jnp.tanh(3 * z) + (0.0 if x is None else x)
        return DiagonalNormal(loc, jnp.log(self.scale) * jnp.ones_like(loc))


class Encoder(AbstractConditional):
    """`y -> N(A y, scale²)`; the cells that are missing are 0."""

    weight: Any
    log_scale: Any

    def __call__(self, context: Any) -> DiagonalNormal:
        return DiagonalNormal(self.weight @ context[0], self.log_scale)


class FullEncoder(AbstractConditional):
    """`y -> N(A y, S)`."""

    weight: Any
    covariance: Any

    def __call__(self, context: Any) -> MultivariateNormal:
        return MultivariateNormal.from_covariance(self.weight @ context[0], self.covariance)


def gaussian(latents: int, columns: int, *, bent: float, scale: float = 0.6) -> LatentModel:
    """A normal latent and a decoder with a bend."""
    rng = np.random.default_rng(latents)
    weight, bend = rng.normal(size=(2, columns, latents))
    prior = DiagonalNormal(jnp.zeros(latents), jnp.zeros(latents))
    likelihood = Decoder(jnp.asarray(weight, float), jnp.asarray(bent * bend, float), jnp.asarray(scale, float))
    return LatentModel(Constant(prior), likelihood)


def linear_posterior(model: LatentModel) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and covariance of the exact posterior of the model without its bend."""
    weight, scale = np.asarray(model.likelihood.weight, float), float(model.likelihood.scale)
    covariance = np.linalg.inv(np.eye(weight.shape[1]) + weight.T @ weight / scale**2)
    return covariance @ weight.T / scale**2, covariance


def encoder(model: LatentModel, *, widen: float = 1.2) -> Encoder:
    """q of the linear model, without its correlations, wider."""
    matrix, covariance = linear_posterior(model)
    log_scale = 0.5 * np.log(np.diag(covariance)) + np.log(widen)
    return Encoder(jnp.asarray(matrix, float), jnp.asarray(log_scale, float))


def rows_of(model: LatentModel, n: int, seed: int = 0) -> Batch:
    """Rows drawn from the model."""
    _, y = jax.vmap(model.sample)(jax.random.split(jax.random.key(seed), n))
    return Batch(np.asarray(y), None, None, None, None)


class Codes(AbstractConditional):
    """`z -> ` bits that depend on all digits of a code."""

    weight: Any

    def __call__(self, context: Any) -> Bernoulli:
        return Bernoulli(jnp.tensordot(self.weight, context[0], 2))


class CodeEncoder(AbstractConditional):
    """`y -> ` a code of independent digits."""

    weight: Any

    def __call__(self, context: Any) -> Categoricals:
        return Categoricals(jnp.tensordot(self.weight, 2 * context[0] - 1, ((2,), (0,))))


def codes(digits: int = 2, states: int = 3, columns: int = 5) -> tuple[LatentModel, CodeEncoder]:
    """A code of several digits, whose states can be listed, and an encoder that is far from exact."""
    rng = np.random.default_rng(0)
    prior = Categoricals(jnp.asarray(0.5 * rng.normal(size=(digits, states)), float))
    likelihood = Codes(jnp.asarray(1.5 * rng.normal(size=(columns, digits, states)), float))
    return LatentModel(Constant(prior), likelihood), CodeEncoder(
        jnp.asarray(0.5 * rng.normal(size=(digits, states, columns)), float)
    )
