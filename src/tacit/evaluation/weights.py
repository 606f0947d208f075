"""Importance-weighted bounds of log p(y | x), with the noise and the bias of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.evaluation.pareto import LEAST, k_hat, one_alone
from tacit.evaluation.proposal import ORDER, fits, log_joint_of, proposal
from tacit.evaluation.rows import TILE, AbstractOfRow, in_order, kinds, tiles
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel

CHUNK = 64  # draws of a row at once


class Drawn(NamedTuple):
    """Of a row: `log_w` (s,), whose mean weight is p(y | x), and `of_q`, `log p(y, z) - log q(z)` at the draws of q."""

    log_w: Any
    of_q: Any


class LogWeights(AbstractOfRow):
    """`log w_s = log p(y, z_s | x) - log m(z_s)` of S draws z_s of m, which is q.

    With `modes`, for an even S, m is the `Proposal` of the row: half of the draws are of q, the others of normals about
    modes and of the prior.
    """

    num_samples: int
    modes: bool = False

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Drawn:
        context = model.context(x)
        q, prior = posterior(evidence(y, x, observed)), model.prior(context)

        log_joint = log_joint_of(model, prior, context, y, observed)

        def of_q(key: Key) -> Scalar:
            z = q.sample(key)
            return log_joint(z) - q.log_prob(z)

        s, at_once = self.num_samples, min(CHUNK, self.num_samples)
        if not self.modes:
            log_w = jax.lax.map(of_q, jax.random.split(key, s), batch_size=at_once)
            return Drawn(log_w, log_w)
        key, key_modes, key_first = jax.random.split(key, 3)
        m = proposal(key_modes, q, prior, log_joint, holes=observed is not None)

        def both(inputs: tuple[Key, Array]) -> tuple[Scalar, Scalar]:
            z = m.sample_of(*inputs)
            log_p = log_joint(z)
            return log_p - m.log_prob(z), log_p - q.log_prob(z)

        first = jax.random.randint(key_first, (), 0, len(ORDER))
        log_w, ratios = jax.lax.map(both, (jax.random.split(key, s), first + jnp.arange(s)), batch_size=at_once)
        return Drawn(log_w, ratios.reshape(-1, 2)[:, first % 2])


class Weighted(NamedTuple):
    """Of every row, (n,) each, in nats, from 4 S draws.

    `bounds` (n, 3): the importance-weighted bound of S, 2 S and 4 S draws, averaged over the groups of draws.
    `error`: standard error of the last over the draws. `bias`: its bias to leading order, `-Var(w / p) / (8 S)`.
    `jackknife`: the last with its leading bias taken away, at most twice that; `jackknife_bias`: what is left, from
    halves of the draws.
    `k_hat`: Pareto shape of the weights, infinite where one draw has nearly all. `elbo`: the mean log-weight under q,
    and its standard error.
    """

    bounds: Float[np.ndarray, "n 3"]
    error: Float[np.ndarray, " n"]
    bias: Float[np.ndarray, " n"]
    jackknife: Float[np.ndarray, " n"]
    jackknife_bias: Float[np.ndarray, " n"]
    k_hat: Float[np.ndarray, " n"]
    elbo: Float[np.ndarray, " n"]
    elbo_error: Float[np.ndarray, " n"]


def weighted(
    model: LatentModel,
    posterior: AbstractConditional,
    rows: Batch,
    *,
    num_samples: int,
    key: Key,
    modes: bool = True,
    tile: int = TILE,
) -> Weighted:
    """Importance-weighted bounds of rows at S, 2 S and 4 S draws, with S = `num_samples`, (n,) each.

    Rows are worked off in tiles, so memory does not grow with n. A row's draws depend on what it holds: its figures are
    the same in any table. That a row without a cell has the density 1 is known without draws. Sources: Burda et al.
    2016; jackknife and leading bias: Nowozin 2018. Raises `UsageError` for 4 S below 25.

    One encoder serves all rows, and knows little of those with missing cells. With `modes`, where z is normal, half of
    the draws are not of q but of normals about modes of the row's posterior and of the prior; the ELBO remains that of
    q. Without, all are of q, as in the published figures of importance-weighted autoencoders.
    """
    if 4 * num_samples < LEAST:
        raise UsageError(f"num_samples={num_samples} are too few draws.", mend=f"Use at least {-(-LEAST // 4)}.")

    of_row = LogWeights(4 * num_samples, modes and fits(kinds(model, posterior, rows)[1]))
    turn = len(ORDER) if of_row.modes and num_samples % len(ORDER) == 0 else 1
    parts = tiles(of_row, model, posterior, rows, key=key, tile=tile)
    found: Weighted = in_order([(places, from_log_weights(*drawn, turn=turn)) for places, drawn in parts])
    return found if rows.mask is None else _with_empty(found, np.logical_not(np.any(rows.mask, axis=1)))


def from_log_weights(
    log_w: Float[ArrayLike, "n s"], of_q: Float[ArrayLike, "n t"] | None = None, *, turn: int = 1
) -> Weighted:
    """The figures of rows from their log-weights; s is a multiple of 4. The ELBO is the mean of `of_q`, or of these.

    Where draws take turns, the means of whole turns are what is independent: `turn` draws each, s a multiple of four
    of them. They vary less than draws at random do. A row whose weights are all nought has the figure -inf with an
    infinite error.

    Example:
        >>> found = from_log_weights(np.log(np.tile([0.1, 0.3], (1, 16))))
        >>> float(found.bounds[0, 2].round(4)), float(found.bias[0].round(4))
        (-1.6094, -0.004)
    """
    log_w = np.asarray(log_w, np.float64)
    elbo, elbo_error = _mean(log_w if of_q is None else np.asarray(of_q, np.float64))
    possible = np.isfinite(log_w.max(axis=1))
    if not possible.all():
        found = from_log_weights(np.where(possible[:, None], log_w, 0.0), turn=turn)
        return _with_impossible(found._replace(elbo=elbo, elbo_error=elbo_error), possible)
    tails = np.where(one_alone(log_w), np.inf, k_hat(log_w))
    log_w = log_mean(log_w.reshape(len(log_w), -1, turn))
    n, s = log_w.shape
    bounds = np.stack([log_mean(log_w.reshape(n, parts, -1)).mean(axis=1) for parts in (4, 2, 1)], axis=1)
    log_p = bounds[:, 2]
    relative = np.exp(log_w - log_p[:, None])  # w / p
    variance = relative.var(axis=1, ddof=1)
    bias = -variance / (2 * s)
    whole, halves = _within(log_w), _within(log_w.reshape(2 * n, s // 2)).reshape(n, 2).mean(axis=1)
    return Weighted(
        bounds=bounds,
        error=np.sqrt(variance / s),
        bias=bias,
        jackknife=whole,
        # of order 1/s²: that of the halves is four times as large; where a half has no weight, the bias before it
        jackknife_bias=np.where(np.isfinite(halves), halves - whole, 3 * bias) / 3,
        k_hat=tails,
        elbo=elbo,
        elbo_error=elbo_error,
    )


def _mean(values: Float[np.ndarray, "n t"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The means and their standard errors, which are infinite where a value is."""
    mean = values.mean(axis=1)
    sure = np.isfinite(mean)
    spread = np.where(sure[:, None], values, 0.0).std(axis=1, ddof=1)
    return mean, np.where(sure, spread, np.inf) / np.sqrt(values.shape[1])


