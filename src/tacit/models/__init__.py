"""Latent-variable models: a prior, a likelihood, and what can be built from them."""

from tacit.models.components import (
    BernoulliFamily,
    CategoricalFamily,
    Components,
    DiagonalFamily,
    FullFamily,
    PoissonFamily,
)
from tacit.models.experts import Encoder, Expert, Gate, MixtureOfExperts
from tacit.models.finite_mixture import FiniteMixture
from tacit.models.latent import AbstractConditional, Constant, LatentModel, Selected

__all__ = [
    "AbstractConditional",
    "BernoulliFamily",
    "CategoricalFamily",
    "Components",
    "Constant",
    "DiagonalFamily",
    "Encoder",
    "Expert",
    "FiniteMixture",
    "FullFamily",
    "Gate",
    "LatentModel",
    "MixtureOfExperts",
    "PoissonFamily",
    "Selected",
]
