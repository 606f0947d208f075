"""Discrete latents as digits: whatever the latent, d one-hot rows of k states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Event, Key, Scalar
from tacit.distributions import Bernoulli, Categorical
from tacit.gradients._base import Combine, LogWeight


def log_shares(q: Any) -> Float[Array, "d k"]:
    """The log probability of every state of every digit, in nats."""
    if isinstance(q, Bernoulli):
        return jnp.stack([jax.nn.log_sigmoid(-q.logits), jax.nn.log_sigmoid(q.logits)], axis=-1)
    return jnp.atleast_2d(jax.nn.log_softmax(q.logits))


def rows_of(q: Any, event: Event) -> Float[Array, "d k"]:
    """The digits of an event, one-hot."""
    return jnp.stack([1 - event, event], axis=-1) if isinstance(q, Bernoulli) else jnp.atleast_2d(event)


def event_of(q: Any, rows: Float[Array, "d k"]) -> Event:
    """The event of these digits; rows inside the simplex give a relaxed event."""
    if isinstance(q, Bernoulli):
        return rows[:, 1]
    return rows[0] if isinstance(q, Categorical) else rows


def reward_of(q: Any, log_weight: LogWeight) -> Callable[[Float[Array, "d k"]], Scalar]:
    """The log-weight of digits, with q stopped."""
    fixed = jax.lax.stop_gradient(q)
    return lambda rows: log_weight(fixed, event_of(q, rows))


@jax.custom_jvp
def valued(value: Scalar, surrogate: Scalar) -> Scalar:
    """The value of the one with the derivative of the other."""
    return value


valued.defjvp(lambda primals, tangents: (primals[0], tangents[1]))


def along(parameters: PyTree, slope: PyTree) -> Scalar:
    """A number whose derivative in the parameters is the slope, and which has none in anything else."""
    products = jax.tree.map(lambda p, g: jnp.sum(jax.lax.stop_gradient(g) * p), parameters, slope)
    return sum(jax.tree.leaves(products), start=jnp.zeros(()))


def squared_norm(shares: Float[Array, "d k"], slope: Float[Array, "d k"]) -> Scalar:
    """The squared norm of a slope in `log_shares`, told in the logits: what a control variate is to lower."""
    probs = jnp.exp(jax.lax.stop_gradient(shares))
    return jnp.sum((slope - probs * jnp.sum(slope, axis=-1, keepdims=True)) ** 2)


def own_slope(combine: Combine, log_w: Float[Array, " s"], rows: Float[Array, "s d k"]) -> Float[Array, "d k"]:
    """What q itself in the log-weights adds to the slope in `log_shares`: `-sum_s (dF/dlog w_s - 1/S) z_s`.

    `-sum_s dF/dlog w_s grad log q(z_s)`, less `-1/S sum_s grad log q(z_s)`, which is 0 in the mean. Nothing for a mean.
    """
    shares = jax.grad(combine)(log_w) - 1 / log_w.shape[0]
    return -jnp.tensordot(shares, rows, axes=1)


def gains(
    combine: Combine, log_w: Float[Array, " s"], given: Float[Array, " s"], control: Float[Array, " s"] | float = 0.0
) -> Float[Array, " s"]:
    """F with the log-weight of draw s replaced by the one given, less F with it replaced by the mean of the others.

    One figure a draw, and the part that is taken off does not depend on the draw: a leave-one-out baseline. With one
    draw nothing is taken off. `control` is what the others' log-weights lose first.
    """
    n = log_w.shape[0]

    def replaced(s: Array, value: Scalar) -> Scalar:
        return combine(log_w.at[s].set(value))

    places = jnp.arange(n)
    found = jax.vmap(replaced)(places, given)
    if n == 1:
        return found
    return found - jax.vmap(replaced)(places, others_mean(log_w - control))


def others_mean(values: Float[Array, "s ..."]) -> Float[Array, "s ..."]:
    """For each of the s, the mean of the others."""
    n = values.shape[0]
    return (jnp.sum(values, axis=0) - values) / (n - 1)


def check_temperature(temperature: Any, where: str) -> None:
    """Raise `UsageError` for a temperature that is not positive."""
    if isinstance(temperature, int | float) and not 0 < temperature < float("inf"):
        what = f"temperature={temperature!r} is not a positive number."
        raise UsageError(what, where=where, mend="Temperatures of .1 to 2 are usual.")


def perturbed_given(key: Key, shares: Float[Array, "d k"], rows: Float[Array, "d k"]) -> Float[Array, "d k"]:
    """`log q + Gumbel noise`, drawn given that its largest entries are those of `rows`.

    The largest is a Gumbel variable T; another is `-log(E_i / q_i + exp(-T))` with `E_i ~ Exp(1)`.
    """
    key_top, key_rest = jax.random.split(key)
    top = jax.random.gumbel(key_top, (*shares.shape[:-1], 1), shares.dtype)
    rest = -jnp.logaddexp(jnp.log(jax.random.exponential(key_rest, shares.shape, shares.dtype)) - shares, -top)
    return jnp.where(rows > 0, top, rest)


def check_single(num_samples: int, where: str) -> None:
    """Raise `UsageError` for more than one draw, where the estimator is of the expectation of one."""
    if num_samples != 1:
        mend = "Use the ELBO with num_samples=1, or LeaveOneOut for importance-weighted bounds."
        raise UsageError(
            f"num_samples={num_samples}: it estimates the expectation of one draw.", where=where, mend=mend
        )
