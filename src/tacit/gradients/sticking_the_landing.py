"""The pathwise gradient without its score term."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._draws import each
from tacit.gradients.pathwise import check_pathwise


class StickingTheLanding(AbstractGradient):
    """Differentiate through the draws, with the parameters of q inside log q held fixed; S evaluations.

    What is left out, `E_q[grad log q(z)]`, is zero for the ELBO, and without it the gradient of q has no variance
    where q is the posterior. Unbiased for the ELBO (with a closed divergence it is just `Pathwise`), *not*
    for IWAE: use `DoublyReparameterised` there. Source: Roeder et al. 2017, section 3.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import DiagonalNormal
    >>> q, p = (lambda m: DiagonalNormal(m, jnp.zeros(1))), DiagonalNormal(jnp.zeros(1), jnp.zeros(1))
    >>> log_weight = lambda q, z: p.log_prob(z) - q.log_prob(z)
    >>> estimate = lambda m: StickingTheLanding()(jax.random.key(0), q(m), log_weight, jnp.mean, 1, None, Memory())[0]
    >>> print(jax.grad(estimate)(jnp.zeros(1)))
    [0.]
    """

    unbiased: ClassVar[bool] = True

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_pathwise(q, "StickingTheLanding")

    def check_objective(self, objective: Any) -> None:
        if not objective.splits_kl:
            what = "sticking the landing is biased for an importance-weighted bound."
            raise UsageError(what, where="gradient", mend="Use 'doubly-reparameterised' or 'pathwise'.")

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
        draws = jax.vmap(q.sample)(jax.random.split(key, num_samples))
        fixed = stopped(q)
        return combine(each(lambda z: log_weight(fixed, z), draws)), memory.running


def stopped(q: Any) -> Any:
    """q with parameters that have no gradient."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, q)
