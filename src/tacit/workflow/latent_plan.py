"""What a deep latent-variable model of a table is to be, and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.schema import Schema
from tacit.gradients import AbstractGradient
from tacit.inference.joint import Joint
from tacit.inference.optimizers import AbstractOptimizer, Descent, as_optimizer
from tacit.inference.warm_up import WarmUp
from tacit.models import (
    AbstractConditional,
    AbstractLatent,
    Autoregressive,
    BernoulliLatent,
    CategoricalsLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    LatentModel,
    Prior,
    Recognition,
)
from tacit.networks import MADE, Dense, Linear
from tacit.objectives import AbstractObjective
from tacit.workflow.latent_columns import Scale, column_family, column_inputs, marginal_numbers

PriorKind = Literal["uniform", "learned", "autoregressive"]

PRIOR_WIDTH = 64  # least number of hidden units of an autoregressive prior
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
    prior: PriorKind = "uniform"  # of continuous latents the standard normal
    scale: Scale = "shared"
    scale_floor: float = 0.003  # least s.d. of a real column given the latent, in its scale
    training: Training = Training()
    residual_scale: bool = False  # shared scales end at the residual variances, their closed-form best
    warm_up: float = 0.0  # share of the steps over which the weight of the KL divergence rises to its value

    def procedure(self, n: int) -> Any:
        """What improves model and posterior on n rows; for `train`."""
        if not self.warm_up:
            return Joint
        steps = self.training.epochs(n) * math.ceil(n / self.training.batch(n))
        return partial(WarmUp, steps=float(max(self.warm_up * steps, 1.0)))

    def __post_init__(self) -> None:
        for name, kinds in (("scale", get_args(Scale)), ("prior", get_args(PriorKind))):
            if getattr(self, name) not in kinds:
                mend = f"Use one of {', '.join(kinds)}."
                raise UsageError(f"{getattr(self, name)!r} is no {name}.", where=name, mend=mend)
        if self.prior == "autoregressive":
            if not isinstance(self.latent, BernoulliLatent | CategoricalsLatent) or self.latent.d < 2:
                mend = "Use more latents, or prior='learned'."
                raise UsageError("one latent has none before it.", where="prior", mend=mend)
            if self.objective.closed_kl:
                mend = "Use kl='sampled', without free bits."
                raise UsageError("an autoregressive prior has no closed KL divergence.", where="prior", mend=mend)

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
        return LatentModel(self._prior(jax.random.fold_in(key, 4)), decoder), Recognition(
            inputs, read, last, self.latent
        )

    def _prior(self, key: Key) -> AbstractConditional:
        if self.prior != "autoregressive":
            return Prior.standard(self.latent, learned=self.prior == "learned")
        latent: Any = self.latent
        width = max(PRIOR_WIDTH, latent.size)
        return Autoregressive(MADE.init(key, latent.d, latent.size // latent.d, (width,)))
