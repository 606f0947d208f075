"""Where z is drawn for a row that q knows little of: a normal fitted to weighted draws, in equal shares with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions import DiagonalNormal, MultivariateNormal

PILOT, ROUNDS = 128, 4  # draws that the normal is fitted to, and how often
WIDER, LEAST = 1.5, 1.0  # its variance, of theirs; and of that of q, at least
MOST_JOINT = 16  # latents that have a covariance there


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
    """Whether a normal can stand beside q: where z is a vector of numbers."""
    return isinstance(q, DiagonalNormal | MultivariateNormal)


def fitted(
    keys: Sequence[Key], q: Any, prior: Any, log_joint: Callable[[Array], Scalar]
) -> DiagonalNormal | MultivariateNormal:
    """A normal with the weighted mean and covariance of draws of q, of the prior and of the normal before it.

    It is fitted anew with every key; `log_joint` is log p(y, z) in z. Source: Cornuet et al. 2012.
    """
    shares = Shares((q, prior))
    for key in keys:
        z = jax.vmap(shares.sample_of)(jax.random.split(key, PILOT), jnp.arange(PILOT))
        log_w = jax.vmap(lambda z, m=shares: log_joint(z) - m.log_prob(z))(z)
        shares = Shares((q, prior, normal_about(z, log_w, q)))
    normal: DiagonalNormal | MultivariateNormal = shares.parts[-1]
    return normal


def normal_about(z: Float[Array, "s l"], log_w: Float[Array, " s"], q: Any) -> DiagonalNormal | MultivariateNormal:
    """A normal about weighted draws, wider than they and than q; about q where none of them is possible."""

    def normal(loc: Array, share: Array) -> DiagonalNormal | MultivariateNormal:
        least, off = LEAST * q.variance, z - loc
        if z.shape[1] > MOST_JOINT:
            return DiagonalNormal(loc, 0.5 * jnp.log(WIDER * (least + share @ off**2)))
        return MultivariateNormal.from_covariance(loc, WIDER * (jnp.diag(least) + (share[:, None] * off).T @ off))

    share = jax.nn.softmax(log_w)
    found, instead = normal(share @ z, share), normal(q.loc, jnp.zeros_like(log_w))
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(found)]))
    return jax.tree.map(lambda new, old: jnp.where(finite, new, old), found, instead)
