"""What REBAR and RELAX share: the score function with a relaxed control variate, and how that is trained."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import along, gains, log_shares, own_slope, reward_of, squared_norm, valued
from tacit.gradients._draws import each
from tacit.gradients._score import check_discrete

stop = jax.lax.stop_gradient


class AbstractControlVariate(AbstractGradient):
    """`(f(b) - c(z)) grad log q(b) + c'(z) grad (z - z~)` with a relaxed control variate c, trained to lower the norm.

    `z = log q + Gumbel noise` in every state of every digit, and b the largest of each. z~ is z drawn given b, as a
    function of q: the noise behind it is such that it equals z, and c is called once (Tucker et al. 2017, appendix C).
    With l = log q the derivative of the largest `z~_k` is 0, so that of `z_k - z~_k` is 1; of another state,
    `z~_i = -log(E_i / q_i + exp(-z_k))` with fixed `E_i ~ Exp(1)`, it is

        d(z_i - z~_i) / dl_i = exp(z_i - z_k)

    f is the objective as a function of one draw, less a leave-one-out baseline where there are two draws or more.
    """

    unbiased: ClassVar[bool] = True

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, type(self).__name__)

    def evaluations(self, q: Any, num_samples: int) -> int:
        return 2 * num_samples

    @abc.abstractmethod
    def temperature_of(self, own: PyTree) -> Scalar:
        """The temperature of the relaxed events, from the estimator's own arrays."""

    @abc.abstractmethod
    def control(self, own: PyTree, relaxed: Float[Array, "d k"], gain: Scalar, context: PyTree) -> Scalar:
        """c, of a relaxed event and of what f gains there."""

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
        shares, reward = log_shares(q), reward_of(q, log_weight)
        z = stop(shares) + jax.random.gumbel(key, (num_samples, *shares.shape), shares.dtype)
        b = jax.nn.one_hot(jnp.argmax(z, axis=-1), z.shape[-1], dtype=z.dtype)
        log_w = each(reward, b)
        fixed = stop(log_w)
        behind = jnp.exp(z - jnp.max(z, axis=-1, keepdims=True))

        def slope(own: PyTree) -> Float[Array, "d k"]:
            def controls(z: Float[Array, "s d k"]) -> tuple[Scalar, Float[Array, " s"]]:
                relaxed = jax.nn.softmax(z / self.temperature_of(own), axis=-1)
                gain = gains(combine, fixed, each(reward, relaxed))
                c = jax.vmap(lambda r, g: self.control(own, r, g, context))(relaxed, gain)
                return jnp.sum(c), c

            c_slope, c = jax.grad(controls, has_aux=True)(z)
            left = gains(combine, fixed, fixed) - c
            return jnp.sum(left[:, None, None] * b + c_slope * behind, axis=0)

        def loss(own: PyTree) -> tuple[Scalar, Float[Array, "d k"]]:
            g = slope(own)
            return squared_norm(shares, g), g

        steeper, g = jax.grad(loss, has_aux=True)(stop(memory.trained))
        surrogate = along(shares, g + own_slope(combine, fixed, b)) - along(memory.trained, steeper)
        value = combine(log_w)
        return valued(value, value + surrogate), memory.running
