"""Where the training of a linear-Gaussian model ended: its bound without noise, and what is still to be had."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from tacit._device import compiled
from tacit._typing import Array, Scalar
from tacit.data.batch import Batch
from tacit.gradients import Memory
from tacit.gradients.cubature import Cubature
from tacit.inference.fit import Progress, quiet
from tacit.inference.joint import Joint
from tacit.inference.optimizers import Descent
from tacit.models.linear_gaussian import LinearGaussianModel
from tacit.models.local import PerRow
from tacit.networks import partition
from tacit.objectives import ELBO

AHEAD = 32  # steps of L-BFGS between two looks, and of a look ahead
MANY_PAIRS, FEW_PAIRS = 100, 5  # past steps that it remembers: to end at the maximum, and only to look ahead
NUMBERS = 50_000_000  # most that are remembered
TILE = 4096  # rows at once


class End(NamedTuple):
    """Where a climb came to: model and posterior, and the mean bound before every step and after the last."""

    model: LinearGaussianModel
    posterior: Any
    bounds: Float[np.ndarray, " t"]
    gain: float  # of the last 32 steps tried, or fewer: infinite where they were not finite


def climb(
    model: LinearGaussianModel,
    posterior: Any,
    data: Batch,
    floor: Float[Array, " s"],
    *,
    most: int,
    tolerance: float,
    pairs: int = MANY_PAIRS,
    progress: Progress = quiet,
) -> End:
    """L-BFGS until 32 steps gain no more than `tolerance`, nats a row, nor do 32 that remember nothing of the way.

    At most `most` steps. The bound is the mean ELBO of the rows, without draws. The steps know no learning rate: only
    at a maximum they gain nothing. `floor` is the least noise variance, one or (d,). Source: Liu and Nocedal 1989.
    """
    trained, fixed = partition((model, posterior))
    size = sum(leaf.size for leaf in jax.tree.leaves(trained))
    pairs = max(FEW_PAIRS, min(pairs, NUMBERS // max(2 * size, 1)))
    start = optax.lbfgs(memory_size=pairs).init(trained)
    trained, start = jax.tree.map(lambda a: jnp.asarray(a, a.dtype), (trained, start))  # none weakly typed: one program
    state, fresh, done = start, True, 0
    _, _, seen = _steps(trained, fixed, start, data, floor, jnp.asarray(0), pairs)
    bounds, gain = np.asarray(seen)[:1], np.inf
    while done < most:
        steps = min(AHEAD, most - done)
        moved, state, seen = _steps(trained, fixed, state, data, floor, jnp.asarray(steps), pairs)
        done += steps
        gain = float(seen[steps] - seen[0])
        if gain > 0:
            trained, bounds = moved, np.append(bounds, np.asarray(seen)[1 : steps + 1])
            gain = float(bounds[-1] - bounds[-min(AHEAD + 1, len(bounds))])
        progress("to the maximum", done, most)
        if gain > tolerance:
            fresh = False
        elif fresh:
            break
        else:
            state, fresh = start, True
    model, posterior = eqx.combine(trained, fixed)
    return End(held(model, floor), posterior, bounds, gain if np.isfinite(gain) else np.inf)


@compiled
def _steps(
    trained: Any, fixed: Any, state: Any, data: Batch, floor: Float[Array, " s"], steps: Array, pairs: int
) -> tuple[Any, Any, Float[Array, " t"]]:
    """Some steps, the solver's state after them, and the bounds before each of them and after the last."""
    solver = optax.lbfgs(memory_size=pairs)

    def loss(trained: Any) -> Scalar:
        model, posterior = eqx.combine(trained, fixed)
        return -_bound(held(model, floor), posterior, data)

    def step(i: Array, carry: tuple[Any, Any, Array]) -> tuple[Any, Any, Array]:
        trained, state, seen = carry
        value, slope = optax.value_and_grad_from_state(loss)(trained, state=state)
        change, state = solver.update(slope, state, trained, value=value, grad=slope, value_fn=loss)
        return optax.apply_updates(trained, change), state, seen.at[i].set(-value)

    trained, state, seen = jax.lax.fori_loop(0, steps, step, (trained, state, jnp.zeros(AHEAD + 1)))
    return trained, state, seen.at[steps].set(-loss(trained))


def held(model: LinearGaussianModel, floor: Float[Array, " s"]) -> LinearGaussianModel:
    """The model with its noise at or above the floor."""
    decoder: Any = model.likelihood
    scale = jnp.maximum(decoder.log_scale, 0.5 * jnp.log(floor))
    return LinearGaussianModel.of(decoder.weight, decoder.bias, scale)


def _bound(model: LinearGaussianModel, posterior: Any, data: Batch) -> Scalar:
    """The mean ELBO, with memory for the slope of a tile of rows at a time."""
    n = len(data.y)
    judge, key = Joint(ELBO(), Cubature(), Descent()), jax.random.key(0)  # nothing is drawn
    tile = min(TILE, n)
    places = np.arange(-(-n // tile) * tile).reshape(-1, tile)

    @jax.checkpoint
    def of_tile(place: Array) -> Scalar:
        def tile_of(a: Any) -> Array:
            return jnp.asarray(a)[jnp.minimum(place, n - 1)]

        y, mask, weight = jax.tree.map(tile_of, (data.y, data.mask, data.weight))
        rows = Batch(y, None, mask, jnp.where(place < n, weight, 0.0), place)
        total: Scalar
        if isinstance(posterior, PerRow):
            own = jax.tree.map(tile_of, posterior.table)
            total, _ = judge.bound(key, model, lambda q, *_: q, rows, Memory(), own)
        else:
            total, _ = judge.total(key, model, posterior, rows, Memory())
        return total

    total, _ = jax.lax.scan(lambda total, place: (total + of_tile(place), None), jnp.zeros(()), places)
    return total / jnp.sum(jnp.asarray(data.weight))
