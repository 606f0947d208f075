"""The joint procedure: model and posterior follow the gradient of one objective at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.gradients import AbstractGradient, Memory
from tacit.inference.bound import bound_of_row, weighted
from tacit.inference.noise import Noise
from tacit.inference.optimizers import AbstractOptimizer
from tacit.inference.procedure import AbstractProcedure, State, Summary, evidence
from tacit.models import AbstractConditional, LatentModel
from tacit.models.enumeration import log_marginal
from tacit.networks import partition
from tacit.objectives import AbstractObjective


class Joint(AbstractProcedure):
    """Gradient ascent on the objective in the parameters of the model, of q and of the estimator together.

    Without a posterior, q is exact: the states of z are listed, and the bound is `log p(y | x)` itself. The optimiser
    sees the triple (model, posterior, the estimator's own arrays): `Separate` gives each its own.
    """

    objective: AbstractObjective
    gradient: AbstractGradient
    optimizer: AbstractOptimizer
    noise: Noise | None = None
    num_samples: int = eqx.field(static=True, default=1)

    def init(self, key: Key, model: LatentModel, posterior: AbstractConditional | None, sample: Batch) -> State:
        memory = self.gradient.init(key, (sample.y, sample.x)) if self.samples(posterior) else Memory()
        trained, _ = partition((model, posterior, memory.trained))
        zero = jnp.zeros((), jnp.int32)
        return State(model, posterior, self.optimizer.init(trained), memory, zero, zero)

    def summarise(self, key: Key, state: State, batch: Batch) -> Summary:
        """The gradient of the summed objective over a batch."""
        trained, rest = partition((state.model, state.posterior, state.memory.trained))
        if self.noise is not None:
            key, key_noise = jax.random.split(key)
            batch = self.noise.added(key_noise, batch)

        def objective(arrays: PyTree) -> tuple[Scalar, tuple[Scalar, Any]]:
            model, posterior, own = eqx.combine(arrays, rest)
            bound, running = self.total(key, model, posterior, batch, Memory(own, state.memory.running))
            return bound, (bound, running)

        gradient, (bound, running) = jax.grad(objective, has_aux=True)(trained)
        return Summary(bound, jnp.sum(batch.weight), gradient, running)

    def update(self, state: State, summary: Summary) -> State:
        """One step along the mean gradient; a step that is not finite is counted and not taken."""
        trained, rest = partition((state.model, state.posterior, state.memory.trained))
        scale = -1 / jnp.maximum(summary.weight, 1e-12)
        descent = jax.tree.map(lambda g: scale * g, summary.gradient)
        finite = jnp.isfinite(optax.tree.norm(descent)) & jnp.isfinite(summary.bound)
        stayed = (trained, state.optimizer, state.memory.running)

        def moved() -> PyTree:
            updates, moments = self.optimizer.update(descent, state.optimizer, trained)
            return optax.apply_updates(trained, updates), moments, summary.running

        taken = finite & (summary.weight > 0)
        trained, moments, running = jax.lax.cond(taken, moved, lambda: stayed)
        model, posterior, own = eqx.combine(trained, rest)
        return State(model, posterior, moments, Memory(own, running), state.skipped + ~finite, state.step + 1)

    def evaluate(self, key: Key, state: State, batch: Batch) -> tuple[Scalar, Scalar]:
        bound, _ = self.total(key, state.model, state.posterior, batch, state.memory)
        return bound, jnp.sum(batch.weight)

    def total(
        self, key: Key, model: LatentModel, posterior: AbstractConditional | None, batch: Batch, memory: Memory
    ) -> tuple[Scalar, Any]:
        """The weighted sum of the objective over the rows, and what replaces the estimator's running figures."""
        if not self.samples(posterior):
            rows = jax.vmap(lambda y, x, o: log_marginal(model, y, x, o))(batch.y, batch.x, batch.mask)
            return weighted(rows, batch.weight), None
        encoder: Any = posterior
        return self.bound(key, model, lambda _, *row: encoder(evidence(*row)), batch, memory)

    def samples(self, posterior: AbstractConditional | None) -> bool:
        """Whether z is drawn, so that the gradient estimator has work to do."""
        return posterior is not None

    def bound(
        self, key: Key, model: LatentModel, q_of_row: Callable[..., Any], batch: Batch, memory: Memory, own: Any = None
    ) -> tuple[Scalar, Any]:
        """The same with `q_of_row(own of the row, y, x, observed)` as the posterior of a row."""

        def row(key: Key, own: Any, y: Array, x: Any, observed: Any) -> tuple[Scalar, Float[Array, " j"], Any]:
            q = q_of_row(own, y, x, observed)
            sampling = (self.objective, self.gradient, self.num_samples)
            return bound_of_row(key, model, q, *sampling, y, x, observed, memory)

        keys = jax.random.split(key, batch.y.shape[0])
        values, kls, running = jax.vmap(row)(keys, own, batch.y, batch.x, batch.mask)
        total, weight = weighted(values, batch.weight), jnp.sum(batch.weight)
        if self.objective.closed_kl:
            mean = jnp.where(batch.weight[:, None] > 0, batch.weight[:, None] * kls, 0.0).sum(0)
            total = total - weight * self.objective.penalty(mean / jnp.maximum(weight, 1e-12))
        present = batch.weight > 0
        return total, jax.tree.map(lambda a: _mean(a, present), running)


def _mean(values: Float[Array, "n ..."], present: Array) -> Array:
    """The mean over rows that are not padding."""
    kept = jnp.where(present.reshape(-1, *[1] * (values.ndim - 1)), values, 0.0)
    return jnp.sum(kept, axis=0) / jnp.maximum(jnp.sum(present), 1)
