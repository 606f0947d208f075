"""The Gumbel-softmax gradient: that of the relaxed objective."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
from jaxtyping import Float, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import check_temperature, event_of, log_shares, valued
from tacit.gradients._draws import each
from tacit.gradients._score import check_discrete


class GumbelSoftmax(AbstractGradient):
    """`grad combine(log w(r_1), ..., log w(r_S))`, with relaxed `r = softmax((log q + Gumbel noise) / temperature)`.

    **Biased**, for q and for the model: it is the gradient of an objective whose latent is relaxed. The value is that
    of the discrete events, the largest entries of r, so that histories and validation show the objective itself.
    Small temperatures have little bias and much variance. For Categorical, Categoricals and Bernoulli latents; the
    likelihood must accept relaxed events, shares inside (0, 1). 2 S evaluations, the derivative of S of them.
    Source: Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import Categorical
    >>> estimate = lambda a: GumbelSoftmax(0.5)(
    ...     jax.random.key(0), Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Memory()
    ... )
    >>> print(estimate(jnp.zeros(2))[0])  # of a discrete event: 0 or 4
    4.0
    """

    unbiased: ClassVar[bool] = False
    temperature: float | Scalar = 0.5

    def __check_init__(self) -> None:
        check_temperature(self.temperature, "GumbelSoftmax")

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, "GumbelSoftmax")

    def evaluations(self, q: Any, num_samples: int) -> int:
        return 2 * num_samples

    def __call__(
        self,
        key: Key,
        q: Any,
        log_weight: LogWeight,
        combine: Combine,
        num_samples: int,
        context: PyTree,
        memory: Memory,
    ) -> tuple[Scalar, PyTree]:
        shares = log_shares(q)
        z = shares + jax.random.gumbel(key, (num_samples, *shares.shape), shares.dtype)

        def total(rows: Float[Array, "s d k"]) -> Scalar:
            return combine(each(lambda row: log_weight(q, event_of(q, row)), rows))

        hard = jax.nn.one_hot(z.argmax(axis=-1), z.shape[-1], dtype=z.dtype)
        return valued(total(hard), total(jax.nn.softmax(z / self.temperature, axis=-1))), memory.running
