"""The exact gradient, by listing the states of q."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.models.enumeration import check_listable


class Enumeration(AbstractGradient):
    """`sum_k q(e_k) log w(e_k)`, listed: exact, K evaluations, no draws.

    It is the expectation of one draw, so `combine` is that of the ELBO.

    >>> from tacit.distributions import Categorical
    >>> q = Categorical(jnp.log(jnp.array([0.25, 0.75])))
    >>> value, _ = Enumeration()(jax.random.key(0), q, lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Memory())
    >>> print(value)
    3.0
    """

    unbiased: ClassVar[bool] = True

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_listable(q, "Enumeration")
        if num_samples != 1:
            mend = "Use the ELBO with num_samples=1, or LeaveOneOut for importance-weighted bounds."
            raise UsageError("listing gives the expectation of one draw.", where="Enumeration", mend=mend)

    def evaluations(self, q: Any, num_samples: int) -> int:
        return int(q.n_states)

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
        def one(z: Array) -> Scalar:
            return combine(log_weight(q, z)[None])

        return jnp.sum(jnp.exp(q.log_probs()) * jax.vmap(one)(q.support())), memory.running
