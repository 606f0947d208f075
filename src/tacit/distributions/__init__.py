"""Distributions of one event: sample and log_prob. Batches come from `jax.vmap`."""

from tacit.distributions._base import (
    AbstractDistribution,
    AbstractEnumerable,
    AbstractExponentialFamily,
    AbstractReparameterised,
)
from tacit.distributions.autoregressive import AutoregressiveBernoulli, AutoregressiveCategoricals
from tacit.distributions.bernoulli import Bernoulli
from tacit.distributions.categorical import Categorical, CategoricalColumns
from tacit.distributions.categoricals import Categoricals
from tacit.distributions.chain import Chain, DiscreteChain
from tacit.distributions.concrete import Concrete
from tacit.distributions.concrete_kl import concrete_kl
from tacit.distributions.concrete_mean import concrete_mean
from tacit.distributions.concretes import Concretes
from tacit.distributions.divergence import kl_divergence, kl_factors
from tacit.distributions.linear_normal import LinearNormal
from tacit.distributions.low_rank_normal import LowRankNormal
from tacit.distributions.mixed import Mixed
from tacit.distributions.multivariate_normal import (
    LoneMultivariateNormal,
    MultivariateNormal,
    TiedMultivariateNormal,
)
from tacit.distributions.normal import DiagonalNormal, SphericalNormal
from tacit.distributions.poisson import Poisson
from tacit.distributions.product import Product

__all__ = [
    "AbstractDistribution",
    "AbstractEnumerable",
    "AbstractExponentialFamily",
    "AbstractReparameterised",
    "AutoregressiveBernoulli",
    "AutoregressiveCategoricals",
    "Bernoulli",
    "Categorical",
    "CategoricalColumns",
    "Categoricals",
    "Chain",
    "Concrete",
    "Concretes",
    "DiagonalNormal",
    "DiscreteChain",
    "LinearNormal",
    "LoneMultivariateNormal",
    "LowRankNormal",
    "Mixed",
    "MultivariateNormal",
    "Poisson",
    "Product",
    "SphericalNormal",
    "TiedMultivariateNormal",
    "concrete_kl",
    "concrete_mean",
    "kl_divergence",
    "kl_factors",
]
