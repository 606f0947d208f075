"""Training: the one compiled loop, for one model or a population of them."""

from tacit.training.checkpoint import Checkpoint
from tacit.training.fitted import Fitted
from tacit.training.population import Population, stack
from tacit.training.train import Epoch, train

__all__ = ["Checkpoint", "Epoch", "Fitted", "Population", "stack", "train"]
