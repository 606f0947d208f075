"""Compiled work on tiles of rows: posteriors, divergences, draws and moments of a deep model."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacit._typing import Array, Key
from tacit.distributions import kl_factors
from tacit.inference.procedure import evidence
from tacit.models import LatentModel
from tacit.workflow.latent_points import moments

SAMPLES = 256  # importance samples a row, where the latent cannot be listed
TILE = 1024  # rows
_FAR = 1e30  # a float in single precision
AT_ONCE = 16  # rows of a tile whose importance samples are held in memory together


def tiles(y: np.ndarray, observed: np.ndarray | None, n: int) -> list[tuple[Array, Array | None]]:
    """Rows in tiles of one of two sizes, the last filled up, in single precision."""
    size, y = TILE if n > 64 else 64, np.clip(y, -_FAR, _FAR).astype(np.float32)

    def cut(a: np.ndarray, start: int) -> Array:
        part = a[start : start + size]
        return jnp.asarray(np.pad(part, ((0, size - len(part)), (0, 0))))

    return [(cut(y, i), None if observed is None else cut(observed, i)) for i in range(0, n, size)]


@eqx.filter_jit
def posteriors(posterior: Any, y: Array, observed: Array | None) -> Any:
    """q(z | y) of a tile of rows, stacked."""
    return jax.vmap(lambda y, o: posterior(evidence(y, None, o)))(y, observed)


def as_states(logits: Array) -> Array:
    """Logits of the states of every latent (n, j, k); of bits (n, j) those of 0 and 1."""
    return jnp.stack([jnp.zeros_like(logits), logits], axis=-1) if logits.ndim == 2 else logits


@eqx.filter_jit
def sampled_rates(model: LatentModel, posterior: Any, key: Key, y: Array, observed: Array | None) -> Array:
    """`log q(z | y) - log p(z)` at draws of q, (rows, draws)."""
    prior = model.prior(model.context(None))

    def row(key: Key, y: Array, observed: Array | None) -> Array:
        q = posterior(evidence(y, None, observed))
        sampled = jax.vmap(q.sample)(jax.random.split(key, SAMPLES))
        return jax.vmap(lambda z: q.log_prob(z) - prior.log_prob(z))(sampled)

    return _over_rows(row, key, y, observed)


@eqx.filter_jit
def divergences(model: LatentModel, qs: Any) -> Array:
    """`KL(q_j || p_j)` of stacked posteriors, (rows, j)."""
    prior = model.prior(model.context(None))
    return jax.vmap(lambda q: kl_factors(q, prior))(qs)


@eqx.filter_jit
def latent_moments(model: LatentModel, events: Array) -> Array:
    """`moments` of the columns at latent events (n, ...)."""
    context = model.context(None)
    return jax.vmap(lambda z: moments(model.likelihood((z, context))))(events)


@eqx.filter_jit
def importance_draws(model: LatentModel, posterior: Any, key: Key, y: Array, observed: Array | None) -> Any:
    """Draws of q and their log-weights `log p(y, z) - log q(z | y)`, of a tile of rows."""
    return _over_rows(lambda *row: _weighted(model, posterior, *row), key, y, observed)


@eqx.filter_jit
def expected_moments(model: LatentModel, posterior: Any, key: Key, y: Array, observed: Array | None) -> Array:
    """The mean of `moments` over `p(z | y)`, by importance sampling, of a tile of rows."""
    context = model.context(None)

    def row(key: Key, y: Array, observed: Array | None) -> Array:
        z, log_w = _weighted(model, posterior, key, y, observed)
        return jax.nn.softmax(log_w) @ jax.vmap(lambda z: moments(model.likelihood((z, context))))(z)

    return _over_rows(row, key, y, observed)


def _weighted(model: LatentModel, posterior: Any, key: Key, y: Array, observed: Array | None) -> Any:
    """Draws and log-weights of one row."""
    context = model.context(None)
    q, prior = posterior(evidence(y, None, observed)), model.prior(context)

    def one(key: Key) -> Any:
        z = q.sample(key)
        return z, model.log_likelihood(z, context, y, observed) + prior.log_prob(z) - q.log_prob(z)

    return jax.vmap(one)(jax.random.split(key, SAMPLES))


def _over_rows(row: Any, key: Key, y: Array, observed: Array | None) -> Any:
    """`row(key, y, observed)` of every row of a tile, a few at once."""
    keys = jax.random.split(key, len(y))
    return jax.lax.map(lambda inputs: row(*inputs), (keys, y, observed), batch_size=AT_ONCE)


@eqx.filter_jit
def drawn(model: LatentModel, keys: Array, events: Array) -> Array:
    """A row drawn at each latent event."""
    context = model.context(None)
    return jax.vmap(lambda key, z: model.likelihood((z, context)).sample(key))(keys, events)


@eqx.filter_jit
def draws(model: LatentModel, keys: Array) -> tuple[Array, Array]:
    """Latents and rows drawn from the model, one a key."""
    return jax.vmap(lambda key: model.sample(key))(keys)
