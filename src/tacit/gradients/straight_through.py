"""The straight-through gradient."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key
from tacit.gradients._straight import AbstractStraightThrough, softmax_slope


class StraightThrough(AbstractStraightThrough):
    """`sum_s (dp/da)' df/db_s`: the derivative in the one-hot events passed on to the probabilities p of q.

    **Biased** for q, unless f is linear in the event; unbiased for the model. For Categorical, Categoricals and
    Bernoulli latents; the likelihood must have a derivative in the event. S evaluations and their derivative.
    Source: Bengio, Léonard and Courville 2013.

    >>> import jax
    >>> from tacit.distributions import Categorical
    >>> from tacit.gradients import Memory
    >>> estimate = lambda a: StraightThrough()(
    ...     jax.random.key(0), Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.zeros(2)))  # exact: the log-weight is linear
    [-1.  1.]
    """

    def passed(
        self, key: Key, shares: Float[Array, "d k"], rows: Float[Array, "d k"], slope: Float[Array, "d k"]
    ) -> Float[Array, "d k"]:
        return softmax_slope(jnp.exp(shares), slope)
