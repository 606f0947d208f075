"""The local procedure: variational parameters of every row's own, without an encoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Int, PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions import AbstractDistribution
from tacit.gradients import Memory
from tacit.inference.amortised import separate
from tacit.inference.joint import Joint
from tacit.inference.procedure import State, Summary, posteriors
from tacit.models import AbstractConditional, LatentModel
from tacit.models.local import PerRow
from tacit.networks import partition


class Visit(NamedTuple):
    """What a batch leaves behind: the gradient of the model and of the estimator's arrays, and the rows it improved."""

    gradient: PyTree
    index: Int[Array, " b"]
    qs: Any
    moments: PyTree


class Local(Joint):
    """Every batch improves its rows' own q by `phi_steps` steps with the model held, then the model takes a step.

    The posterior is a `PerRow`: parameters and optimiser moments are gathered by `Batch.index` and scattered back,
    padding dropped. The gradient of a row is that of its own bound, whatever its weight. For rows that were never
    seen, and for judging, q is improved by `infer_steps` steps from where it stands, and thrown away.
    """

    phi_steps: int = eqx.field(static=True, default=1)
    infer_steps: int = eqx.field(static=True, default=100)

    def __check_init__(self) -> None:
        if self.phi_steps < 1 or self.infer_steps < 0:
            what = f"phi_steps={self.phi_steps}, infer_steps={self.infer_steps}."
            raise UsageError(what, where="Local", mend="Use 1 or more, and 0 or more.")

    def init(self, key: Key, model: LatentModel, posterior: AbstractConditional | None, sample: Batch) -> State:
        if not isinstance(posterior, PerRow):
            mend = "Give PerRow.of(start, n_rows=n, sample=(y, x)) as the posterior."
            raise UsageError("the posterior is not a table of rows.", where="Local", mend=mend)
        memory = self.gradient.init(key, (sample.y, sample.x))
        by_part = separate(self.optimizer)
        trained, _ = partition((model, None, memory.trained))
        moments = (
            by_part.model.init(trained[0]),
            jax.vmap(by_part.posterior.init)(partition(posterior.table)[0]),
            by_part.estimator.init(trained[2]),
        )
        zero = jnp.zeros((), jnp.int32)
        return State(model, posterior, moments, memory, zero, zero)

    def summarise(self, key: Key, state: State, batch: Batch) -> Summary:
        """The rows' q after their steps, and there the gradient of the summed objective."""
        key, key_noise, key_rows = jax.random.split(key, 3)
        if self.noise is not None:
            batch = self.noise.added(key_noise, batch)
        rows: PerRow = state.posterior
        starts = posteriors(state.model, rows.start, batch)
        moments = jax.tree.map(lambda a: a.at[batch.index].get(mode="clip"), state.optimizer[1])
        qs = rows.gather(batch.index, starts)
        qs, moments = self.improved(key_rows, state, batch, qs, moments, self.phi_steps)
        trained, rest = partition((state.model, state.memory.trained))

        def objective(arrays: PyTree) -> tuple[Scalar, tuple[Scalar, Any]]:
            model, own = eqx.combine(arrays, rest)
            bound, running = self.bound(key, model, _own, batch, Memory(own, state.memory.running), qs)
            return bound, (bound, running)

        gradient, (bound, running) = jax.grad(objective, has_aux=True)(trained)
        return Summary(bound, jnp.sum(batch.weight), Visit(gradient, batch.index, qs, moments), running)

    def update(self, state: State, summary: Summary) -> State:
        """The improved rows put back, and one step of the model; one that is not finite is counted and not taken."""
        visit: Visit = summary.gradient
        trained, rest = partition((state.model, state.memory.trained))
        descent = jax.tree.map(lambda g: -g / jnp.maximum(summary.weight, 1e-12), visit.gradient)
        finite = jnp.isfinite(optax.tree.norm(descent)) & jnp.isfinite(summary.bound)
        by_part = separate(self.optimizer)
        of_model, of_rows, of_own = state.optimizer
        step, of_model = by_part.model.update(descent[0], of_model, trained[0])
        own_step, of_own = by_part.estimator.update(descent[1], of_own, trained[1])
        moved = (optax.apply_updates(trained, (step, own_step)), of_model, of_own, summary.running)
        stayed = (trained, state.optimizer[0], state.optimizer[2], state.memory.running)
        taken = finite & (summary.weight > 0)
        arrays, of_model, of_own, running = jax.tree.map(lambda a, b: jnp.where(taken, a, b), moved, stayed)
        model, own = eqx.combine(arrays, rest)
        posterior = state.posterior.scatter(visit.index, visit.qs)
        of_rows = jax.tree.map(lambda a, part: a.at[visit.index].set(part, mode="drop"), of_rows, visit.moments)
        moments = (of_model, of_rows, of_own)
        return State(model, posterior, moments, Memory(own, running), state.skipped + ~finite, state.step + 1)

    def evaluate(self, key: Key, state: State, batch: Batch) -> tuple[Scalar, Scalar]:
        bound, _ = self.bound(key, state.model, _own, batch, state.memory, self.infer(key, state, batch))
        return bound, jnp.sum(batch.weight)

    def infer(self, key: Key, state: State, batch: Batch) -> Any:
        """q of every row, improved from its place in the table, or from its start where it is not in it."""
        rows: PerRow = state.posterior
        qs = rows.gather(batch.index, posteriors(state.model, rows.start, batch))
        moments = jax.vmap(separate(self.optimizer).posterior.init)(partition(qs)[0])
        return self.improved(key, state, batch, qs, moments, self.infer_steps)[0]

    def improved(
        self, key: Key, state: State, batch: Batch, qs: Any, moments: PyTree, steps: int
    ) -> tuple[Any, PyTree]:
        """q of every row and its moments after steps along the gradient of its own bound, the model held."""
        trained, rest = partition(qs)
        weight = jnp.where(batch.weight > 0, batch.weight, 1.0)
        ones = batch._replace(weight=(batch.weight > 0).astype(batch.weight.dtype))
        rule = separate(self.optimizer).posterior

        def step(carry: tuple[PyTree, PyTree], key: Key) -> tuple[tuple[PyTree, PyTree], None]:
            trained, moments = carry

            def objective(arrays: PyTree) -> Scalar:
                qs = eqx.combine(arrays, rest)
                bound: Scalar = self.bound(key, state.model, _own, ones, state.memory, qs)[0]
                return bound

            descent = jax.tree.map(jnp.negative, jax.grad(objective)(trained))
            updates, new_moments = jax.vmap(rule.update)(descent, moments, trained)
            finite = _finite(descent, weight.shape[0]) & (ones.weight > 0)
            moved = (optax.apply_updates(trained, updates), new_moments)
            return jax.tree.map(lambda new, old: _by_row(finite, new, old), moved, carry), None

        (trained, moments), _ = jax.lax.scan(step, (trained, moments), jax.random.split(key, steps))
        return eqx.combine(trained, rest), moments


def _own(q: AbstractDistribution, *_: Any) -> AbstractDistribution:
    """A row's own q is its posterior, whatever is seen of the row."""
    return q


def _finite(tree: PyTree, n: int) -> Array:
    """Which rows have nothing but finite numbers, (n,)."""
    parts = [jnp.all(jnp.isfinite(leaf.reshape(n, -1)), axis=1) for leaf in jax.tree.leaves(tree)]
    return jnp.all(jnp.stack(parts), axis=0)


def _by_row(taken: Array, new: Array, old: Array) -> Array:
    return jnp.where(taken.reshape(-1, *[1] * (new.ndim - 1)), new, old)
