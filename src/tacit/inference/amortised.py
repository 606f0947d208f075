"""The amortised procedure: an encoder learns with the model held, then the model takes a step with the encoder held."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.batch import Batch
from tacit.gradients import Memory
from tacit.inference.joint import Joint
from tacit.inference.optimizers import AbstractOptimizer, Separate
from tacit.inference.procedure import State, Summary
from tacit.models import AbstractConditional, LatentModel
from tacit.networks import partition


class Amortised(Joint):
    """An approximate E-step of `phi_steps` steps of the posterior, then an M-step of one step of the model, and so on.

    Every batch is one step of the part whose turn it is; the other part and its moments stay as they are. The
    estimator's own arrays learn with the posterior. An optimiser that is not `Separate` is used for each part alone.
    """

    phi_steps: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        if self.phi_steps < 1:
            raise UsageError(f"phi_steps={self.phi_steps}.", where="Amortised", mend="Use 1 or more.")

    def init(self, key: Key, model: LatentModel, posterior: AbstractConditional | None, sample: Batch) -> State:
        if posterior is None:
            mend = "Give a posterior, or use Joint."
            raise UsageError("without a posterior q is exact already.", where="Amortised", mend=mend)
        state = super().init(key, model, posterior, sample)
        trained, _ = partition((model, posterior, state.memory.trained))
        return state._replace(optimizer=separate(self.optimizer).init(trained))

    def update(self, state: State, summary: Summary) -> State:
        """One step of the part whose turn it is; one that is not finite is counted and not taken."""
        trained, rest = partition((state.model, state.posterior, state.memory.trained))
        scale = -1 / jnp.maximum(summary.weight, 1e-12)
        descent = jax.tree.map(lambda g: scale * g, summary.gradient)
        finite = jnp.isfinite(optax.tree.norm(descent)) & jnp.isfinite(summary.bound)
        updates, moments = separate(self.optimizer).update(descent, state.optimizer, trained)
        taken = finite & (summary.weight > 0)
        turn = state.step % (self.phi_steps + 1) < self.phi_steps  # of the posterior
        moves = (taken & ~turn, taken & turn, taken & turn)
        trained = tuple(map(_where, moves, optax.apply_updates(trained, updates), trained))
        moments = tuple(map(_where, moves, moments, state.optimizer))
        running = _where(taken, summary.running, state.memory.running)
        model, posterior, own = eqx.combine(trained, rest)
        return State(model, posterior, moments, Memory(own, running), state.skipped + ~finite, state.step + 1)


def separate(optimizer: AbstractOptimizer) -> Separate:
    """An optimiser for each part: the one given for all of them, unless it is one for each already."""
    return optimizer if isinstance(optimizer, Separate) else Separate(optimizer, optimizer, optimizer)


def _where(condition: Bool[Array, ""], new: object, old: object) -> object:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
