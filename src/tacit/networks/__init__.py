"""Networks: from covariates or events to parameters."""

from tacit.networks.activations import ACTIVATIONS, activation
from tacit.networks.dense import Dense
from tacit.networks.fixed import Fixed, partition
from tacit.networks.mlp import MLP, Linear

__all__ = ["ACTIVATIONS", "MLP", "Dense", "Fixed", "Linear", "activation", "partition"]
