"""Reweighted wake-sleep: q follows the weighted draws, not the bound."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._score import check_samples, draw, stop


class ReweightedWakeSleep(AbstractGradient):
    """`sum_s (w_s / sum_r w_r - 1/S) grad log q(z_s)` for q, the usual gradient for the model; S evaluations.

    It is not the gradient of the bound: q goes down `KL(p(z|y) || q)`, whose gradient is the limit for many draws, so
    q covers the posterior, and gets better as S grows where that of `combine` drowns in noise. The 1/S has mean 0 and
    leaves no variance where q is the exact posterior. The objective is the importance-weighted bound. For latents of
    any kind; 2 draws or more. Sources: Bornschein and Bengio 2015 (the wake phase of q); Le et al. 2019.

    >>> from tacit.distributions import Bernoulli
    >>> from tacit.objectives import IWAE
    >>> estimate = lambda a: ReweightedWakeSleep()(
    ...     jax.random.key(0), Bernoulli(a), lambda q, z: jnp.sum(z) - q.log_prob(z), IWAE().combine, 4, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.ones(2)).round(4))  # logits of 1 are the posterior
    [0. 0.]
    """

    unbiased: ClassVar[bool] = False

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_samples(num_samples, 2, "ReweightedWakeSleep")

    def check_objective(self, objective: Any) -> None:
        if objective.splits_kl:
            what = "the weights of reweighted wake-sleep are those of the importance-weighted bound."
            mend = "Use the objective IWAE(), in estimators objective='iwae'."
            raise UsageError(what, where="gradient", mend=mend)

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
        share = jax.nn.softmax(stop(log_w)) - 1 / num_samples
        log_q = jax.vmap(q.log_prob)(draws)
        return combine(log_w) + jnp.sum(share * (log_q - stop(log_q))), memory.running
