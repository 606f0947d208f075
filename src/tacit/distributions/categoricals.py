"""Independent categories: the latent of a discrete code of several digits."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractEnumerable
from tacit.distributions._zeros import times


class Categoricals(AbstractEnumerable):
    """D independent categories of K states each; the event is one-hot in every row, (d, k).

    `log p(z) = sum_d z_d · log_softmax(logits_d)`, in nats, linear in every z_d. It has K^D states: `support`
    lists them, so only small ones can be listed. Field: `logits` (d, k).

    >>> code = Categoricals(jnp.log(jnp.array([[0.25, 0.75], [0.5, 0.5]])))
    >>> code.n_states, code.support().shape
    (4, (4, 2, 2))
    >>> round(float(jax.nn.logsumexp(code.log_probs())), 5)
    0.0
    """

    logits: Float[Array, "*m d k"]

    def sample(self, key: Key) -> Float[Array, "d k"]:
        codes = jax.random.categorical(key, self.logits)
        return jax.nn.one_hot(codes, self.logits.shape[-1], dtype=self.logits.dtype)

    def log_prob(self, event: Float[Array, "d k"]) -> Scalar:
        return jnp.sum(times(event, jax.nn.log_softmax(self.logits)))

    @property
    def n_states(self) -> int:
        d, k = self.logits.shape[-2:]
        return int(k**d)

    def support(self) -> Float[Array, "s d k"]:
        d, k = self.logits.shape
        codes = np.array(list(itertools.product(range(k), repeat=d)))
        return jnp.asarray(np.eye(k)[codes], self.logits.dtype)

    def log_probs(self) -> Float[Array, " s"]:
        return jax.vmap(self.log_prob)(self.support())
