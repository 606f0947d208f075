"""The joint procedure: model and posterior follow the gradient of one objective at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions import kl_divergence
from tacit.gradients import AbstractGradient
from tacit.inference.optimizers import AbstractOptimizer
from tacit.models import AbstractConditional, LatentModel
from tacit.models.enumeration import exact_posterior, log_marginal
from tacit.networks import partition
from tacit.objectives import AbstractObjective, Terms


class State(NamedTuple):
    """Where the procedure stands."""

    model: LatentModel
    posterior: AbstractConditional | None
    optimizer: Any  # moments of the trained arrays
    gradient: Any  # the state of the gradient estimator
    skipped: Int[Array, ""]  # steps that were not finite and not taken


class Summary(NamedTuple):
    """What a batch says: sums over its rows, so that batches, chunks and hosts add up."""

    bound: Scalar
    weight: Scalar
    gradient: PyTree
    estimator: Any  # the next state of the gradient estimator


class Noise(NamedTuple):
    """Standard deviations of the normal noise that training adds to covariates and to targets; None adds none."""

    x: float | Scalar | None = None
    y: float | Scalar | None = None

    def added(self, key: Key, batch: Batch) -> Batch:
        """The batch with noise of its own added."""
        key_x, key_y = jax.random.split(key)
        x, y = batch.x, batch.y
        if self.x is not None:
            x = x + self.x * jax.random.normal(key_x, x.shape, x.dtype)
        if self.y is not None:
            y = y + self.y * jax.random.normal(key_y, y.shape, y.dtype)
        return batch._replace(x=x, y=y)


class Joint(eqx.Module):
    """Gradient ascent on the objective in the parameters of the model and of q together.

    Without a posterior, q is exact: the states of z are listed, and the bound is `log p(y | x)` itself.
    """

    objective: AbstractObjective
    gradient: AbstractGradient
    optimizer: AbstractOptimizer
    noise: Noise | None = None
    num_samples: int = eqx.field(static=True, default=1)

    def init(self, key: Key, model: LatentModel, posterior: AbstractConditional | None, sample: Batch) -> State:
        """The state before the first step; `sample` is any batch of rows."""
        trained, _ = partition((model, posterior))
        estimator = None if posterior is None else self.gradient.init(key, (sample.y, sample.x))
        return State(model, posterior, self.optimizer.init(trained), estimator, jnp.zeros((), jnp.int32))

    def summarise(self, key: Key, state: State, batch: Batch) -> Summary:
        """The gradient of the summed objective over a batch."""
        trained, rest = partition((state.model, state.posterior))
        if self.noise is not None:
            key, key_noise = jax.random.split(key)
            batch = self.noise.added(key_noise, batch)

        def objective(arrays: PyTree) -> tuple[Scalar, tuple[Scalar, Any]]:
            model, q = eqx.combine(arrays, rest)
            bound, estimator = self._total(key, model, q, batch, state.gradient)
            return bound, (bound, estimator)

        gradient, (bound, estimator) = jax.grad(objective, has_aux=True)(trained)
        return Summary(bound, jnp.sum(batch.weight), gradient, estimator)

    def update(self, state: State, summary: Summary) -> State:
        """One step along the mean gradient; a step that is not finite is counted and not taken."""
        trained, rest = partition((state.model, state.posterior))
        scale = -1 / jnp.maximum(summary.weight, 1e-12)
        descent = jax.tree.map(lambda g: scale * g, summary.gradient)
        finite = jnp.isfinite(optax.tree.norm(descent)) & jnp.isfinite(summary.bound)
        updates, moments = self.optimizer.update(descent, state.optimizer, trained)
        moved = (optax.apply_updates(trained, updates), moments, summary.estimator)
        stayed = (trained, state.optimizer, state.gradient)
        taken = finite & (summary.weight > 0)
        trained, moments, estimator = jax.tree.map(lambda new, old: jnp.where(taken, new, old), moved, stayed)
        model, posterior = eqx.combine(trained, rest)
        return State(model, posterior, moments, estimator, state.skipped + ~finite)

    def evaluate(self, key: Key, state: State, batch: Batch) -> tuple[Scalar, Scalar]:
        """The summed objective over a batch without noise, and the summed weight."""
        bound, _ = self._total(key, state.model, state.posterior, batch, state.gradient)
        return bound, jnp.sum(batch.weight)

    def infer(self, state: State, batch: Batch) -> Any:
        """q for every row of a batch, stacked."""
        if state.posterior is None:
            return jax.vmap(lambda y, x: exact_posterior(state.model, y, x))(batch.y, batch.x)
        encoder = state.posterior
        return jax.vmap(lambda y, x: encoder((y, x)))(batch.y, batch.x)

    def _total(
        self, key: Key, model: LatentModel, posterior: AbstractConditional | None, batch: Batch, estimator: Any
    ) -> tuple[Scalar, Any]:
        """The weighted sum of the objective over the rows, and the next state of the gradient estimator."""
        if posterior is None:
            rows = jax.vmap(lambda y, x: log_marginal(model, y, x))(batch.y, batch.x)
            return _weighted(rows, batch.weight), None
        keys = jax.random.split(key, batch.y.shape[0])

        def row(key: Key, y: Array, x: Array) -> tuple[Scalar, Float[Array, " j"], Any]:
            return bound_of_row(key, model, posterior, self.objective, self.gradient, self.num_samples, y, x, estimator)

        values, kls, estimators = jax.vmap(row)(keys, batch.y, batch.x)
        total, weight = _weighted(values, batch.weight), jnp.sum(batch.weight)
        if self.objective.closed_kl:
            mean = jnp.where(batch.weight[:, None] > 0, batch.weight[:, None] * kls, 0.0).sum(0)
            total = total - weight * self.objective.penalty(mean / jnp.maximum(weight, 1e-12))
        return total, jax.tree.map(lambda a: a.mean(0), estimators)


def bound_of_row(
    key: Key,
    model: LatentModel,
    posterior: AbstractConditional,
    objective: AbstractObjective,
    gradient: AbstractGradient,
    num_samples: int,
    y: Array,
    x: Any,
    estimator: Any = None,
) -> tuple[Scalar, Float[Array, " j"], Any]:
    """The objective of one row without its closed-form penalty, the KL divergences of that, the estimator's state."""
    context = model.context(x)
    q, prior = posterior((y, x)), model.prior(context)

    def log_weight(q: Any, z: Array) -> Scalar:
        return objective.log_weight(Terms(model.likelihood((z, context)).log_prob(y), prior.log_prob(z), q.log_prob(z)))

    value, estimator = gradient(key, q, log_weight, objective.combine, num_samples, (y, x), estimator)
    kl = jnp.atleast_1d(kl_divergence(q, prior)) if objective.closed_kl else jnp.zeros(1, value.dtype)
    return value, kl, estimator


def _weighted(values: Float[Array, " n"], weight: Float[Array, " n"]) -> Scalar:
    """The weighted sum; padding may hold anything."""
    return jnp.sum(jnp.where(weight > 0, weight * values, 0.0))
