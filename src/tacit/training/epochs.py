"""The one compiled loop: epochs of mini-batches for a population, data on the device, no Python in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from tacit._device import compiled
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.inference.bound import weighted
from tacit.inference.optimizers import LARGE
from tacit.inference.procedure import AbstractProcedure, State

VALIDATION_TILE = 1024  # rows judged at once

Metric = Callable[[Key, Any, Any, Array, Any], Scalar]  # of key, model, posterior, y and x of one row


class Course(NamedTuple):
    """One member (or, stacked, all of them) on its way."""

    key: Key
    state: State
    best: tuple[Any, Any]  # model and posterior of the best epoch
    best_value: Float[Array, "*m"]
    best_epoch: Int[Array, "*m"]
    epoch: Int[Array, "*m"]
    stopped: Bool[Array, "*m"]


class Limits(NamedTuple):
    """When a member ends."""

    max_epochs: Int[Array, "*m"]
    patience: Int[Array, "*m"]  # epochs without a better value


def gather(data: Batch, index: Int[Array, " b"]) -> Batch:
    """The rows at these places; a place out of the table is padding. Rows of weight 0 hold zeros."""
    weight = data.weight.at[index].get(mode="fill", fill_value=0)

    def rows(a: Array) -> Array:
        found = a.at[index].get(mode="clip")
        return jnp.where((weight > 0)[:, None], found, jnp.zeros((), a.dtype))

    y, x, mask = jax.tree.map(rows, (data.y, data.x, data.mask))
    return Batch(y, x, mask, weight, index)


def begin(procedure: AbstractProcedure, key: Key, model: Any, posterior: Any, sample: Batch) -> Course:
    """A member before its first epoch."""
    key, key_init = jax.random.split(key)
    state = procedure.init(key_init, model, posterior, sample)
    zero = jnp.zeros((), jnp.int32)
    worst = jnp.zeros(()) - jnp.inf  # a constant would have a weak type, and the loop would be compiled twice
    return Course(key, state, (model, posterior), worst, zero, zero, jnp.zeros((), bool))


@compiled
def begin_all(
    procedure: AbstractProcedure, key: Key, models: Any, posteriors: Any, data: Batch, *, size: int, batch_size: int
) -> Course:
    """All members before their first epoch; they see the first rows, as many as a batch."""
    sample = gather(data, jnp.arange(batch_size))
    keys = jax.random.split(key, size)
    start = eqx.filter_vmap(lambda p, k, m, q: begin(p, k, m, q, sample))
    found: Course = start(procedure, keys, models, posteriors)
    return found


def has_ended(course: Course, limits: Limits) -> Bool[Array, "*m"]:
    """Whether a member has done all its epochs, or too many without a better value."""
    return (course.epoch >= limits.max_epochs) | (course.epoch - course.best_epoch >= limits.patience)


def run(
    procedure: AbstractProcedure,
    courses: Course,
    data: Batch,
    rows: Int[Array, "m r"],
    validation: Int[Array, "m v"],
    limits: Limits,
    n_epochs: Int[Array, ""],
    *,
    batch_size: int,
    chunk: int,
    metrics: tuple[Metric, ...] = (),
) -> tuple[Course, Float[Array, "c m f"]]:
    """Up to `n_epochs` (at most `chunk`) epochs of all members, and what is seen of each.

    That is the mean bound in training, on the validation rows, and the metrics there.
    """

    def member(
        procedure: AbstractProcedure, course: Course, rows: Array, validation: Array, limits: Limits
    ) -> tuple[Course, Array]:
        return _epoch(procedure, course, data, rows, validation, limits, batch_size, metrics)

    over_members = _way(courses, rows.shape[0])
    history = jnp.full((chunk, rows.shape[0], 2 + len(metrics)), jnp.nan)
    arrays, rest = eqx.partition(courses, eqx.is_array)

    def body(carry: tuple[Array, Any, Array]) -> tuple[Array, Any, Array]:
        i, arrays, history = carry
        courses = eqx.combine(arrays, rest)
        courses, values = over_members(member)(procedure, courses, rows, validation, limits)
        return i + 1, eqx.filter(courses, eqx.is_array), history.at[i].set(values)

    def unfinished(carry: tuple[Array, Any, Array]) -> Array:
        return (carry[0] < n_epochs) & ~jnp.all(carry[1].stopped)

    _, arrays, history = jax.lax.while_loop(unfinished, body, (jnp.zeros((), jnp.int32), arrays, history))
    return eqx.combine(arrays, rest), history


run_short, run_long = compiled(run), eqx.filter_jit(run)  # soon compiled, or faster steps


def _way(courses: Course, size: int) -> Callable[..., Any]:
    """How the members are gone over: small ones side by side; on a CPU large ones in turn, with plain products."""
    numbers = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(courses.best, eqx.is_inexact_array)))
    if size == 1:
        return _alone
    return _in_turn if jax.default_backend() == "cpu" and numbers > size * LARGE else eqx.filter_vmap


def _in_turn(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `eqx.filter_vmap` makes of a function, but one after the other."""

    def called(*args: Any) -> Any:
        arrays, rest = eqx.partition(args, eqx.is_array)
        others = None  # what is no array is the same for all

        def one(arrays: Any) -> Any:
            nonlocal others
            found, others = eqx.partition(function(*eqx.combine(arrays, rest)), eqx.is_array)
            return found

        found = jax.lax.map(one, arrays)
        return eqx.combine(found, others)

    return called


