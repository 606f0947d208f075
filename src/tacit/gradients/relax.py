"""RELAX: REBAR with a network in the control variate."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import Memory
from tacit.gradients._control import AbstractControlVariate
from tacit.gradients._digits import check_temperature, log_shares
from tacit.networks import MLP, Linear


class Learned(NamedTuple):
    """What RELAX trains."""

    scale: Scalar
    log_temperature: Scalar
    network: MLP
    head: Linear


class Relax(AbstractControlVariate):
    """`(f(b) - c(z)) grad log q(b) + c'(z) grad (z - z~)`, `c(z) = scale f(r) + h(r, y, x)`, r the relaxed event.

    `r = softmax(z / temperature)`, and h is a small network of r and the row, 0 at the start: there it is `Rebar`,
    whose notes hold here too: **the likelihood must accept relaxed events**. All of c is trained to lower the squared
    norm of the gradient in the logits of q. `size` is the number of states of all digits together: k of a Categorical,
    d k of Categoricals, 2 d of a Bernoulli; where it is left out, `sized` takes it from q, as training does. Unbiased;
    2 S evaluations and the derivative of S of them.
    Source: Grathwohl et al. 2018, equation 8 and appendix.

    >>> from tacit.distributions import Categorical
    >>> relax = Relax().sized(Categorical(jnp.zeros(2)))
    >>> estimate = lambda a, key: relax(
    ...     key, Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, relax.init(key, None)
    ... )[0]
    >>> keys = jax.random.split(jax.random.key(0), 1000)
    >>> slopes = jax.vmap(jax.grad(estimate), (None, 0))(jnp.zeros(2), keys)
    >>> bool(jnp.allclose(slopes.mean(0), jnp.array([-1.0, 1.0]), atol=0.1))
    True
    """

    size: int | None = eqx.field(static=True, default=None)
    width: int = eqx.field(static=True, default=32)
    temperature: float = 0.5

    def __check_init__(self) -> None:
        check_temperature(self.temperature, "Relax")
        if (self.size is not None and self.size < 1) or self.width < 1:
            what = f"size={self.size!r} and width={self.width!r} must be 1 or more."
            raise UsageError(
                what, where="Relax", mend="Give the number of states of all digits, and a width such as 32."
            )

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        super().check(q, num_samples)
        if self.size not in (None, log_shares(q).size):
            what = f"the network is for {self.size} states, and q has {log_shares(q).size}."
            raise UsageError(what, where="Relax", mend=f"Use Relax({log_shares(q).size}).")

    def sized(self, q: Any) -> Relax:
        return self if self.size is not None else dataclasses.replace(self, size=int(log_shares(q).size))

    def init(self, key: Key, context: PyTree) -> Memory:
        if self.size is None:
            mend = "Ask the estimator that `sized(q)` gives."
            raise UsageError("how many states q has is not known yet.", where="Relax", mend=mend)
        row = jax.eval_shape(lambda c: ravel_pytree(jax.tree.map(lambda a: a[0], c))[0], context)
        network = MLP.init(key, self.size + row.size, (self.width,))
        head = Linear(jnp.zeros((1, self.width + self.size + row.size)), jnp.zeros(1))
        log_temperature = jnp.log(jnp.asarray(self.temperature, head.bias.dtype))
        return Memory(trained=Learned(jnp.ones(()), log_temperature, network, head))

    def temperature_of(self, own: Any) -> Scalar:
        return jnp.exp(own.log_temperature)

    def control(self, own: Any, relaxed: Float[Array, "d k"], gain: Scalar, context: PyTree) -> Scalar:
        seen = jnp.concatenate([relaxed.ravel(), ravel_pytree(context)[0].astype(relaxed.dtype)])
        return own.scale * gain + own.head(own.network(seen))[0]
