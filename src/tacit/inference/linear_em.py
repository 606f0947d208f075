"""Expectation maximisation for the linear-Gaussian model: q is the exact posterior, and the M-step is closed."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from tacit._device import compiled, placed
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions._cholesky import cholesky, inverse_lower
from tacit.gradients import Memory
from tacit.inference.bound import weighted
from tacit.inference.procedure import AbstractProcedure, State, Summary
from tacit.models.latent import AbstractConditional
from tacit.models.linear_gaussian import LinearGaussianModel

CYCLES = 16  # of two plain steps, between two looks
FIRST_REACH = 4.0  # the longest jump at first
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
    """EM from a model over all rows (`weight` given), until 32 steps together gain less than `tolerance`, nats a row.

    After every two steps it jumps ahead along its path, and takes back a jump that lowers the likelihood: where a noise
    variance goes to its floor plain EM takes very many steps. `max_steps` counts plain steps, in pairs. Float64 where
    it is called with 64 bits enabled. Rows are worked off in tiles. Source: Varadhan and Roland 2008, scheme S3.
    """
    procedure = LinearEM(floor)
    tiles = _tiles(data)
    real = jnp.result_type(float)  # said, so that no number is weakly typed and the first cycles need no other program
    model, reach = jax.tree.map(lambda a: jnp.asarray(a, real), (model, FIRST_REACH))
    state = procedure.init(jax.random.key(0), model, None, jax.tree.map(lambda a: a[0], tiles))
    bounds = np.zeros(0)
    converged = False
    while len(bounds) < max_steps and not converged:
        cycles = min(CYCLES, -(-(max_steps - len(bounds)) // 2))
        state, reach, seen = _cycles(procedure, state, reach, tiles, jnp.asarray(cycles))
        bounds = np.concatenate([bounds, np.asarray(seen)[: 2 * cycles]])
        converged = len(bounds) >= 2 * CYCLES and bounds[-1] - bounds[-2 * CYCLES] < tolerance
    return LinearFit(jax.tree.map(np.asarray, state.model), bounds, bool(converged))


@compiled
def _cycles(
    procedure: LinearEM, state: State, reach: Array, tiles: Batch, cycles: Array
) -> tuple[State, Array, Float[Array, " t"]]:
    """So many cycles of two plain steps, a jump, and a step from there where it is no worse than the first of them."""
    key = jax.random.key(0)  # nothing is drawn

    def step(state: State) -> tuple[State, Array]:
        def tile(total: Summary, batch: Batch) -> tuple[Summary, None]:
            return jax.tree.map(jnp.add, total, procedure.summarise(key, state, batch)), None

        first = procedure.summarise(key, state, jax.tree.map(lambda a: a[0], tiles))
        summary, _ = jax.lax.scan(tile, first, jax.tree.map(lambda a: a[1:], tiles))
        return procedure.update(state, summary), summary.bound / summary.weight

    def cycle(i: Array, carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        zero, reach, bounds = carry
        one, at_zero = step(zero)
        two, at_one = step(one)
        ahead, length = _jump(_parameters(zero), _parameters(one), _parameters(two), reach)
        three, at_jump = step(zero._replace(model=_model(ahead, procedure.floor)))
        better = at_jump >= at_one
        kept = jax.tree.map(lambda new, old: jnp.where(better, new, old), three.model, two.model)
        reach = jnp.where(better, jnp.where(length >= reach, 4 * reach, reach), jnp.maximum(reach / 4, 1.0))
        bounds = jax.lax.dynamic_update_slice(bounds, jnp.stack([at_zero, at_one]), (2 * i,))
        return two._replace(model=kept), reach, bounds

    return jax.lax.fori_loop(0, cycles, cycle, (state, reach, jnp.zeros(2 * CYCLES)))


def _parameters(state: State) -> tuple[Array, Array, Array]:
    decoder: Any = state.model.likelihood
    return decoder.weight, decoder.bias, decoder.log_scale


def _model(parameters: tuple[Array, Array, Array], floor: Any) -> LinearGaussianModel:
    weight, bias, log_scale = parameters
    return LinearGaussianModel.of(weight, bias, jnp.maximum(log_scale, 0.5 * jnp.log(floor)))


def _jump(zero: Any, one: Any, two: Any, reach: Array) -> tuple[Any, Array]:
    """`p_0 + 2 a r + a^2 v` with r = p_1 - p_0, v = p_2 - 2 p_1 + p_0 and a = |r| / |v| in [1, reach]."""
    r = jax.tree.map(jnp.subtract, one, zero)
    v = jax.tree.map(lambda c, b, a: c - 2 * b + a, two, one, zero)
    a = jnp.clip(jnp.nan_to_num(optax.tree.norm(r) / optax.tree.norm(v), nan=1.0), 1.0, reach)
    return jax.tree.map(lambda p, r, v: p + 2 * a * r + a**2 * v, zero, r, v), a


def _tiles(data: Batch) -> Batch:
    """The rows in tiles of one shape; padding has weight 0."""
    n = len(data.y)
    count = -(-n // TILE)
    size = -(-n // count)

    def laid(a: Any) -> Array:
        padded = np.concatenate([np.asarray(a), np.zeros((count * size - n, *np.shape(a)[1:]), np.asarray(a).dtype)])
        return placed(padded.reshape(count, size, *padded.shape[1:]))

    y, mask, weight = jax.tree.map(laid, (data.y, data.mask, data.weight))
    return Batch(y, None, mask, weight, None)
