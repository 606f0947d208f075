"""Distributions of one event: sample and log_prob. Batches come from `jax.vmap`."""

from tacit.distributions._base import (
    AbstractDistribution,
    AbstractEnumerable,
    AbstractExponentialFamily,
)
from tacit.distributions.bernoulli import Bernoulli
from tacit.distributions.categorical import Categorical, CategoricalColumn
from tacit.distributions.multivariate_normal import MultivariateNormal, TiedMultivariateNormal
from tacit.distributions.normal import DiagonalNormal, SphericalNormal
from tacit.distributions.poisson import Poisson
from tacit.distributions.product import Product

__all__ = [
    "AbstractDistribution",
    "AbstractEnumerable",
    "AbstractExponentialFamily",
    "Bernoulli",
    "Categorical",
    "CategoricalColumn",
    "DiagonalNormal",
    "MultivariateNormal",
    "Poisson",
    "Product",
    "SphericalNormal",
    "TiedMultivariateNormal",
]
