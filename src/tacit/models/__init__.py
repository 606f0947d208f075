"""Latent-variable models: a prior, a likelihood, and what can be built from them."""

from tacit.models.finite_mixture import FiniteMixture
from tacit.models.latent import AbstractConditional, Constant, LatentModel, Selected

__all__ = ["AbstractConditional", "Constant", "FiniteMixture", "LatentModel", "Selected"]
