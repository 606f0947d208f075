"""How much the latent tells which row it is of, and how far the codes of all rows together are from the prior."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tacit._device import compiled, placed
from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.batch import Batch
from tacit.distributions import AbstractEnumerable
from tacit.evaluation.result import Result, mean_result
from tacit.inference.procedure import posteriors
from tacit.models import AbstractConditional, LatentModel

LISTED = 4096  # states of q that are listed, at most
MOST_ROWS = 1000  # rows that draws are taken of, at most
TILE = 16


class Information(NamedTuple):
    """`mutual_information` in nats, and its share (n,) of the rows that were looked at."""

    mutual_information: Result
    of_rows: Float[np.ndarray, " n"]


def mutual_information(
    model: LatentModel,
    posterior: AbstractConditional | None,
    rows: Batch,
    *,
    key: Key,
    num_samples: int = 4,
    groups: ArrayLike | None = None,
) -> Information:
    """`I(row; z) = E_n KL(q_n || q_agg)`, with `q_agg = sum_n w_n q_n` the aggregate posterior of these rows, in nats.

    It is at most log n, and at most the rate, which is larger by `KL(q_agg || prior)`. Exact where q has up to 4,096
    states; else estimated from draws for up to 1,000 of the rows, against the aggregate of all. Source: Hoffman and
    Johnson 2016.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import Categorical
    >>> from tacit.models import Constant, Gate
    >>> from tacit.networks import Linear
    >>> certain = Gate(Linear(jnp.array([[-50.0], [50.0]]), jnp.zeros(2)))
    >>> class First(AbstractConditional):
    ...     gate: Gate
    ...     def __call__(self, context):
    ...         return self.gate(context[0])
    >>> rows = Batch(np.array([[-1.0], [1.0]]), None, None, None, None)
    >>> model = LatentModel(Constant(Categorical(jnp.zeros(2))), Constant(Categorical(jnp.zeros(1))))
    >>> print(round(mutual_information(model, First(certain), rows, key=jax.random.key(0))[0].value, 4))  # log 2
    0.6931
    """
    y, x = (None if a is None else placed(a, float) for a in (rows.y, rows.x))
    batch = Batch(y, x, rows.mask, None, None)
    qs = compiled(posteriors)(model, posterior, batch)
    n = len(rows.y)
    weight = np.ones(n) if rows.weight is None else np.asarray(rows.weight, np.float64)
    share = weight / weight.sum()
    cap = f"at most {np.log(n):.2f}, the log of {n:,} rows"
    one = jax.tree.map(lambda a: a[0], qs)
    if isinstance(one, AbstractEnumerable) and one.n_states <= LISTED:
        each = _listed(qs, share, max(1, LISTED * TILE // one.n_states))
        found = mean_result("mutual information", each, weight=weight, groups=groups, note=cap)
        return Information(found, each)
    if num_samples < 2:
        raise UsageError(f"num_samples={num_samples} has no error.", where="mutual_information", mend="Use at least 2.")
    key_rows, key_draws = jax.random.split(key)
    looked = np.arange(n)
    if n > MOST_ROWS:
        looked = np.asarray(jax.random.choice(key_rows, n, (MOST_ROWS,), replace=False))
    each, error = _drawn(qs, share, looked, key_draws, num_samples)
    counted = weight[looked] / weight[looked].sum()
    noise = float(np.sqrt(np.sum((counted * error) ** 2)))
    found = mean_result(
        "mutual information",
        each,
        weight=weight[looked],
        groups=None if groups is None else np.asarray(groups)[looked],
        kind="estimate",
        monte_carlo_error=noise,
        note=f"{num_samples} draws a row; {cap}",
    )
    return Information(found, each)


def _listed(qs: Any, share: np.ndarray, tile: int) -> Float[np.ndarray, " n"]:
    """`KL(q_n || q_agg)` of every row, all states listed."""
    log_probs = compiled(jax.vmap(lambda q: q.log_probs()))
    parts = [slice(i, i + tile) for i in range(0, len(share), tile)]

    def listed(part: slice) -> np.ndarray:
        return np.asarray(log_probs(jax.tree.map(lambda a: a[part], qs)), np.float64)

    aggregate = sum(share[part] @ np.exp(listed(part)) for part in parts)
    log_aggregate = np.log(np.maximum(aggregate, 1e-300))

    def divergence(log_q: np.ndarray) -> np.ndarray:
        q = np.exp(log_q)
        return np.sum(np.where(q > 0, q * (np.maximum(log_q, -1e9) - log_aggregate), 0.0), axis=1)

    return np.concatenate([divergence(listed(part)) for part in parts])


def _drawn(
    qs: Any, share: np.ndarray, looked: np.ndarray, key: Key, num_samples: int
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The mean of `log q_n(z) - log q_agg(z)` over draws z of q_n, for the rows looked at, and its error."""
    log_share = placed(np.log(np.maximum(share, 1e-300)), float)

    @compiled
    def ratios(qs: Any, log_share: Array, keys: Array, which: Array) -> Array:
        def one(key: Key, i: Array) -> Array:
            q = jax.tree.map(lambda a: a[i], qs)

            def ratio(key: Key) -> Array:
                z = q.sample(key)
                aggregate = jax.nn.logsumexp(jax.vmap(lambda other: other.log_prob(z))(qs) + log_share)
                return q.log_prob(z) - aggregate

            return jax.vmap(ratio)(jax.random.split(key, num_samples))

        return jax.lax.map(lambda pair: one(*pair), (keys, which), batch_size=TILE)

    found = np.asarray(ratios(qs, log_share, jax.random.split(key, len(looked)), placed(looked)), np.float64)
    return found.mean(axis=1), found.std(axis=1, ddof=1) / np.sqrt(num_samples)
