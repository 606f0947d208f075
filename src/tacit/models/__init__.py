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
from tacit.models.relaxed import ConcreteGate, MixtureRelaxation, MomentsRelaxation, NetworkRelaxation

__all__ = [
    "AbstractConditional",
    "BernoulliFamily",
    "CategoricalFamily",
    "Components",
    "ConcreteGate",
    "Constant",
    "DiagonalFamily",
    "Encoder",
    "Expert",
    "FiniteMixture",
    "FullFamily",
    "Gate",
    "LatentModel",
    "MixtureOfExperts",
    "MixtureRelaxation",
    "MomentsRelaxation",
    "NetworkRelaxation",
    "PoissonFamily",
    "Selected",
]
