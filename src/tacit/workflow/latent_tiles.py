"""Compiled work on tiles of rows: posteriors, divergences, draws and moments of a deep model."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._device import compiled, placed
from tacit._typing import Array
from tacit.distributions import kl_factors
from tacit.inference.procedure import evidence
from tacit.models import LatentModel
from tacit.workflow.latent_points import moments
from tacit.workflow.latent_rows import FAR, Cells

SAMPLES = 256  # importance samples a row, where the latent cannot be listed
TILE = 1024  # rows


Tile = tuple[Array, Array | None, Array | None]  # y, covariates, and which cells are there


def tiles(cells: Cells, x: np.ndarray | None) -> list[Tile]:
    """Rows and their covariates in tiles of one of two sizes, the last filled up, in single precision."""
    n = len(cells.y)
    size, y = TILE if n > 64 else 64, np.clip(cells.y, -FAR, FAR).astype(np.float32)
    x = None if x is None else x.astype(np.float32)

    def cut(a: np.ndarray | None, start: int) -> Any:
        part = None if a is None else a[start : start + size]
        return None if part is None else placed(np.pad(part, ((0, size - len(part)), (0, 0))))

    return [(cut(y, i), cut(x, i), cut(cells.observed, i)) for i in range(0, n, size)]


@compiled
def posteriors(posterior: Any, y: Array, x: Array | None, observed: Array | None) -> Any:
    """q(z | y, x) of a tile of rows, stacked."""
    return jax.vmap(lambda *row: posterior(evidence(*row)))(y, x, observed)


def as_states(logits: Array) -> Array:
    """Logits of the states of every latent (n, j, k); of bits (n, j) those of 0 and 1."""
    return jnp.stack([jnp.zeros_like(logits), logits], axis=-1) if logits.ndim == 2 else logits


@compiled
def divergences(model: LatentModel, qs: Any) -> Array:
    """`KL(q_j || p_j)` of stacked posteriors, (rows, j)."""
    prior = model.prior(model.context(None))
    return jax.vmap(lambda q: kl_factors(q, prior))(qs)


@compiled
def latent_moments(model: LatentModel, events: Array, x: Array | None) -> Array:
    """`moments` of the columns at latent events (n, ...), each with its covariates."""
    return jax.vmap(lambda z, x: moments(model.likelihood((z, model.context(x)))))(events, x)


@compiled
def drawn(model: LatentModel, keys: Array, events: Array, x: Any, y: Array, observed: Any) -> Array:
    """A row drawn at each latent event with its covariates and given its present cells, which may come out changed."""

    def row(key: Array, z: Array, x: Any, y: Array, observed: Any) -> Array:
        family: Any = model.likelihood((z, model.context(x)))
        return (family if observed is None else family.given(y, observed)).sample(key)

    return jax.vmap(row)(keys, events, x, y, observed)


@compiled
def draws(model: LatentModel, keys: Array, x: Array | None) -> tuple[Array, Array]:
    """Latents and rows drawn from the model, one a key, given covariates (n, p) where it has some."""
    return jax.vmap(lambda key, x: model.sample(key, x))(keys, x)
