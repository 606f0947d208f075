"""Expectation maximisation for mixtures of exponential families, for a population of mixtures at once.

The E-step over a tile of rows is one matrix product, `statistics(y) · coefficients'`, and the M-step's sums are
another, `responsibilities' · statistics(y)`. All members of the population share the rows and differ by their
parameters and by the weighting of the rows that they see (a fold, a resample), so both products run over members and
components together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from tacit._typing import Array
from tacit.distributions import AbstractExponentialFamily
from tacit.inference.extrapolate import FIRST, GROWTH, JUMPED, SECOND, SHRINKAGE, Trail, jump, trail
from tacit.inference.joints import Joints
from tacit.inference.tiles import Tiles

RUNNING, CONVERGED, NON_FINITE = 0, 1, 2


class Population(eqx.Module):
    """m mixtures of up to k components; a component that a member does not have has log weight -inf."""

    log_weights: Float[Array, "m k"]
    components: AbstractExponentialFamily  # every array (m, k, ...)
    weighting: Int[Array, " m"]  # which column of the row weights the member sees


class Summary(NamedTuple):
    """Additive over tiles, chunks and hosts."""

    statistics: Float[Array, "m k t"]
    mass: Float[Array, "m k"]
    log_likelihood: Float[Array, " m"]
    weight: Float[Array, " m"]


class State(eqx.Module):
    """A population on its way: the bound before the last M-step, its last change, steps taken, and a verdict each.

    After a jump the parameters are on trial: `settled` gives those that are known to be good.
    """

    population: Population
    bound: Float[Array, " m"]
    change: Float[Array, " m"]
    drop: Float[Array, " m"]  # the largest fall of the bound so far
    steps: Int[Array, " m"]
    status: Int[Array, " m"]
    trail: Trail


def begin(population: Population, *, plain: int = 0) -> State:
    """The state before the first step, on the host; after `plain` steps every third one starts from a jump."""
    m = population.log_weights.shape[0]
    return State(
        population,
        bound=np.full(m, -np.inf),
        change=np.full(m, np.inf),
        drop=np.zeros(m),
        steps=np.zeros(m, int),
        status=np.full(m, RUNNING),
        trail=trail((population.log_weights, population.components), plain),
    )


def settled(state: State) -> State:
    """The state without jumps that no step has followed, on the host."""
    untried = np.asarray(state.trail.stage) == JUMPED
    log_weights, components = state.trail.anchor
    back = Population(log_weights, components, state.population.weighting)
    population = jax.tree.map(lambda new, old: np.where(_over(untried, old), old, new), state.population, back)
    return replace(state, population=population)


def _over(members: Any, values: Array) -> Any:
    """One value a member, shaped to go over arrays of values."""
    return members.reshape(-1, *[1] * (values.ndim - 1))


def _flat(tree: Any) -> Any:
    """Members and components as one axis."""
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), tree)


def is_centred(population: Population, tiles: Tiles, precise: bool) -> bool:
    """Whether the statistics of a summary are about the present locations."""
    patterned = tiles.observed is not None and bool(population.components.pattern_columns)
    return precise or patterned


def summarise(population: Population, tiles: Tiles, *, precise: bool = False) -> Summary:
    """E-step: expected statistics, and the log-likelihood."""
    m, k = population.log_weights.shape
    joints = Joints(population.log_weights, _flat(population.components), tiles, precise)

    def tile_summary(tile: Tiles) -> Summary:
        joint, sums = joints(tile)
        top = jnp.max(joint, -1, keepdims=True)
        unnormalised = jnp.exp(joint - top)
        total = jnp.sum(unnormalised, -1, keepdims=True)
        log_prob = (top + jnp.log(total))[..., 0]
        weight = tile.weight[:, population.weighting]
        responsibilities = unnormalised * (weight[..., None] / total)
        statistics = sums(responsibilities.reshape(-1, m * k))
        return Summary(
            statistics.reshape(m, k, -1),
            jnp.sum(responsibilities, 0),
            jnp.sum(jnp.where(weight > 0, weight * log_prob, 0.0), 0),
            jnp.sum(weight, 0),
        )

    def add(total: Summary, tile: Tiles) -> tuple[Summary, None]:
        return jax.tree.map(jnp.add, total, tile_summary(tile)), None

    first = jax.eval_shape(tile_summary, jax.tree.map(lambda a: a[0], tiles))
    zero = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), first)
    return jax.lax.scan(add, zero, tiles)[0]


def score(
    population: Population, tiles: Tiles, *, precise: bool = False
) -> tuple[Float[Array, "g b m"], Float[Array, " m"]]:
    """Log density of every row under every member, and the entropy of its responsibilities over all rows, in nats.

    The entropy is summed under the first weighting.
    """
    joints = Joints(population.log_weights, _flat(population.components), tiles, precise)

    def tile_scores(tile: Tiles) -> tuple[Float[Array, "b m"], Float[Array, " m"]]:
        joint = joints(tile)[0]
        log_prob = jax.nn.logsumexp(joint, -1)
        log_r = jnp.maximum(joint - log_prob[..., None], -1e4)  # 0 log 0 is 0
        return log_prob, -tile.weight[:, 0] @ jnp.sum(jnp.exp(log_r) * log_r, -1)

    log_probs, entropies = jax.lax.map(tile_scores, tiles)
    return log_probs, jnp.sum(entropies, 0)


def maximise(population: Population, summary: Summary, regularise: Any, *, centred: bool) -> Population:
    """M-step: the parameters that are best under the responsibilities."""

    def member(stack: AbstractExponentialFamily, statistics: Float[Array, "k t"]) -> AbstractExponentialFamily:
        return stack.maximise(statistics, regularise, centred=centred)

    absent = jnp.isneginf(population.log_weights)
    better = jax.vmap(member)(population.components, summary.statistics)
    components = jax.tree.map(
        lambda new, old: jnp.where(absent.reshape(absent.shape + (1,) * (new.ndim - 2)), old, new),
        better,
        population.components,
    )
    mass = summary.mass + 10 * jnp.finfo(summary.mass.dtype).eps
    mass = jnp.where(absent, 0.0, mass)
    log_weights = jnp.log(mass) - jnp.log(jnp.sum(mass, -1, keepdims=True))
    return Population(log_weights, components, population.weighting)


def _finite_members(population: Population) -> Bool[Array, " m"]:
    leaves = jax.tree.leaves(population.components)
    checks = [jnp.all(jnp.isfinite(leaf.reshape(leaf.shape[0], -1)), -1) for leaf in leaves]
    return jnp.all(jnp.stack(checks), 0)


def advance(state: State, summary: Summary, tolerance: Any, regularise: Any, *, centred: bool) -> State:
    """One M-step for the members still running; a member whose step is not finite keeps its last good parameters.

    A jump that has not raised the bound is undone. A member has converged when a plain step changes the bound by less
    than the tolerance.
    """
    bound = summary.log_likelihood / summary.weight
    better = maximise(state.population, summary, regularise, centred=centred)
    running, stage = state.status == RUNNING, state.trail.stage
    finite = jnp.isfinite(bound) & _finite_members(better)
    good = jnp.where(stage == JUMPED, finite & (bound >= state.bound), finite)
    undone = running & (stage == JUMPED) & ~good
    moves = running & (good | undone)
    change = jnp.where(undone, 0.0, bound - state.bound)
    fall = jnp.where(jnp.isfinite(change), jnp.maximum(-change, 0.0), 0.0)
    converged = (stage != JUMPED) & (jnp.abs(change) < tolerance)
    status = jnp.where(good | undone, jnp.where(converged, CONVERGED, RUNNING), NON_FINITE)

    def pick(members: Array, these: Any, others: Any) -> Any:
        return jax.tree.map(lambda a, b: jnp.where(_over(members, a), a, b), these, others)

    here, there = ((p.log_weights, p.components) for p in (state.population, better))
    there = pick(undone, state.trail.anchor, there)
    jumped, length = jump(state.trail.anchor, here, there, state.trail.reach)
    jumps = running & good & (stage == SECOND) & ~converged
    reach = jnp.where(jumps & (length >= state.trail.reach), state.trail.reach * GROWTH, state.trail.reach)
    reach = jnp.where(undone, jnp.maximum(reach / SHRINKAGE, 1.0), reach)
    anchor = pick(jumps, there, pick(moves & (stage == FIRST), here, state.trail.anchor))
    following = jnp.where(stage == JUMPED, FIRST, stage + 1)
    following = jnp.where(status == CONVERGED, FIRST, following)
    log_weights, components = pick(moves, pick(jumps, jumped, there), here)
    return State(
        Population(log_weights, components, state.population.weighting),
        bound=jnp.where(running & jnp.isfinite(bound) & ~undone, bound, state.bound),  # also before a step not taken
        change=jnp.where(moves, change, state.change),
        drop=jnp.where(moves, jnp.maximum(state.drop, fall), state.drop),
        steps=state.steps + moves,
        status=jnp.where(running, status, state.status),
        trail=Trail(anchor, jnp.where(moves, following, stage), reach),
    )


def run(
    state: State, tiles: Tiles, max_steps: Any, tolerance: Any, regularise: Any, *, length: int, precise: bool
) -> tuple[State, Float[Array, "length m"], Float[Array, " m"]]:
    """Up to `max_steps` (at most `length`) steps for the members that are running.

    Returns the new state, the bound at each step, and the estimated rounding error at the end.
    """
    centred = is_centred(state.population, tiles, precise)

    def unfinished(carry: tuple[State, Array, Array]) -> Bool[Array, ""]:
        return jnp.any(carry[0].status == RUNNING) & (carry[1] < jnp.minimum(max_steps, length))

    def step(carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, i, bounds = carry
        summary = summarise(state.population, tiles, precise=precise)
        state = advance(state, summary, tolerance, regularise, centred=centred)
        return state, i + 1, bounds.at[i].set(state.bound)

    bounds = jnp.full((length, state.status.shape[0]), jnp.nan)
    state, _, bounds = jax.lax.while_loop(unfinished, step, (state, jnp.asarray(0), bounds))
    if tiles.missing is not None:  # rows completed one by one are whitened
        return state, bounds, jnp.zeros_like(state.bound)
    return state, bounds, rounding(state.population)


def rounding(population: Population) -> Float[Array, " m"]:
    """Estimated rounding error of the natural-parameter path, in nats a row, for each member."""
    terms = jax.vmap(jax.vmap(lambda c: jnp.asarray(c.rounding())))(population.components)
    shown = jnp.where(jnp.isneginf(population.log_weights), 0.0, terms)
    return jnp.finfo(shown.dtype).eps * jnp.max(jnp.nan_to_num(shown, posinf=1e300), -1)
