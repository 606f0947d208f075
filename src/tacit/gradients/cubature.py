"""The gradient without draws, by points about the mean of a normal q."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution, DiagonalNormal, MultivariateNormal
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory


class Cubature(AbstractGradient):
    """`1/(2m) sum_j log w(m_q + sqrt(m) L e_j) + log w(m_q - sqrt(m) L e_j)`: 2 m evaluations for m dimensions.

    L is the Cholesky factor of the covariance of q. Exact, without noise, where the log-weight is a polynomial of
    degree 3 or less in z, as that of a linear-Gaussian model is; elsewhere an approximation, so that it counts as
    biased. It is the expectation of one draw, so `combine` is that of the ELBO. Source: Arasaratnam and Haykin 2009.

    >>> q = DiagonalNormal(jnp.zeros(2), jnp.log(jnp.array([1.0, 2.0])))
    >>> value, _ = Cubature()(jax.random.key(0), q, lambda q, z: jnp.sum(z**2), jnp.mean, 1, None, Memory())
    >>> round(float(value), 4)
    5.0
    """

    unbiased: ClassVar[bool] = False

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        if not isinstance(q, DiagonalNormal | MultivariateNormal):
            what = f"the points are those of a normal, not of {type(q).__name__}."
            raise UsageError(what, where="Cubature", mend="Use the gradient of a discrete latent, such as Enumeration.")
        if num_samples != 1:
            mend = "Use num_samples=1, or a sampled gradient for importance-weighted bounds."
            raise UsageError("the points give the expectation of one draw.", where="Cubature", mend=mend)

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
        m = q.loc.shape[0]
        factor = q.scale_tril if isinstance(q, MultivariateNormal) else jnp.diag(jnp.exp(q.log_scale))
        steps = jnp.sqrt(float(m)) * factor.T
        points = q.loc + jnp.concatenate([steps, -steps])
        return jnp.mean(jax.vmap(lambda z: combine(log_weight(q, z)[None]))(points)), memory.running
