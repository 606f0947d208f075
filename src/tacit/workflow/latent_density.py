"""Densities of rows under a deep model whose latent can be listed: two matrix products, in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from tacit._device import compiled, placed
from tacit._typing import Array
from tacit.models import AutoregressiveDecoder, LatentModel

ROWS, STATES = 512, 4096  # of a tile
AT_ONCE = 8  # states, where each takes a network over the rows


def double(tree: Any) -> Any:
    """All floating arrays in double precision; used inside `jax.enable_x64`."""
    return jax.tree.map(lambda a: np.asarray(a, np.float64) if eqx.is_inexact_array(a) else a, tree)


def log_marginals(
    model: LatentModel, y: Float[np.ndarray, "n d"], observed: Bool[np.ndarray, "n d"] | None
) -> Float[np.ndarray, " n"]:
    """`log p(y) = log sum_z p(z) p(y | z)` of every row, of its present cells, exact."""
    total = np.full(len(y), -np.inf)
    for joints in _joints(model, y, observed):
        total = np.logaddexp(total, np.logaddexp.reduce(joints, axis=1))
    return total


def log_joints(
    model: LatentModel, y: Float[np.ndarray, "n d"], observed: Bool[np.ndarray, "n d"] | None
) -> Float[np.ndarray, "n k"]:
    """`log p(z) + log p(y | z)` of every row and every state, in the order of the prior's support."""
    return np.concatenate(list(_joints(model, y, observed)), axis=1)


def _joints(
    model: LatentModel, y: Float[np.ndarray, "n d"], observed: Bool[np.ndarray, "n d"] | None
) -> Iterator[Float[np.ndarray, "n s"]]:
    """The same, tile by tile of the states: `eta(z) . T(y)` where the likelihood is an exponential family."""
    seen = np.ones(y.shape, bool) if observed is None else observed
    with jax.enable_x64(True):
        exact = double(model)
        states, log_probs = (np.asarray(part) for part in _states(exact))
    ordered = isinstance(model.likelihood, AutoregressiveDecoder)
    for start in range(0, len(states), STATES):
        with jax.enable_x64(True):
            some = placed(states[start : start + STATES])
            pairs = (_padded(y[i : i + ROWS], seen[i : i + ROWS]) for i in range(0, len(y), ROWS))
            if ordered:
                tiles = [np.asarray(_log_probs(exact, some, rows)) for rows, _ in pairs]
            else:
                coefficients = _coefficients(exact, some)
                tiles = [np.asarray(_dots(exact, coefficients, states[0], *pair)) for pair in pairs]
        yield np.concatenate(tiles)[: len(y)] + log_probs[start : start + STATES]


def _padded(y: np.ndarray, seen: np.ndarray) -> tuple[Array, Array]:
    """A tile of rows, filled up to one of two sizes."""
    size = ROWS if len(y) > ROWS // 8 else ROWS // 8
    pad = ((0, size - len(y)), (0, 0))
    return placed(np.pad(y, pad)), placed(np.pad(seen, pad))


@compiled
def _states(model: LatentModel) -> tuple[Array, Array]:
    prior: Any = model.prior(model.context(None))
    return prior.support(), prior.log_probs()


@compiled
def _coefficients(model: LatentModel, states: Array) -> Float[Array, "s t"]:
    context = model.context(None)
    return jax.vmap(lambda z: model.likelihood((z, context)).coefficients())(states)  # type: ignore[attr-defined]


@compiled
def _log_probs(model: LatentModel, states: Array, y: Float[Array, "r d"]) -> Float[Array, "r s"]:
    """`log p(y | z)` of columns one after the other."""
    context = model.context(None)
    of_state = jax.vmap(lambda z, row: model.log_likelihood(z, context, row), in_axes=(None, 0))
    return jax.lax.map(lambda z: of_state(z, y), states, batch_size=AT_ONCE).T


@compiled
def _dots(
    model: LatentModel,
    coefficients: Float[Array, "s t"],
    state: Array,
    y: Float[Array, "r d"],
    seen: Bool[Array, "r d"],
) -> Float[Array, "r s"]:
    family: Any = model.likelihood((state, model.context(None)))
    statistics = jax.vmap(family.statistics)(y, seen)
    base = jax.vmap(lambda *row: jnp.asarray(family.log_base(*row)))(y, seen)
    return statistics @ coefficients.T + base[:, None]
