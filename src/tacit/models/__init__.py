"""Latent-variable models: a prior, a likelihood, and what can be built from them."""

from tacit.models.autoregressive import Autoregressive, Observed, without_latent
from tacit.models.autoregressive_table import AutoregressiveDecoder, AutoregressiveTable
from tacit.models.columns import ColumnFamily, FullNormalColumns, NormalColumns, SigmoidColumns
from tacit.models.components import (
    BernoulliFamily,
    CategoricalFamily,
    Components,
    DiagonalFamily,
    FullFamily,
    PoissonFamily,
)
from tacit.models.deep import ColumnInputs, Decoder, Recognition
from tacit.models.experts import Encoder, Expert, Gate, MixtureOfExperts
from tacit.models.finite_mixture import FiniteMixture
from tacit.models.latent import AbstractConditional, Constant, LatentModel, Selected
from tacit.models.latents import (
    AbstractLatent,
    BernoulliLatent,
    CategoricalLatent,
    CategoricalsLatent,
    FullNormalLatent,
    MixturePrior,
    NormalLatent,
    Prior,
)
from tacit.models.layers import Layer, LayeredPosterior, LayeredPrior, OfBottom
from tacit.models.pixels import ImageReader, ImageWriter, Shift
from tacit.models.relaxed import ConcreteGate, MixtureRelaxation, MomentsRelaxation, NetworkRelaxation

__all__ = [
    "AbstractConditional",
    "AbstractLatent",
    "Autoregressive",
    "AutoregressiveDecoder",
    "AutoregressiveTable",
    "BernoulliFamily",
    "BernoulliLatent",
    "CategoricalFamily",
    "CategoricalLatent",
    "CategoricalsLatent",
    "ColumnFamily",
    "ColumnInputs",
    "Components",
    "ConcreteGate",
    "Constant",
    "Decoder",
    "DiagonalFamily",
    "Encoder",
    "Expert",
    "FiniteMixture",
    "FullFamily",
    "FullNormalColumns",
    "FullNormalLatent",
    "Gate",
    "ImageReader",
    "ImageWriter",
    "LatentModel",
    "Layer",
    "LayeredPosterior",
    "LayeredPrior",
    "MixtureOfExperts",
    "MixturePrior",
    "MixtureRelaxation",
    "MomentsRelaxation",
    "NetworkRelaxation",
    "NormalColumns",
    "NormalLatent",
    "Observed",
    "OfBottom",
    "PoissonFamily",
    "Prior",
    "Recognition",
    "Selected",
    "Shift",
    "SigmoidColumns",
    "without_latent",
]
