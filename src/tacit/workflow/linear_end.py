"""Where the training of a linear-Gaussian model ended: its bound without noise, and what is still to be had."""

from __future__ import annotations

from typing import Any

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
from tacit.inference.joint import Joint
from tacit.inference.optimizers import Descent
from tacit.models.linear_gaussian import LinearGaussianModel
from tacit.models.local import PerRow
from tacit.objectives import ELBO

STEPS, PAIRS = 32, 5  # of L-BFGS, and how many past ones it remembers
TILE = 4096  # rows at once


@compiled
def bound_and_gain(
    model: LinearGaussianModel, posterior: Any, data: Batch, floor: Float[Array, " s"]
) -> tuple[Scalar, Scalar]:
    """The mean ELBO of the rows with the q of a training, and what 32 steps of L-BFGS in all parameters add to it.

    They know no learning rate: only at a maximum they gain nothing. `floor` is the least noise variance, one or (d,).
    """
    trained, fixed = eqx.partition((model, posterior), eqx.is_inexact_array)
    solver = optax.lbfgs(memory_size=PAIRS)

    def loss(trained: Any) -> Scalar:
        model, posterior = eqx.combine(trained, fixed)
        decoder: Any = model.likelihood
        scale = jnp.maximum(decoder.log_scale, 0.5 * jnp.log(floor))
        return -_bound(LinearGaussianModel.of(decoder.weight, decoder.bias, scale), posterior, data)

    def step(_: Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        trained, state = carry
        value, slope = optax.value_and_grad_from_state(loss)(trained, state=state)
        change, state = solver.update(slope, state, trained, value=value, grad=slope, value_fn=loss)
        return optax.apply_updates(trained, change), state

    better, _ = jax.lax.fori_loop(0, STEPS, step, (trained, solver.init(trained)))
    return -loss(trained), loss(trained) - loss(better)


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
