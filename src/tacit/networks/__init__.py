"""Networks: from covariates or events to parameters."""

from tacit.networks.activations import ACTIVATIONS, activation
from tacit.networks.dense import Dense
from tacit.networks.fixed import Fixed, partition
from tacit.networks.made import MADE
from tacit.networks.mlp import MLP, Linear
from tacit.networks.patches import PatchDecoder, PatchEncoder

__all__ = [
    "ACTIVATIONS",
    "MADE",
    "MLP",
    "Dense",
    "Fixed",
    "Linear",
    "PatchDecoder",
    "PatchEncoder",
    "activation",
    "partition",
]
