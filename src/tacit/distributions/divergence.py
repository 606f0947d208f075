"""Kullback-Leibler divergences in closed form, by the kinds of the two distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from tacit._errors import UsageError
from tacit._typing import Scalar
from tacit.distributions._base import AbstractDistribution
from tacit.distributions.categorical import Categorical
from tacit.distributions.concrete import Concrete
from tacit.distributions.concrete_kl import concrete_kl
from tacit.distributions.normal import DiagonalNormal


def kl_divergence(q: AbstractDistribution, p: AbstractDistribution) -> Scalar:
    """`KL(q || p) = E_q[log q(z) - log p(z)]`, in nats; raises `UsageError` where no closed form is known.

    >>> q, p = (Categorical(jnp.log(jnp.array(probs))) for probs in ([0.5, 0.5], [0.25, 0.75]))
    >>> round(float(kl_divergence(q, p)), 4)
    0.1438
    """
    for (kind_q, kind_p), divergence in DIVERGENCES.items():
        if isinstance(q, kind_q) and isinstance(p, kind_p):
            return divergence(q, p)
    what = f"KL({type(q).__name__} || {type(p).__name__}) has no closed form here."
    raise UsageError(what, mend="Take the divergence by samples.")


def _categorical(q: Categorical, p: Categorical) -> Scalar:
    """`sum_k q_k (log q_k - log p_k)`."""
    log_q, log_p = q.log_probs(), p.log_probs()
    return jnp.sum(jnp.exp(log_q) * (log_q - log_p))


def _normal(q: DiagonalNormal, p: DiagonalNormal) -> Scalar:
    """`1/2 sum (s_q² + (m_q - m_p)²) / s_p² - 1 - log s_q² / s_p²`."""
    log_ratio = q.log_scale - p.log_scale
    return 0.5 * jnp.sum(jnp.exp(2 * log_ratio) + (q.loc - p.loc) ** 2 / p.variance - 1 - 2 * log_ratio)


DIVERGENCES: dict[tuple[type, type], Callable[[Any, Any], Scalar]] = {
    (Categorical, Categorical): _categorical,
    (Concrete, Concrete): concrete_kl,
    (DiagonalNormal, DiagonalNormal): _normal,
}
