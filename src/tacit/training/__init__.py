"""Training: the one compiled loop, for one model or a population of them."""

from tacit.training.checkpoint import Checkpoint, Checkpoints
from tacit.training.fitted import Fitted
from tacit.training.metrics import gradient_variance
from tacit.training.population import Population, stack
from tacit.training.train import Epoch, train

__all__ = ["Checkpoint", "Checkpoints", "Epoch", "Fitted", "Population", "gradient_variance", "stack", "train"]
