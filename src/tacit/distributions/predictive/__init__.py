"""Predictions: the exact distribution of one column given others, for n rows at once, in the user's units."""

from tacit.distributions.predictive._base import AbstractNumericPrediction, AbstractPrediction
from tacit.distributions.predictive.categorical import CategoricalPrediction
from tacit.distributions.predictive.log_normal_mixture import LogNormalMixturePrediction
from tacit.distributions.predictive.normal_mixture import NormalMixturePrediction
from tacit.distributions.predictive.poisson_mixture import PoissonMixturePrediction
from tacit.distributions.predictive.zero_inflated import ZeroInflatedPrediction

__all__ = [
    "AbstractNumericPrediction",
    "AbstractPrediction",
    "CategoricalPrediction",
    "LogNormalMixturePrediction",
    "NormalMixturePrediction",
    "PoissonMixturePrediction",
    "ZeroInflatedPrediction",
]
