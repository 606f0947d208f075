"""REBAR: the score function with the relaxed objective as control variate."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Float, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.gradients._base import Memory
from tacit.gradients._control import AbstractControlVariate
from tacit.gradients._digits import check_temperature


class Tuned(NamedTuple):
    """What REBAR trains."""

    scale: Scalar
    log_temperature: Scalar


class Rebar(AbstractControlVariate):
    """`(f(b) - c(z)) grad log q(b) + c'(z) grad (z - z~)`, `c(z) = scale f(softmax(z / temperature))`.

    z is b before it is made discrete, z~ the same drawn given b (see `AbstractControlVariate`). Scale and temperature
    are trained along with the model to lower the squared norm of the gradient in the logits of q, from 1 and
    `temperature`. For Categorical, Categoricals and Bernoulli latents; **the likelihood must accept relaxed events**,
    shares inside (0, 1). Unbiased; 2 S evaluations and the derivative of S of them.
    Source: Tucker et al. 2017, equation 7.

    >>> import jax
    >>> from tacit.distributions import Categorical
    >>> estimate = lambda a, key: Rebar(0.5)(
    ...     key, Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Rebar(0.5).init(key, None)
    ... )[0]
    >>> keys = jax.random.split(jax.random.key(0), 1000)
    >>> slopes = jax.vmap(jax.grad(estimate), (None, 0))(jnp.zeros(2), keys)
    >>> bool(jnp.allclose(slopes.mean(0), jnp.array([-1.0, 1.0]), atol=0.1))
    True
    """

    temperature: float = 0.5

    def __check_init__(self) -> None:
        check_temperature(self.temperature, "Rebar")

    def init(self, key: Key, context: PyTree) -> Memory:
        return Memory(trained=Tuned(jnp.ones(()), jnp.log(jnp.asarray(self.temperature, jnp.zeros(()).dtype))))

    def temperature_of(self, own: Tuned) -> Scalar:
        return jnp.exp(own.log_temperature)

    def control(self, own: Tuned, relaxed: Float[Array, "d k"], gain: Scalar, context: PyTree) -> Scalar:
        return own.scale * gain
