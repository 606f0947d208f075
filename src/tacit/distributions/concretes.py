"""Independent relaxed categories: what a discrete code of several digits is relaxed to."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractReparameterised
from tacit.distributions.concrete import Concrete


class Concretes(AbstractReparameterised):
    """D independent Concrete variables of K states; the event is u = log z, (d, k), one simplex a row.

    `log kappa(u) = sum_d log kappa_d(u_d)`, in nats: see `Concrete`. Fields: `logits` (d, k); `log_temperature` (),
    that of all of them.

    >>> relaxed = Concretes(jnp.zeros((3, 2)), jnp.log(0.5))
    >>> u = relaxed.sample(jax.random.key(0))
    >>> u.shape, bool(jnp.allclose(jax.nn.logsumexp(u, axis=1), 0.0, atol=1e-6))
    ((3, 2), True)
    """

    logits: Float[Array, "*m d k"]
    log_temperature: Float[Array, "*m"]

    @property
    def temperature(self) -> Float[Array, "*m"]:
        """tau, which divides: small ones are near the corners of the simplex."""
        return jnp.exp(self.log_temperature)

    def factor(self, logits: Float[Array, " k"]) -> Concrete:
        """The factor with these logits."""
        return Concrete(logits, self.log_temperature)

    def sample(self, key: Key) -> Float[Array, "d k"]:
        keys = jax.random.split(key, self.logits.shape[0])
        return jax.vmap(lambda key, logits: self.factor(logits).sample(key))(keys, self.logits)

    def log_prob(self, event: Float[Array, "d k"]) -> Scalar:
        return jnp.sum(jax.vmap(lambda logits, u: self.factor(logits).log_prob(u))(self.logits, event))
