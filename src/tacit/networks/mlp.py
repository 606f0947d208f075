"""Dense networks from one vector to one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Key
from tacit.networks.activations import activation


class Linear(eqx.Module):
    """`x -> W x + b`. Fields: `weight` (o, i), `bias` (o,)."""

    weight: Float[Array, "*m o i"]
    bias: Float[Array, "*m o"]

    @classmethod
    def init(cls, key: Key, n_in: int, n_out: int, *, gain: float = 1.0) -> Self:
        """Normal weights of variance `gain² / n_in`, zero bias."""
        return cls(gain / math.sqrt(max(n_in, 1)) * jax.random.normal(key, (n_out, n_in)), jnp.zeros(n_out))

    def __call__(self, x: Float[Array, " i"]) -> Float[Array, " o"]:
        return x @ self.weight.T + self.bias


class MLP(eqx.Module):
    """Hidden layers `h -> h + a(W h + b)`, without the first term where the width changes; the output is `[h, x]`.

    Carrying the input x to the output lets a linear head on top be at least linear in x. With `active`, the
    hidden units that are False stay 0, so that networks of several widths can be one population.

    >>> network = MLP.init(jax.random.key(0), 3, (8, 8))
    >>> network(jnp.ones(3)).shape
    (11,)
    """

    layers: tuple[Linear, ...]
    active: Bool[Array, "*m h"] | None
    activation: str = eqx.field(static=True)

    @classmethod
    def init(
        cls,
        key: Key,
        n_in: int,
        widths: Sequence[int],
        *,
        activation: str = "silu",
        active: Bool[Array, " h"] | None = None,
    ) -> Self:
        """Weights of variance `1 / n_in`; with `active`, all widths are equal to its length."""
        sizes = (n_in, *widths)
        keys = jax.random.split(key, max(len(widths), 1))
        layers = [Linear.init(k, i, o) for k, i, o in zip(keys, sizes[:-1], widths, strict=False)]
        if active is not None:  # the units that are off carry nothing, so the others make up for them
            gain = jnp.sqrt(active.size / jnp.sum(active))
            layers[1:] = [Linear(gain * layer.weight, layer.bias) for layer in layers[1:]]
        return cls(tuple(layers), active, activation)

    def __call__(self, x: Float[Array, " i"]) -> Float[Array, " o"]:
        function, h = activation(self.activation), x
        for layer in self.layers:
            new = function(layer(h))
            if self.active is not None:
                new = new * self.active
            h = h + new if h is not x and h.shape == new.shape else new
        return jnp.concatenate([h, x]) if self.layers else x
