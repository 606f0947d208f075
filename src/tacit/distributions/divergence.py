"""Kullback-Leibler divergences in closed form, by the kinds of the two distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Scalar
from tacit.distributions._base import AbstractDistribution
from tacit.distributions._cholesky import inverse_lower
from tacit.distributions._zeros import times
from tacit.distributions.bernoulli import Bernoulli
from tacit.distributions.categorical import Categorical
from tacit.distributions.categoricals import Categoricals
from tacit.distributions.concrete import Concrete
from tacit.distributions.concrete_kl import concrete_kl
from tacit.distributions.concretes import Concretes
from tacit.distributions.multivariate_normal import MultivariateNormal
from tacit.distributions.normal import DiagonalNormal


def kl_divergence(q: AbstractDistribution, p: AbstractDistribution) -> Scalar:
    """`KL(q || p) = E_q[log q(z) - log p(z)]`, in nats; raises `UsageError` where no closed form is known.

    >>> q, p = (Categorical(jnp.log(jnp.array(probs))) for probs in ([0.5, 0.5], [0.25, 0.75]))
    >>> round(float(kl_divergence(q, p)), 4)
    0.1438
    """
    return jnp.sum(kl_factors(q, p))


def kl_factors(q: AbstractDistribution, p: AbstractDistribution) -> Float[Array, " j"]:
    """The divergences of the j independent factors of q and p, which add up to `KL(q || p)`, in nats.

    >>> q, p = (Bernoulli(jnp.array(logits)) for logits in ([0.0, 0.0], [0.0, 2.0]))
    >>> [round(float(v), 4) for v in kl_factors(q, p)]
    [0.0, 0.4338]
    """
    for (kind_q, kind_p), divergence in DIVERGENCES.items():
        if isinstance(q, kind_q) and isinstance(p, kind_p):
            return jnp.atleast_1d(divergence(q, p))
    what = f"KL({type(q).__name__} || {type(p).__name__}) has no closed form here."
    raise UsageError(what, mend="Take the divergence by samples.")


def _categories(q: Categorical | Categoricals, p: Categorical | Categoricals) -> Array:
    """`sum_k q_k (log q_k - log p_k)`, of every factor."""
    log_q, log_p = jax.nn.log_softmax(q.logits), jax.nn.log_softmax(p.logits)
    return jnp.sum(times(jnp.exp(log_q), log_q - log_p), axis=-1)


def _bernoulli(q: Bernoulli, p: Bernoulli) -> Array:
    """`q (a_q - a_p) - log(1 + exp a_q) + log(1 + exp a_p)`, with logits a."""
    return q.probs * (q.logits - p.logits) - jax.nn.softplus(q.logits) + jax.nn.softplus(p.logits)


def _concretes(q: Concretes, p: Concretes) -> Array:
    return jax.vmap(lambda a, b: concrete_kl(q.factor(a), p.factor(b)))(q.logits, p.logits)


def _normal(q: DiagonalNormal, p: DiagonalNormal) -> Array:
    """`1/2 ((s_q² + (m_q - m_p)²) / s_p² - 1 - log s_q² / s_p²)`."""
    log_ratio = q.log_scale - p.log_scale
    return 0.5 * (jnp.exp(2 * log_ratio) + (q.loc - p.loc) ** 2 / p.variance - 1 - 2 * log_ratio)


def _multivariate(q: MultivariateNormal | DiagonalNormal, p: MultivariateNormal | DiagonalNormal) -> Array:
    """`1/2 (|L_p^-1 L_q|² + |L_p^-1 (m_q - m_p)|² - d) + log det L_p - log det L_q`, with Cholesky factors L."""
    factor_q, factor_p = _factor(q), _factor(p)
    inverse = inverse_lower(factor_p)
    spread, shift = inverse @ factor_q, inverse @ (q.loc - p.loc)
    log_ratio = jnp.log(jnp.diagonal(factor_p)) - jnp.log(jnp.diagonal(factor_q))
    return jnp.sum(0.5 * (jnp.sum(spread**2, axis=-1) + shift**2 - 1) + log_ratio)


def _factor(q: MultivariateNormal | DiagonalNormal) -> Array:
    """The Cholesky factor of the covariance."""
    return q.scale_tril if isinstance(q, MultivariateNormal) else jnp.diag(jnp.exp(q.log_scale))


DIVERGENCES: dict[tuple[type, type], Callable[[Any, Any], Array]] = {
    (Categorical, Categorical): _categories,
    (Categoricals, Categoricals): _categories,
    (Bernoulli, Bernoulli): _bernoulli,
    (Concrete, Concrete): concrete_kl,
    (Concretes, Concretes): _concretes,
    (DiagonalNormal, DiagonalNormal): _normal,
    (MultivariateNormal, MultivariateNormal): _multivariate,
    (MultivariateNormal, DiagonalNormal): _multivariate,
    (DiagonalNormal, MultivariateNormal): _multivariate,
}
