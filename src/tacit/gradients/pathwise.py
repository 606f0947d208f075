"""The pathwise ("reparameterisation") gradient."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution, AbstractReparameterised
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._draws import each


class Pathwise(AbstractGradient):
    """Differentiate through the draws, `z = g(noise; phi)`: `grad combine(log w(z_1), ..., log w(z_S))`.

    Unbiased for any smooth log-weight; S evaluations. Source: Kingma and Welling 2014, section 2.4.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import DiagonalNormal
    >>> q = lambda m: DiagonalNormal(m, jnp.zeros(1))
    >>> arguments = (lambda q, z: 3.0 * z[0]), jnp.mean, 4, None, Memory()
    >>> estimate = lambda m: Pathwise()(jax.random.key(0), q(m), *arguments)[0]
    >>> print(jax.grad(estimate)(jnp.zeros(1)))
    [3.]
    """

    unbiased: ClassVar[bool] = True

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_pathwise(q, "Pathwise")

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
        return combine(each(lambda z: log_weight(q, z), draws)), memory.running


def check_pathwise(q: AbstractDistribution, where: str) -> None:
    """Raise `UsageError` where draws of q cannot be differentiated."""
    if not isinstance(q, AbstractReparameterised):
        mend = "Use the gradient of a discrete latent, such as Enumeration."
        raise UsageError("draws of this latent cannot be differentiated.", where=where, mend=mend)
