"""Where z is drawn of a row: normals about modes of its own posterior, in equal shares with q."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import DiagonalNormal, MultivariateNormal

MOST_LATENTS = 64  # an eigenvalue decomposition of so many rows and columns in every step
PILOTS = 16  # draws, of which the likeliest is the second start
STEPS, SIZES = 12, 6  # Newton steps, each of the best of so many sizes: 1, 1/2, ...
FLATTEST, STEEPEST = 0.25, 1e12  # curvatures; that of a standard normal is 1
WIDER = 1.5  # over the root of the number of latents: by so much of itself the variance is above what H says
AT_ONCE = 8  # rows of a Hessian


class Shares(eqx.Module):
    """Distributions in equal shares, `m(z) = mean_i m_i(z)`; they may be of different kinds."""

    parts: tuple[Any, ...]

    def log_prob(self, z: Array) -> Scalar:
        """`log m(z)`."""
        return jax.nn.logsumexp(jnp.stack([part.log_prob(z) for part in self.parts])) - jnp.log(float(len(self.parts)))

    def sample_of(self, key: Key, number: Array) -> Array:
        """A draw of the part of this number, counted round and round."""
        drawn = [part.sample(key) for part in self.parts]
        return jnp.select([number % len(drawn) == i for i in range(len(drawn))], drawn)

    def sample(self, key: Key) -> Array:
        """A draw of m."""
        key_part, key_draw = jax.random.split(key)
        return self.sample_of(key_draw, jax.random.randint(key_part, (), 0, len(self.parts)))


def fits(q: Any) -> bool:
    """Whether normals about modes can stand beside q: where z is a vector of not too many numbers."""
    return isinstance(q, DiagonalNormal | MultivariateNormal) and q.loc.shape[-1] <= MOST_LATENTS


def with_modes(key: Key, q: Any, prior: Any, log_joint: Callable[[Array], Scalar]) -> Any:
    """q and two normals about modes, in equal shares; q alone where none can stand beside it."""
    return Shares((q, *about_modes(key, q, prior, log_joint))) if fits(q) else q


def about_modes(
    key: Key, q: Any, prior: Any, log_joint: Callable[[Array], Scalar]
) -> tuple[MultivariateNormal, MultivariateNormal]:
    """Two normals about modes of `log p(y, z)` in z: from the mean of q, and from the likeliest of some draws.

    The draws are of q and of the prior in turn.
    """
    draws = jax.vmap(Shares((q, prior)).sample_of)(jax.random.split(key, PILOTS), jnp.arange(PILOTS))
    starts = jnp.stack([q.loc, draws[jnp.argmax(_or_none(jax.vmap(log_joint)(draws)))]])
    found = jax.vmap(lambda start: laplace(start, log_joint))(starts)
    first, second = (jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in range(2))
    return first, second


def laplace(start: Float[Array, " l"], log_joint: Callable[[Array], Scalar]) -> MultivariateNormal:
    """The Laplace approximation `N(z*, (-H)^-1)`, made wider, about the mode z* that Newton's steps come to.

    H is the Hessian of `log_joint` at z*, its eigenvalues taken without their signs and .25 at least, so every step
    goes uphill; the best size of a step is taken, or none. Where H is not finite it is the least. The variance is
    `wider(l)` times as large, for tails; more in many dimensions would leave few draws any weight. Sources: Tierney and
    Kadane 1986; of the signs Dauphin et al. 2014.
    """
    gradient = jax.grad(log_joint)
    sizes = jnp.concatenate([jnp.zeros(1), 0.5 ** jnp.arange(SIZES)])

    def curvature(z: Array) -> tuple[Array, Array]:
        rows = jax.lax.map(
            lambda e: jax.jvp(gradient, (z,), (e,))[1], jnp.eye(len(z), dtype=z.dtype), batch_size=AT_ONCE
        )
        hessian = jnp.where(jnp.all(jnp.abs(rows) < STEEPEST), 0.5 * (rows + rows.T), 0.0)
        values, vectors = jnp.linalg.eigh(hessian)
        return jnp.maximum(jnp.abs(values), FLATTEST), vectors

    def step(z: Array, _: None) -> tuple[Array, tuple[Array, Array, Array]]:
        values, vectors = curvature(z)
        uphill = vectors @ ((vectors.T @ gradient(z)) / values)
        tried = z + sizes.astype(z.dtype)[:, None] * jnp.where(jnp.all(jnp.isfinite(uphill)), uphill, 0.0)
        return tried[jnp.argmax(_or_none(jax.vmap(log_joint)(tried)))], (z, values, vectors)

    _, passed = jax.lax.scan(step, start, length=STEPS)
    z, values, vectors = (each[-1] for each in passed)
    # the Cholesky factor of V diag(1 / v) V', of which forming the matrix would lose the smallest scales
    upper = jnp.linalg.qr((vectors * jnp.sqrt(wider(len(z)) / values)).T, mode="r")
    scale_tril = upper.T * jnp.sign(jnp.diagonal(upper))
    scales = jnp.log(jnp.diagonal(scale_tril))
    return MultivariateNormal(z, jnp.where(jnp.eye(len(z), dtype=bool), scales, scale_tril))


def wider(latents: int) -> float:
    """The variance of a normal about a mode, of what the curvature there says.

    >>> wider(1), wider(9)
    (2.5, 1.5)
    """
    return 1 + WIDER / latents**0.5


def _or_none(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """-inf in place of what is not finite."""
    return jnp.where(jnp.isfinite(values), values, -jnp.inf)
