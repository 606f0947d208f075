"""What estimators by the score function share: independent draws, and each draw's share of the objective."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Event, Key, Scalar
from tacit.distributions import AbstractDistribution, Bernoulli, Categorical, Categoricals, DiscreteChain
from tacit.gradients._base import Combine, LogWeight
from tacit.gradients._draws import each

DISCRETE = (Bernoulli, Categorical, Categoricals)
stop = jax.lax.stop_gradient


def check_scored(q: AbstractDistribution, where: str) -> None:
    """Raise `UsageError` where q is no discrete latent, of one layer or two: what estimators that ask only for draws of
    q and their probabilities apply to."""
    if not isinstance(q, DiscreteChain):
        check_discrete(q, where)


def check_discrete(q: AbstractDistribution, where: str) -> None:
    """Raise `UsageError` where q is no discrete latent."""
    if isinstance(q, DiscreteChain):
        mend = "Use Reinforce, LeaveOneOut or Enumeration."
        raise UsageError("this latent has two layers, the estimator is for one.", where=where, mend=mend)
    if not isinstance(q, DISCRETE):
        mend = "Use Pathwise, StickingTheLanding or DoublyReparameterised for a continuous latent."
        raise UsageError("this is no discrete latent.", where=where, mend=mend)


def check_samples(num_samples: int, least: int, where: str) -> None:
    """Raise `UsageError` for fewer draws than the estimator needs."""
    if num_samples < least:
        mend = f"Use num_samples={least} or more, or Reinforce with a baseline, Enumeration or DisARM."
        raise UsageError(f"num_samples={num_samples} is too few: it compares draws.", where=where, mend=mend)


def draw(key: Key, q: Any, log_weight: LogWeight, num_samples: int) -> tuple[Event, Float[Array, " s"]]:
    """Independent draws and their log-weights, with q stopped: the gradient in q is left to `with_scores`."""
    draws = stop(jax.vmap(q.sample)(jax.random.split(key, num_samples)))
    return draws, each(lambda z: log_weight(stop(q), z), draws)


def with_scores(
    q: Any,
    draws: Event,
    log_w: Float[Array, " s"],
    combine: Combine,
    instead: Float[Array, " s"],
    *,
    plain: bool = False,
) -> Scalar:
    """`L + sum_s sg(L - L_s - (dL/dlog w_s - 1/S)) log q(z_s)` with the sum in the derivative only.

    `L = combine(log w)`, and `L_s` has the entry s of log w replaced by `instead[s]`, which must not depend on draw s:
    what remains is that draw's own share. The last term is for log-weights that hold q as `- log q(z)`: it makes up
    for the stopped q, and 1/S of it, which has mean 0, is taken out, so that nothing is left where all log-weights
    are equal. With `plain` that share stays in, as when q is not stopped.
    """
    fixed = stop(log_w)
    value, slope = jax.value_and_grad(combine)(fixed)
    without = jax.vmap(lambda s: combine(fixed.at[s].set(instead[s])))(jnp.arange(fixed.shape[0]))
    signal = stop(value - without - slope + (0.0 if plain else 1 / fixed.shape[0]))
    log_q = jax.vmap(q.log_prob)(draws)
    return combine(log_w) + jnp.sum(signal * (log_q - stop(log_q)))
