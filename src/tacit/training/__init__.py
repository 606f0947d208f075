"""Training: the one compiled loop, for one model or a population of them."""

from tacit.training.population import Population, stack
from tacit.training.train import Epoch, Fitted, train

__all__ = ["Epoch", "Fitted", "Population", "stack", "train"]
