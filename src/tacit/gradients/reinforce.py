"""REINFORCE, with a baseline or without."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution, AbstractReparameterised
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._score import check_scored, draw, with_scores
from tacit.gradients.baselines import AbstractBaseline, ConstantBaseline

stop = jax.lax.stop_gradient


class Reinforce(AbstractGradient):
    """`1/S sum_s (log w_s - b) grad log q(z_s)`, with a baseline b that does not depend on the draws.

    For any `combine` it is `sum_s (L - L_s) grad log q(z_s)`, with the log-weight of draw s replaced in L_s by b: the
    formula above for the mean. Unbiased; S evaluations. Without a baseline b is 0. For normal latents too, where
    `StickingTheLanding` has less variance. Sources: Williams 1992; Mnih and Gregor 2014.

    >>> from tacit.distributions import Categorical
    >>> estimate = lambda a: Reinforce(ConstantBaseline(2.0))(
    ...     jax.random.key(0), Categorical(a), lambda q, z: jnp.asarray(2.0), jnp.mean, 1, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.zeros(2)))
    [0. 0.]
    """

    unbiased: ClassVar[bool] = True
    baseline: AbstractBaseline = ConstantBaseline(0.0)

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        if not isinstance(q, AbstractReparameterised):
            check_scored(q, "Reinforce")

    def init(self, key: Key, context: PyTree) -> Memory:
        return self.baseline.init(key, context)

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
        draws, log_w = draw(key, q, log_weight, num_samples)
        b, reward = stop(self.baseline(context, memory)), stop(jnp.mean(log_w))
        value = with_scores(q, draws, log_w, combine, jnp.full(num_samples, b, log_w.dtype))
        loss = self.baseline.loss(context, memory, reward)
        return value + stop(loss) - loss, self.baseline.update(memory, reward)
