"""What a deep latent-variable model of a table is to be, and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._device import compiled, placed
from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.schema import Schema
from tacit.distributions import AbstractDistribution
from tacit.gradients import AbstractGradient
from tacit.gradients.names import in_names
from tacit.inference.joint import Joint
from tacit.inference.optimizers import AbstractOptimizer, Descent, as_optimizer
from tacit.inference.warm_up import WarmUp
from tacit.models import (
    AbstractConditional,
    AbstractLatent,
    Autoregressive,
    AutoregressiveDecoder,
    BernoulliLatent,
    CategoricalsLatent,
    ColumnFamily,
    ColumnInputs,
    FullNormalLatent,
    LatentModel,
    MixturePrior,
    NormalLatent,
    Prior,
    Recognition,
)
from tacit.networks import MADE
from tacit.objectives import AbstractObjective
from tacit.training import Checkpoints
from tacit.workflow.autoregressive_start import density_of
from tacit.workflow.latent_columns import Scale, column_family, column_inputs, marginal_numbers
from tacit.workflow.latent_networks import Network, check_network, dense, of_patches, takes_patches

PriorKind = Literal["uniform", "learned", "autoregressive", "normal", "mixture"]
"""Of discrete latents the first three, of normal ones the last two (and "uniform", which is the standard normal)."""

DecoderKind = Literal["independent", "autoregressive"]
"""Columns given z: independent of one another, or each given those before it too."""

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
        steps = self.epochs(n) * math.ceil(n / self.batch(n))

        def named(optimizer: Any) -> Any:
            if not isinstance(optimizer, str):
                return optimizer
            return Descent(self.learning_rate, self.weight_decay, float(steps), rule=optimizer)

        pair = type(self.optimizer) is tuple  # an object of Optax is a named one
        return as_optimizer(tuple(map(named, self.optimizer)) if pair else named(self.optimizer))


def _check_gradient(gradient: AbstractGradient, q: AbstractDistribution, num_samples: int) -> None:
    """Raise `UsageError`, in the words of the settings, where an estimator does not apply to this kind of q."""
    try:
        gradient.check(q, num_samples)
    except UsageError as error:
        what, mend = (in_names(text or "").replace("num_samples", "n_mc_samples") for text in (error.what, error.mend))
        raise UsageError(what, where=f"gradient {in_names(type(gradient).__name__)}", mend=mend) from None


@dataclass(frozen=True)
class LatentPlan:
    """The latent, the columns given it, the bound that is maximised and how its gradient is estimated."""

    latent: AbstractLatent
    name: str  # of the kind of model, such as "discrete-vae"
    objective: AbstractObjective
    gradient: AbstractGradient
    num_samples: int = 1
    prior: PriorKind = "uniform"  # of continuous latents the standard normal
    prior_components: int = 10  # of a mixture
    scale: Scale = "shared"
    scale_floor: float = 0.003  # least s.d. of a real column given the latent, in its scale
    training: Training = Training()
    residual_scale: bool = False  # shared scales end at the residual variances, their closed-form best
    warm_up: float = 0.0  # share of the steps over which the weight of the KL divergence rises to its value
    decoder: DecoderKind = "independent"
    network: Network = "auto"
    image: tuple[int, int] | None = None  # height and width of a row
    kept: Checkpoints | None = None  # where a long training is kept, to go on from

    @property
    def founding(self) -> bool:
        """Whether the decoder is that of the founding note: sigmoids of linear maps, in the units of the columns."""
        return self.scale == "sigmoid"

    def likelihood(self, asked: str) -> str:
        """The name of the likelihood: normal where the founding decoder is asked for, unless another was."""
        return "gaussian" if self.founding and asked == "auto" else asked

    def units(self, schema: Schema) -> Schema:
        """The schema with columns in the units of the decoder; raises `UsageError` where one cannot be."""
        if not self.founding:
            return schema
        other = next((column for column in schema.modelled if column.kind != "real"), None)
        if other is not None:
            what = f"the founding decoder gives numbers, and {other.name!r} is {other.kind}."
            raise UsageError(what, where="preset", mend="Use likelihood='gaussian', or leave that column out.")
        own = (replace(one, center=0.0, scale=1.0) if one.modelled else one for one in schema.columns)
        return Schema(tuple(own))

    def procedure(self, n: int) -> Any:
        """What improves model and posterior on n rows; for `train`."""
        if not self.warm_up:
            return Joint
        steps = self.training.epochs(n) * math.ceil(n / self.training.batch(n))
        return partial(WarmUp, steps=float(max(self.warm_up * steps, 1.0)))

    def __post_init__(self) -> None:
        for name, kinds in (
            ("scale", get_args(Scale)),
            ("prior", get_args(PriorKind)),
            ("decoder", get_args(DecoderKind)),
        ):
            if getattr(self, name) not in kinds:
                mend = f"Use one of {', '.join(kinds)}."
                raise UsageError(f"{getattr(self, name)!r} is no {name}.", where=name, mend=mend)
        _check_gradient(self.gradient, self.latent(np.zeros(self.latent.width)), self.num_samples)
        self.gradient.check_objective(self.objective)
        check_network(self.network, self.image)
        if self.network == "patches" and self.founding:
            raise UsageError("the founding decoder is linear in z.", where="network", mend="Use network='dense'.")
        if self.scale == "full" and not isinstance(self.latent, NormalLatent | FullNormalLatent):
            what = "columns that vary together given z are those of continuous latents."
            raise UsageError(what, where="scale", mend="Use VAE, or scale='shared' and more latents.")
        if self.scale == "full" and self.network == "patches":
            what = "a network of patches gives each pixel numbers of its own, and no covariance."
            raise UsageError(what, where="network", mend="Use network='dense', or scale='shared'.")
        if self.decoder == "autoregressive" and self.network == "patches":
            what = "columns one after the other are read by a masked dense network."
            raise UsageError(what, where="decoder", mend="Use network='auto' or 'dense'.")
        if self.decoder == "autoregressive" and self.scale != "shared":
            what = "real columns one after the other are mixtures whose scales the network gives."
            raise UsageError(what, where="scale", mend="Leave scale out, or use decoder='independent'.")
        if self.prior == "mixture" and self.objective.closed_kl:
            mend = "Use kl='sampled' or 'auto', without free bits."
            raise UsageError("a mixture of normals has no closed KL divergence.", where="prior", mend=mend)
        if self.prior == "autoregressive":
            if not isinstance(self.latent, BernoulliLatent | CategoricalsLatent) or self.latent.d < 2:
                mend = "Use more latents, or prior='learned'."
                raise UsageError("one latent has none before it.", where="prior", mend=mend)
            if self.objective.closed_kl:
                mend = "Use kl='sampled', without free bits."
                raise UsageError("an autoregressive prior has no closed KL divergence.", where="prior", mend=mend)

    def build(
        self, key: Key, schema: Schema, y: np.ndarray, weight: np.ndarray, n_covariates: int = 0
    ) -> tuple[LatentModel, Recognition]:
        """Model and posterior before training, for encoded rows y (n, d) with NaN where a cell is missing.

        Without hidden units the decoder says of every column what the rows say of it alone.
        """
        family = column_family(schema, y, weight, self.scale, self.scale_floor)
        bias = placed(marginal_numbers(schema, family, y, weight), jnp.float32)
        inputs = column_inputs(schema, y, weight)
        patched = takes_patches(self.network, self.image, family, schema)
        patched &= self.scale not in ("sigmoid", "full")
        build = compiled(self._networks)
        model, posterior = build(key, family, inputs, bias, n_covariates, patched)
        if self.decoder == "autoregressive":
            settings: dict[str, Any] = {"widths": self.training.hidden_layer_sizes}
            settings |= {"activation": self.training.activation, "n_context": self.latent.size + n_covariates}
            settings["least"] = self.scale_floor
            columns = density_of(jax.random.fold_in(key, 5), schema, y, weight, **settings)
            model = replace(model, likelihood=AutoregressiveDecoder(self.latent, columns))
        return model, posterior

    def _networks(
        self,
        key: Key,
        family: ColumnFamily,
        inputs: ColumnInputs,
        bias: Float[Array, " w"],
        n_covariates: int,
        patched: bool,
    ) -> tuple[LatentModel, Recognition]:
        parts: Any = (self.latent, family, inputs, bias, n_covariates)
        widths, activation = self.training.hidden_layer_sizes, self.training.activation
        if self.image is not None and patched:
            blocks = 1 if self.training.steps < Training().steps else 2  # a preset of few steps
            made = of_patches(key, *parts, image=self.image, blocks=blocks, activation=activation)
        else:
            own = () if self.founding else widths
            made = dense(key, *parts, decoder_widths=own, widths=widths, activation=activation)
        return LatentModel(self._prior(jax.random.fold_in(key, 4)), made[0]), made[1]

    def _prior(self, key: Key) -> AbstractConditional:
        if self.prior == "mixture":
            return MixturePrior.start(key, self.latent, self.prior_components)
        if self.prior != "autoregressive":
            return Prior.standard(self.latent, learned=self.prior == "learned")
        latent: Any = self.latent
        width = max(PRIOR_WIDTH, latent.size)
        return Autoregressive(MADE.init(key, latent.d, latent.size // latent.d, (width,)))