def _with_impossible(found: Weighted, possible: Bool[np.ndarray, " n"]) -> Weighted:
    none = Weighted(*(np.full_like(figure, -np.inf) for figure in found))
    none = none._replace(
        error=-none.error, k_hat=-none.k_hat, elbo_error=-none.elbo_error, jackknife_bias=0 * found.bias
    )
    return Weighted(
        *(np.where(possible.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(found, none, strict=True))
    )


def _with_empty(found: Weighted, empty: Bool[np.ndarray, " n"]) -> Weighted:
    """The same with `log p = 0` where a row is empty; of q the bound stays."""
    bounds = np.where(empty[:, None], 0.0, found.bounds)
    sure = {name: np.where(empty, 0.0, getattr(found, name)) for name in ("error", "bias", "jackknife")}
    left = np.where(empty, 0.0, found.jackknife_bias)
    return found._replace(bounds=bounds, jackknife_bias=left, k_hat=np.where(empty, -np.inf, found.k_hat), **sure)


def jackknife(log_w: Float[np.ndarray, "n s"]) -> Float[np.ndarray, " n"]:
    """`s L - (s - 1) mean_i L_i`: the log-mean L of the weights, and L_i that without weight i (Nowozin 2018).

    Example:
        >>> print(jackknife(np.log([[0.1, 0.3, 0.2, 0.4]])).round(3))  # log 1/4 is the mean's
        [-1.352]
    """
    s = log_w.shape[1]
    possible = np.isfinite(log_w.max(axis=1))
    log_w = np.where(possible[:, None], log_w, 0.0)
    total = logsumexp(log_w, axis=1, keepdims=True)
    largest = np.arange(s) == log_w.argmax(axis=1)[:, None]
    without = logsumexp(np.where(largest, -np.inf, log_w), axis=1, keepdims=True)  # taking it from the total may cancel
    share = np.where(largest, 0.0, np.exp(log_w - total))
    share = np.minimum(share, 0.5)  # of those that are not the largest
    left = np.where(largest, without, total + np.log1p(-share)) - np.log(s - 1)
    return np.where(possible, s * log_mean(log_w) - (s - 1) * left.mean(axis=1), -np.inf)


def _within(log_w: Float[np.ndarray, "n s"]) -> Float[np.ndarray, " n"]:
    """The jackknife, at most `Var(w / p) / s` above the bound, twice the leading bias.

    Where one draw has nearly all the weight, leaving it out takes away its whole lead: without a limit the figure then
    lies above the bound by as much, and is no estimate of anything.
    """
    bound = log_mean(log_w)
    possible = np.isfinite(bound)
    relative = np.exp(np.where(possible[:, None], log_w - np.where(possible, bound, 0.0)[:, None], 0.0))
    return np.minimum(jackknife(log_w), bound + relative.var(axis=1, ddof=1) / log_w.shape[1])


def log_mean(log_w: Float[np.ndarray, "*n s"]) -> Float[np.ndarray, " *n"]:
    """`log 1/s sum_s w_s`."""
    return logsumexp(log_w, axis=-1) - np.log(log_w.shape[-1])


def error_of_mean(log_weights: Float[np.ndarray, "n s"], values: Float[np.ndarray, "n s m"]) -> Float[np.ndarray, " n"]:
    """The standard error over draws of the self-normalised mean, of the most doubtful of m numbers.

        se² = sum_s r_s² (v_s - sum_s r_s v_s)²

    It is infinite where one draw has nearly all of the weight: one alone has no spread.

    >>> print(error_of_mean(np.log([[0.25, 0.25, 0.5]]), np.array([[[1.0], [1.0], [0.0]]])).round(4))
    [0.3062]
    """
    share = np.exp(log_weights)[..., None]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.sum(share * values, axis=1, keepdims=True)
        squares = np.sum((share * (values - mean)) ** 2, axis=1)
    unknown = np.isnan(squares) | one_alone(log_weights)[:, None]
    return np.sqrt(np.where(unknown, np.inf, squares).max(axis=1))