def _alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `eqx.filter_vmap` makes of a function where the leading axis has one place: faster, with plain products."""

    def called(*args: Any) -> Any:
        found = function(*jax.tree.map(lambda a: a[0] if eqx.is_array(a) else a, args))
        return jax.tree.map(lambda a: a[None] if eqx.is_array(a) else a, found)

    return called


def _epoch(
    procedure: AbstractProcedure,
    course: Course,
    data: Batch,
    rows: Array,
    validation: Array,
    limits: Limits,
    batch_size: int,
    metrics: tuple[Metric, ...],
) -> tuple[Course, Float[Array, " f"]]:
    """One pass of one member over its rows in a new order, and the judgement of what came of it."""
    key_order, key_steps = jax.random.split(jax.random.fold_in(course.key, 1 + course.epoch))
    steps = -(-rows.shape[0] // batch_size)
    padded = jnp.pad(rows, (0, steps * batch_size - rows.shape[0]), constant_values=data.weight.shape[0])
    order = padded[jnp.argsort(jax.random.bits(key_order, padded.shape))].reshape(steps, batch_size)
    trained, rest = eqx.partition(course.state, eqx.is_array)

    def step(arrays: Any, inputs: tuple[Array, Array]) -> tuple[Any, Array]:
        index, key = inputs
        state = eqx.combine(arrays, rest)
        summary = procedure.summarise(key, state, gather(data, index))
        state = procedure.update(state, summary)
        seen = jnp.stack([summary.bound, summary.weight])
        return eqx.filter(state, eqx.is_array), jnp.where(jnp.isfinite(summary.bound), seen, 0.0)

    trained, sums = jax.lax.scan(step, trained, (order, jax.random.split(key_steps, steps)))
    state = eqx.combine(trained, rest)
    total, weight = jnp.sum(sums, axis=0)
    # the same draws judge every epoch, so that epochs differ by their parameters alone
    value, *measured = _judge(procedure, jax.random.fold_in(course.key, 0), state, data, validation, metrics)
    better = value > course.best_value if validation.shape[0] else jnp.ones((), bool)
    epoch = course.epoch + 1
    new = Course(
        course.key,
        state,
        _where(better, (state.model, state.posterior), course.best),
        jnp.where(better, value, course.best_value),
        jnp.where(better, epoch, course.best_epoch),
        epoch,
        course.stopped,
    )
    new = new._replace(stopped=has_ended(new, limits))
    seen = jnp.stack([total / weight, value, *measured])  # NaN where no batch was finite
    seen = jnp.where(course.stopped, jnp.nan, seen)
    return _where(course.stopped, course, new), seen


def _judge(
    procedure: AbstractProcedure,
    key: Key,
    state: State,
    data: Batch,
    rows: Int[Array, " v"],
    metrics: tuple[Metric, ...],
) -> Float[Array, " f"]:
    """The mean bound over the rows, and the mean metrics; NaN where there are none, or none with a weight."""
    if not rows.shape[0]:
        return jnp.full(1 + len(metrics), jnp.nan)
    tiles = -(-rows.shape[0] // VALIDATION_TILE)
    size = -(-rows.shape[0] // tiles)
    padded = jnp.pad(rows, (0, tiles * size - rows.shape[0]), constant_values=data.weight.shape[0])

    def tile(inputs: tuple[Array, Array]) -> tuple[Array, Scalar]:
        key, index = inputs
        batch = gather(data, index)
        bound, weight = procedure.evaluate(key, state, batch)
        sums = [bound]
        for i, metric in enumerate(metrics, 1):
            keys = jax.random.split(jax.random.fold_in(key, i), size)
            places = (0, None, None, 0, 0)
            values = eqx.filter_vmap(metric, in_axes=places)(keys, state.model, state.posterior, batch.y, batch.x)
            sums.append(weighted(values, batch.weight))
        return jnp.stack(sums), weight

    keys = jax.random.split(key, tiles)
    sums, weights = jax.lax.map(tile, (keys, padded.reshape(tiles, size)))
    total = jnp.sum(weights)
    return jnp.where(total > 0, jnp.sum(sums, axis=0) / jnp.maximum(total, 1e-12), jnp.nan)


def _where(condition: Bool[Array, ""], new: Any, old: Any) -> Any:
    """The new tree where the condition holds, else the old one."""

    def select(a: Any, b: Any) -> Any:
        if not eqx.is_array(a):
            return a
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jnp.where(condition, jax.random.key_data(a), jax.random.key_data(b)))
        return jnp.where(condition, a, b)

    return jax.tree.map(select, new, old)
