"""The doubly reparameterised gradient of importance-weighted bounds."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._draws import each
from tacit.gradients.pathwise import check_pathwise
from tacit.gradients.sticking_the_landing import stopped


class DoublyReparameterised(AbstractGradient):
    """`sum_s c_s dlog w_s/dz_s dz_s/dphi` for q, the usual gradient for the model; S evaluations.

    For IWAE `c_s = w_s² / (sum_r w_r)²`: the score term is turned into a pathwise one by a second reparameterisation,
    and unlike that of `Pathwise` the gradient of q does not drown in noise as S grows. For any `combine` F of the
    log-weights `c_s = dF/dl_s - d²F/dl_s²`, which for the ELBO is 1/S: `StickingTheLanding`. Unbiased.
    Source: Tucker et al. 2019, equation 8.

    >>> from tacit.distributions import DiagonalNormal
    >>> from tacit.objectives import IWAE
    >>> q, p = (lambda m: DiagonalNormal(m, jnp.zeros(1))), DiagonalNormal(jnp.zeros(1), jnp.zeros(1))
    >>> arguments = (lambda q, z: p.log_prob(z) - q.log_prob(z)), IWAE().combine, 4, None, Memory()
    >>> estimate = lambda m: DoublyReparameterised()(jax.random.key(0), q(m), *arguments)[0]
    >>> print(jax.grad(estimate)(jnp.zeros(1)))
    [0.]
    """

    unbiased: ClassVar[bool] = True

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_pathwise(q, "DoublyReparameterised")

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
        fixed, still = stopped(q), jax.lax.stop_gradient
        log_w, slopes = each(jax.value_and_grad(lambda z: log_weight(fixed, z)), still(draws))
        settled = still(log_w)
        coefficients = jax.grad(combine)(settled) - jnp.diagonal(jax.hessian(combine)(settled))
        path = coefficients @ _rows(still(slopes) * draws)
        return combine(log_w) + path - still(path), memory.running


def _rows(values: Array) -> Array:
    """The sums over everything but the draws."""
    return jnp.sum(values.reshape(len(values), -1), axis=1)
