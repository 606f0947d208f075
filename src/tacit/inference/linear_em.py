"""Expectation maximisation for the linear-Gaussian model: q is the exact posterior, and the M-step is closed."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions._cholesky import cholesky, inverse_lower
from tacit.gradients import Memory
from tacit.inference.bound import weighted
from tacit.inference.procedure import AbstractProcedure, State, Summary
from tacit.models.latent import AbstractConditional
from tacit.models.linear_gaussian import LinearGaussianModel

CHUNK = 50  # steps between two looks
WINDOW = 10  # steps whose gains are compared with those of as many before
TILE = 4096  # rows at once


class Sums(NamedTuple):
    """Expected sufficient statistics under q, with z~ = (z, 1): sums over rows, so that they add up.

    `second` (d, l+1, l+1), or (1, ...) where no cell is missing, sums w E[z~ z~'] over the rows in which a column is
    present; `cross` (d, l+1) sums w y_j E[z~], `squares` (d,) w y_j^2, `mass` (d,) w; `latent` is `second` over all
    rows.
    """

    second: Float[Array, "c a a"]
    cross: Float[Array, "d a"]
    squares: Float[Array, " d"]
    mass: Float[Array, " d"]
    latent: Float[Array, "a a"]


class LinearEM(AbstractProcedure):
    """EM of a `LinearGaussianModel`, for batches of which each is all rows: one E-step and one M-step.

        E:  q(z) = p(z | present cells) of every row
        M:  (w_j, b_j) = (sum E[z~ z~'])^-1 sum y_j E[z~],   s_j^2 = (sum y_j^2 - (w_j, b_j)' sum y_j E[z~]) / sum 1

    The sums run over the rows in which column j is present. After the M-step, z is made standard again: the step is
    that of parameter-expanded EM (Liu, Rubin and Wu 1998), which never lowers the likelihood and takes far fewer
    steps. `floor` is the least noise variance, one or (d,). There is no posterior to train, and no gradient.
    """

    floor: float | Float[Array, " s"] = 1e-12

    def init(self, key: Key, model: Any, posterior: AbstractConditional | None, sample: Batch) -> State:
        zero = jnp.zeros((), jnp.int32)
        return State(model, None, None, Memory(), zero, zero)

    def summarise(self, key: Key, state: State, batch: Batch) -> Summary:
        """The log-likelihood of the rows before the step, and their expected statistics."""
        w, (n, d) = batch.weight, batch.y.shape
        qs = self.infer(key, state, batch)
        ones = jnp.ones((n, 1), batch.y.dtype)
        first = jnp.concatenate([qs.loc, ones], axis=1)
        second = first[:, :, None] * first[:, None, :]
        size = qs.loc.shape[1]
        second = second.at[:, :size, :size].add(qs.covariance)
        present = ones if batch.mask is None else batch.mask.astype(batch.y.dtype)
        y = batch.y * present
        counts = w[:, None] * present
        flat = second.reshape(n, -1)
        sums = Sums(
            (counts.T @ flat).reshape(-1, size + 1, size + 1),
            (w[:, None] * y).T @ first,
            w @ y**2,
            jnp.broadcast_to(jnp.sum(counts, axis=0), (d,)),
            (w @ flat).reshape(size + 1, size + 1),
        )
        bound, weight = self.evaluate(key, state, batch)
        return Summary(bound, weight, sums, None)

    def update(self, state: State, summary: Summary) -> State:
        """The parameters that are best under q, with z made standard again."""
        sums: Sums = summary.gradient
        decoder: Any = state.model.likelihood
        inverses = jax.vmap(lambda a: inverse_lower(cholesky(a)))(sums.second)
        inverses = jnp.broadcast_to(inverses, (sums.cross.shape[0], *inverses.shape[1:]))
        slopes = jnp.einsum("jba,jbc,jc->ja", inverses, inverses, sums.cross)
        left = jnp.maximum(sums.squares - jnp.sum(slopes * sums.cross, axis=1), 0.0)
        if decoder.log_scale.shape[-1] == 1:
            variance = jnp.sum(left, keepdims=True) / jnp.sum(sums.mass)
        else:
            variance = left / sums.mass
        weight, bias = slopes[:, :-1], slopes[:, -1]
        mean = sums.latent[:-1, -1] / sums.latent[-1, -1]
        spread = sums.latent[:-1, :-1] / sums.latent[-1, -1] - jnp.outer(mean, mean)
        log_scale = 0.5 * jnp.log(jnp.maximum(variance, self.floor))
        model = LinearGaussianModel.of(weight @ cholesky(spread), bias + weight @ mean, log_scale)
        leaves = jax.tree.leaves(model)
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), model, state.model)
        return state._replace(model=kept, skipped=state.skipped + ~finite, step=state.step + 1)

    def evaluate(self, key: Key, state: State, batch: Batch) -> tuple[Scalar, Scalar]:
        model: Any = state.model
        rows = jax.vmap(model.log_marginal, (0, None if batch.mask is None else 0))(batch.y, batch.mask)
        return weighted(rows, batch.weight), jnp.sum(batch.weight)

    def infer(self, key: Key, state: State, batch: Batch) -> Any:
        """The exact posterior of every row."""
        model: Any = state.model
        return jax.vmap(model.posterior, (0, None if batch.mask is None else 0))(batch.y, batch.mask)


class LinearFit(NamedTuple):
    """What EM came to: the model, the mean log-likelihood before every step, and how it ended."""

    model: LinearGaussianModel
    bounds: Float[np.ndarray, " t"]  # nats a row
    converged: bool


def fit_linear(
    model: LinearGaussianModel,
    data: Batch,
    *,
    floor: float | Float[np.ndarray, " s"],
    max_steps: int,
    tolerance: float,
) -> LinearFit:
    """EM from a model over all rows (`weight` given), until what is still to gain is below `tolerance`, nats a row.

    The gains of the last steps fall like a geometric series, whose rest is what is still to gain (Aitken). Float64
    where it is called with 64 bits enabled. Rows are worked off in tiles.
    """
    procedure = LinearEM(floor)
    tiles = _tiles(data)
    key = jax.random.key(0)  # nothing is drawn
    state = procedure.init(key, model, None, jax.tree.map(lambda a: a[0], tiles))
    bounds: list[float] = []
    converged = False
    while len(bounds) < max_steps and not converged:
        before = state
        state, seen = _steps(procedure, state, tiles)
        seen = np.asarray(seen)
        if len(bounds) + len(seen) > max_steps:  # the chunk is compiled once: go again, a step at a time
            state = before
            for _ in range(max_steps - len(bounds)):
                state, one = _steps(procedure, state, tiles, length=1)
                bounds += np.asarray(one).tolist()
            break
        bounds += seen.tolist()
        converged = _to_gain(np.array(bounds)) < tolerance
    return LinearFit(jax.tree.map(np.asarray, state.model), np.array(bounds), converged)


def _to_gain(bounds: Float[np.ndarray, " t"]) -> float:
    """What the geometric series of the last gains still adds; rounding counts as nothing."""
    if len(bounds) <= 2 * WINDOW:
        return np.inf
    earlier, later = np.diff(bounds[[-2 * WINDOW - 1, -WINDOW - 1, -1]])
    if later <= 1e-13 * max(abs(bounds[-1]), 1.0):
        return 0.0
    ratio = later / max(earlier, 1e-300)
    return float(later * ratio / (1 - ratio)) if ratio < 1 else np.inf


@eqx.filter_jit
def _steps(procedure: LinearEM, state: State, tiles: Batch, *, length: int = CHUNK) -> tuple[State, Array]:
    key = jax.random.key(0)

    def step(state: State, _: None) -> tuple[State, Array]:
        def tile(total: Summary, batch: Batch) -> tuple[Summary, None]:
            return jax.tree.map(jnp.add, total, procedure.summarise(key, state, batch)), None

        first = procedure.summarise(key, state, jax.tree.map(lambda a: a[0], tiles))
        rest = jax.tree.map(lambda a: a[1:], tiles)
        summary, _ = jax.lax.scan(tile, first, rest)
        return procedure.update(state, summary), summary.bound / summary.weight

    return jax.lax.scan(step, state, None, length=length)


def _tiles(data: Batch) -> Batch:
    """The rows in tiles of one shape; padding has weight 0."""
    n = len(data.y)
    count = -(-n // TILE)
    size = -(-n // count)

    def laid(a: Any) -> Array:
        padded = np.concatenate([np.asarray(a), np.zeros((count * size - n, *np.shape(a)[1:]), np.asarray(a).dtype)])
        return jnp.asarray(padded.reshape(count, size, *padded.shape[1:]))

    y, mask, weight = jax.tree.map(laid, (data.y, data.mask, data.weight))
    return Batch(y, None, mask, weight, None)
