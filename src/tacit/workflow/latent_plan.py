"""What a deep latent-variable model of a table is to be, and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.schema import Schema
from tacit.gradients import AbstractGradient
from tacit.inference.optimizers import AbstractOptimizer, Descent, as_optimizer
from tacit.models import AbstractLatent, ColumnFamily, ColumnInputs, Decoder, LatentModel, Prior, Recognition
from tacit.networks import Dense, Linear
from tacit.objectives import AbstractObjective
from tacit.workflow.latent_columns import Scale, column_family, column_inputs, marginal_numbers

MANY_ROWS = 5000  # rows from which on batches are larger


@dataclass(frozen=True)
class Training:
    """How networks are trained; shared by all deep models. None of `max_epochs` stands for about `steps` steps."""

    hidden_layer_sizes: tuple[int, ...] = (128, 128)
    activation: str = "leaky_relu"
    learning_rate: float = 2e-3
    optimizer: Any = "adam"
    weight_decay: float = 0.01
    batch_size: int | None = None  # None: 64, or 128 for many rows
    max_epochs: int | None = None
    steps: int = 8000
    patience: int | None = None  # epochs without a better one
    validation_fraction: float = 0.1

    def batch(self, n: int) -> int:
        """Rows a step of n; raises `UsageError` where fewer rows are there than were asked for."""
        if self.batch_size is not None and self.batch_size > n:
            mend = f"Use batch_size={max(n // 4, 1)}, or leave it out."
            raise UsageError(f"a batch of {self.batch_size} is more than the {n} rows.", where="batch_size", mend=mend)
        return self.batch_size or min(64 if n < MANY_ROWS else 128, n)

    def epochs(self, n: int) -> int:
        """Passes over n rows."""
        return self.max_epochs or max(math.ceil(self.steps / math.ceil(n / self.batch(n))), 10)

    def descent(self, n: int) -> AbstractOptimizer:
        """The optimiser of a training on n rows: its rate falls along half a cosine to the last step."""
        if not isinstance(self.optimizer, str):
            return as_optimizer(self.optimizer)
        steps = self.epochs(n) * math.ceil(n / self.batch(n))
        return Descent(self.learning_rate, self.weight_decay, float(steps), rule=self.optimizer)


@dataclass(frozen=True)
class LatentPlan:
    """The latent, the columns given it, the bound that is maximised and how its gradient is estimated."""

    latent: AbstractLatent
    name: str  # of the kind of model, such as "discrete-vae"
    objective: AbstractObjective
    gradient: AbstractGradient
    num_samples: int = 1
    learned_prior: bool = False
    scale: Scale = "shared"
    scale_floor: float = 0.003  # least s.d. of a real column given the latent, in its scale
    training: Training = Training()

    def __post_init__(self) -> None:
        if self.scale not in get_args(Scale):
            known = ", ".join(get_args(Scale))
            raise UsageError(f"{self.scale!r} is no scale.", where="scale", mend=f"Use one of {known}.")

    def build(self, key: Key, schema: Schema, y: np.ndarray, weight: np.ndarray) -> tuple[LatentModel, Recognition]:
        """Model and posterior before training, for encoded rows y (n, d) with NaN where a cell is missing.

        Without hidden units the decoder says of every column what the rows say of it alone.
        """
        family = column_family(schema, y, weight, self.scale, self.scale_floor)
        bias = jnp.asarray(marginal_numbers(schema, family, y, weight), jnp.float32)
        inputs = column_inputs(schema, y, weight)
        weights: tuple[LatentModel, Recognition] = eqx.filter_jit(self._networks)(key, family, inputs, bias)
        return weights

    def _networks(
        self, key: Key, family: ColumnFamily, inputs: ColumnInputs, bias: Float[Array, " w"]
    ) -> tuple[LatentModel, Recognition]:
        keys = jax.random.split(key, 4)
        widths, activation = self.training.hidden_layer_sizes, self.training.activation
        features = Dense.init(keys[0], self.latent.size, widths, activation=activation)
        head = Linear.init(keys[1], features.width(self.latent.size), family.width)
        decoder = Decoder(self.latent, features, Linear(head.weight, bias), family)
        read = Dense.init(keys[2], inputs.size, widths, activation=activation)
        last = Linear.init(keys[3], read.width(inputs.size), self.latent.width)
        prior = Prior.standard(self.latent, learned=self.learned_prior)
        return LatentModel(prior, decoder), Recognition(inputs, read, last, self.latent)
