"""Structured prediction: the latent is drawn from the prior itself, as it will be when y is not known."""

from __future__ import annotations

from typing import Any

import jax

from tacit._typing import Key, Scalar
from tacit.data.batch import Batch
from tacit.gradients import Memory
from tacit.inference.joint import Joint
from tacit.inference.procedure import State
from tacit.models import AbstractConditional, LatentModel


class FromPrior(Joint):
    """Gradient ascent on the objective with `q(z | y, x) = p(z | x)`; there is no posterior to train.

    With the ELBO that is `E_p(z|x)[log p(y | z, x)]`, with the IWAE objective `E log 1/S sum_s p(y | z_s, x)`
    (Raiko et al. 2015): the draws judge the model as a prediction for an unknown y is made.
    """

    def samples(self, posterior: AbstractConditional | None) -> bool:
        return True

    def total(
        self, key: Key, model: LatentModel, posterior: AbstractConditional | None, batch: Batch, memory: Memory
    ) -> tuple[Scalar, Any]:
        return self.bound(key, model, lambda _, y, x, observed: model.prior(model.context(x)), batch, memory)

    def infer(self, key: Key, state: State, batch: Batch) -> Any:
        return jax.vmap(lambda x: state.model.prior(state.model.context(x)))(batch.x)
