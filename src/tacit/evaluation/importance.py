"""log p(y | x) by importance sampling from q, with the noise and the bias of the estimate."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Key
from tacit.evaluation.row_key import row_key
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel

TILE = 64  # rows at once


class Estimates(NamedTuple):
    """Of every row, (n,) each, in nats.

    `log_p = log 1/S sum_s w_s` with `w_s = p(y, z_s | x) / q(z_s | y, x)`, its standard error over the draws, and
    its bias to leading order, `-Var(w / p) / (2 S)`; `elbo = 1/S sum_s log w_s` and its standard error.
    """

    log_p: Float[Array, " n"]
    error: Float[Array, " n"]
    bias: Float[Array, " n"]
    elbo: Float[Array, " n"]
    elbo_error: Float[Array, " n"]


def importance(
    model: LatentModel,
    posterior: AbstractConditional,
    y: Any,
    x: Any,
    *,
    num_samples: int,
    key: Key,
    observed: Any = None,
) -> Estimates:
    """Estimates of `log p(y | x)` for rows y (n, d) and x (n, p) or None, from S draws of q each.

    `observed` (n, d) marks the cells that are present, None where all are; missing ones are 0 in y. Rows are
    worked off in tiles, so memory does not grow with n. A row's draws depend on what it holds, not on its place: its
    estimate is the same in any table. Source: Burda et al. 2016; the bias: Nowozin 2018.
    """
    n = len(y)
    tiles = -(-n // TILE)
    pad = tiles * TILE - n

    def tiled(a: Any, dtype: Any = jnp.float32) -> Array | None:
        if a is None:
            return None
        whole = np.concatenate([np.asarray(a), np.repeat(np.asarray(a)[:1], pad, axis=0)])
        return jnp.asarray(whole, dtype).reshape(tiles, TILE, -1)

    rows = tiled(y), tiled(x), tiled(observed, bool)
    found = _over_tiles(model, posterior, rows, key, num_samples)
    return Estimates(*(np.asarray(a, np.float64).reshape(-1)[:n] for a in found))


@eqx.filter_jit
def _over_tiles(model: Any, posterior: Any, rows: tuple[Any, ...], key: Array, num_samples: int) -> Estimates:
    def row(y: Array, x: Any, observed: Any) -> Estimates:
        context = model.context(x)
        q, prior = posterior(evidence(y, x, observed)), model.prior(context)

        def log_weight(key: Array) -> Array:
            z = q.sample(key)
            likelihood = model.log_likelihood(z, context, y, observed)
            return likelihood + prior.log_prob(z) - q.log_prob(z)

        log_w = jax.vmap(log_weight)(jax.random.split(row_key(key, y, x, observed), num_samples))
        log_p = jax.nn.logsumexp(log_w) - jnp.log(num_samples)
        variance = jnp.var(jnp.exp(log_w - log_p), ddof=1)  # of w / p
        return Estimates(
            log_p,
            jnp.sqrt(variance / num_samples),
            -variance / (2 * num_samples),
            jnp.mean(log_w),
            jnp.std(log_w, ddof=1) / jnp.sqrt(num_samples),
        )

    found: Estimates = jax.lax.map(lambda rows: jax.vmap(row)(*rows), rows)
    return found
