"""Plain feed-forward networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import equinox as eqx
import jax
from jaxtyping import Float

from tacit._typing import Array, Key
from tacit.networks.activations import activation
from tacit.networks.mlp import Linear

_BENT = ("silu", "relu", "leaky_relu", "gelu")  # that lose about half the variance of what goes in


class Dense(eqx.Module):
    """Hidden layers `h -> a(W h + b)` one after the other; without any, the input itself.

    >>> network = Dense.init(jax.random.key(0), 3, (8, 5))
    >>> network(jax.numpy.ones(3)).shape, network.width(3)
    ((5,), 5)
    """

    layers: tuple[Linear, ...]
    activation: str = eqx.field(static=True)

    @classmethod
    def init(cls, key: Key, n_in: int, widths: Sequence[int], *, activation: str = "leaky_relu") -> Self:
        """Normal weights that keep the variance of their inputs, zero biases."""
        keys = jax.random.split(key, max(len(widths), 1))
        gain = math.sqrt(2.0) if activation in _BENT else 1.0
        sizes = zip(keys, (n_in, *widths[:-1]), widths, strict=False)
        return cls(tuple(Linear.init(k, i, o, gain=gain) for k, i, o in sizes), activation)

    def width(self, n_in: int) -> int:
        """Length of the output for inputs of length `n_in`."""
        return int(self.layers[-1].bias.shape[-1]) if self.layers else n_in

    def __call__(self, x: Float[Array, " i"]) -> Float[Array, " o"]:
        function = activation(self.activation)
        for layer in self.layers:
            x = function(layer(x))
        return x
