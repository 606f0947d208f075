"""Longer steps along the path of EM: squared extrapolation, with the plain step to fall back on."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from tacit._typing import Array

FIRST, SECOND, JUMPED = 0, 1, 2  # what the next step is: one of the two plain ones of a cycle, or from a jump
FIRST_REACH, GROWTH, SHRINKAGE = 4.0, 4.0, 8.0


class Trail(eqx.Module):
    """Where each of m mixtures is in its cycle of two plain steps, a jump, and one step from there.

    `stage` is negative while plain steps are left; `anchor` is where the cycle began, and after a jump the plain
    parameters to fall back on; `reach` is the longest jump.
    """

    anchor: Any  # log weights and components
    stage: Int[Array, " m"]
    reach: Float[Array, " m"]


def trail(parameters: Any, plain: int) -> Trail:
    """The trail of m mixtures before their first step, on the host; the first `plain` steps are followed by no jump."""
    m = len(jax.tree.leaves(parameters)[0])
    return Trail(parameters, np.full(m, -plain), np.full(m, FIRST_REACH))


def _difference(new: Array, old: Array) -> Array:
    return jnp.where(jnp.isfinite(new) & jnp.isfinite(old), new - old, 0.0)  # log weights of absent components


def jump(zero: Any, one: Any, two: Any, reach: Float[Array, " m"]) -> tuple[Any, Float[Array, " m"]]:
    """Squared extrapolation from three successive parameters (log weights (m, k), components (m, k, ...)).

        theta_0 + 2 a r + a^2 v,    r = theta_1 - theta_0,  v = theta_2 - 2 theta_1 + theta_0,  a = |r| / |v|

    a is held in [1, reach]; a = 1 is theta_2. The norms weigh every component by its share, as the information about
    its parameters does. Returns the parameters and a (m,). Source: Varadhan and Roland 2008, scheme S3.
    """
    share = jnp.exp(one[0])
    r = jax.tree.map(_difference, one, zero)
    v = jax.tree.map(lambda second, first: _difference(second, first), jax.tree.map(_difference, two, one), r)

    def size(tree: Any) -> Float[Array, " m"]:
        squares = [jnp.sum(leaf.reshape(*share.shape, -1) ** 2, -1) for leaf in jax.tree.leaves(tree)]
        return jnp.sqrt(jnp.sum(share * sum(squares), -1))

    length = jnp.clip(jnp.nan_to_num(size(r) / size(v), nan=1.0), 1.0, reach)

    def along(start: Array, r: Array, v: Array) -> Array:
        a = length.reshape(-1, *[1] * (start.ndim - 1))
        return start + 2 * a * r + a**2 * v

    log_weights, components = jax.tree.map(along, zero, r, v)
    return (log_weights - jax.nn.logsumexp(log_weights, -1, keepdims=True), components), length
