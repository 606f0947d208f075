"""Normals about modes of a row's posterior: where they are, by Newton's steps, and which draws lead to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import MultivariateNormal

MOST_MODES, MODERATE, FEWER = 4, 16, 2  # modes sought; with more latents than so many, and of complete rows, fewer
STEPS, LEAST = 12, 1e-3  # Newton steps, until they gain less
SIZES = (
    0.0,
    0.001,
    0.003,
    0.01,
    0.03,
    0.1,
    0.25,
    0.5,
    1.0,
)  # of a step; counts far above their rates ask for small ones
FLATTEST, STEEPEST = 0.25, 1e12  # curvatures; that of a standard normal is 1
WIDER = 1.5  # over the root of the number of latents: by so much of itself the variance is above what H says
AT_ONCE = 8  # rows of a Hessian
BETWEEN, VALLEY = (0.25, 0.5, 0.75), 0.1  # places on the way from a draw to a mode; the least depth of a valley


class Modes(eqx.Module):
    """Normals about modes, `sum_k s_k N(z; m_k, S_k)`. Fields: `normals`, k of them, and `log_shares` (k,)."""

    normals: MultivariateNormal
    log_shares: Float[Array, " k"]

    def log_prob(self, z: Array) -> Scalar:
        """The log density."""
        each = jax.vmap(lambda normal: normal.log_prob(z))(self.normals)
        return jax.nn.logsumexp(jnp.where(jnp.isfinite(self.log_shares), each + self.log_shares, -jnp.inf))

    def sample(self, key: Key) -> Array:
        """A draw."""
        key_part, key_draw = jax.random.split(key)
        part = jax.random.categorical(key_part, self.log_shares)
        return jax.tree.map(lambda leaf: leaf[part], self.normals).sample(key_draw)


class _Search(NamedTuple):
    """Modes found so far, their masses (-inf of those to come), and draws, which may lie on a hill not found yet."""

    count: Array
    normals: MultivariateNormal
    masses: Float[Array, " k"]
    draws: Float[Array, "p l"]
    heights: Float[Array, " p"]
    left: Array


def about_modes(
    start: Float[Array, " l"], draws: Float[Array, "p l"], log_joint: Callable[[Array], Scalar], *, holes: bool
) -> Modes:
    """Normals about modes of `log p(y, z)` in z, in shares by the roots of the masses that they would have.

    The first is sought from `start`. A draw lies on the hill of a mode where the way to it has no valley; the next
    start is the likeliest draw on no hill yet, until there is none. Of rows with `holes` more modes are sought, and the
    draws are lifted by a step along the curvature of each mode before. Source: the valleys, Ursem 1999.
    """
    latents = len(start)
    most = MOST_MODES if holes and latents <= MODERATE else FEWER
    heights = _or_none(jax.vmap(log_joint)(draws))

    def seek(found: _Search) -> _Search:
        first, chosen = found.count == 0, jnp.argmax(jnp.where(found.left, found.heights, -jnp.inf))
        normal, mass, height = laplace(jnp.where(first, start, found.draws[chosen]), log_joint)
        covariance = normal.covariance

        def lifted(z: Array) -> tuple[Array, Scalar]:
            return _best_step(log_joint, z, covariance @ jax.grad(log_joint)(z))

        draws, heights = jax.vmap(lifted)(found.draws) if holes else (found.draws, found.heights)
        ways = draws + jnp.asarray(BETWEEN, draws.dtype)[:, None, None] * (normal.loc - draws)
        lowest = _or_none(jax.vmap(jax.vmap(log_joint))(ways)).min(axis=0)
        left = (
            found.left & (lowest < jnp.minimum(heights, height) - VALLEY) & (first | (jnp.arange(len(draws)) != chosen))
        )
        normals = jax.tree.map(lambda all, one: all.at[found.count].set(one), found.normals, normal)
        masses = found.masses.at[found.count].set(mass)
        return _Search(found.count + 1, normals, masses, draws, heights, left)

    blank = MultivariateNormal(
        jnp.zeros((most, latents), draws.dtype), jnp.zeros((most, latents, latents), draws.dtype)
    )
    begin = _Search(
        jnp.zeros((), int), blank, jnp.full(most, -jnp.inf, draws.dtype), draws, heights, jnp.isfinite(heights)
    )

    def more(found: _Search) -> Array:
        return (found.count == 0) | ((found.count < most) & jnp.any(found.left))

    found = jax.lax.while_loop(more, seek, begin)
    return Modes(found.normals, jax.nn.log_softmax(0.5 * found.masses))


class _Climb(NamedTuple):
    """Whether the last step gained, where it led, how high; and the point before it with its height and curvature."""

    steps: Array
    gains: Array
    to: Array
    best: Array
    z: Array
    height: Array
    values: Array
    vectors: Array


def laplace(
    start: Float[Array, " l"], log_joint: Callable[[Array], Scalar]
) -> tuple[MultivariateNormal, Scalar, Scalar]:
    """The Laplace approximation `N(z*, (-H)^-1)`, made wider, about the mode z* that Newton's steps come to.

    H is the Hessian of `log_joint` at z*, its eigenvalues taken without their signs and .25 at least, so every step
    goes uphill; the best size of a step is taken, or none. Where H is not finite it is the least. The variance is
    `wider(l)` times as large, for tails; more in many dimensions would leave few draws any weight. With it come the
    mass `log p(y, z*) + 1/2 log det S`, up to a constant, and `log p(y, z*)`. Sources: Tierney and Kadane 1986; of the
    signs Dauphin et al. 2014.
    """
    latents = len(start)
    basis = jnp.eye(-(-latents // AT_ONCE) * AT_ONCE, latents, dtype=start.dtype)

    def climb(now: _Climb) -> _Climb:
        z = now.to
        slope, push = jax.linearize(jax.grad(log_joint), z)
        rows = jax.lax.map(push, basis, batch_size=AT_ONCE)[:latents]
        hessian = jnp.where(jnp.all(jnp.abs(rows) < STEEPEST), 0.5 * (rows + rows.T), 0.0)
        values, vectors = jnp.linalg.eigh(hessian)
        values = jnp.maximum(jnp.abs(values), FLATTEST)
        uphill = vectors @ ((vectors.T @ slope) / values)
        to, best = _best_step(log_joint, z, uphill)
        return _Climb(now.steps + 1, best - now.best > LEAST, to, best, z, now.best, values, vectors)

    at_start = _or_none(log_joint(start))
    begin = _Climb(jnp.zeros((), int), jnp.ones((), bool), start, at_start, start, at_start, start, basis[:latents])
    end = jax.lax.while_loop(lambda now: now.gains & (now.steps < STEPS), climb, begin)
    # the Cholesky factor of V diag(1 / v) V', of which forming the matrix would lose the smallest scales
    upper = jnp.linalg.qr((end.vectors * jnp.sqrt(wider(latents) / end.values)).T, mode="r")
    scale_tril = upper.T * jnp.sign(jnp.diagonal(upper))
    scales = jnp.log(jnp.diagonal(scale_tril))
    normal = MultivariateNormal(end.z, jnp.where(jnp.eye(latents, dtype=bool), scales, scale_tril))
    return normal, jnp.maximum(end.height, -1e30) + jnp.sum(scales), end.height


def _best_step(log_joint: Callable[[Array], Scalar], z: Array, uphill: Array) -> tuple[Array, Scalar]:
    """The best of steps of several sizes and of none, and its height; none where `uphill` is not finite."""
    tried = z + jnp.asarray(SIZES, z.dtype)[:, None] * jnp.where(jnp.all(jnp.isfinite(uphill)), uphill, 0.0)
    heights = _or_none(jax.vmap(log_joint)(tried))
    best = jnp.argmax(heights)
    return tried[best], heights[best]


def wider(latents: int) -> float:
    """The variance of a normal about a mode, of what the curvature there says.

    >>> wider(1), wider(9)
    (2.5, 1.5)
    """
    return 1 + WIDER / latents**0.5


def _or_none(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """-inf in place of what is not finite."""
    return jnp.where(jnp.isfinite(values), values, -jnp.inf)
