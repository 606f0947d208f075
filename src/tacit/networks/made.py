"""A masked network: every output depends on the inputs before it only."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.networks.activations import activation
from tacit.networks.mlp import Linear


class MADE(eqx.Module):
    """`(y, c) -> a` (d, k): row j of a depends on the rows of y (d, k) before j, and on a context c.

    Hidden unit u reads the first m_u variables at most: weights from what it must not read are masked. Layers of equal
    width are added to what comes in; inputs go straight to the output as well; every layer reads the context. With
    k = 1 an event is (d,), and so is the output. Source: Germain et al. 2015; the order is that of the variables.

    >>> network = MADE.init(jax.random.key(0), 4, 1, (16, 16))
    >>> jacobian = jax.jacobian(network)(jnp.ones(4))
    >>> print(jnp.triu(jacobian).any(), jacobian[3, 0] != 0)
    False True
    """

    layers: tuple[Linear, ...]
    contexts: tuple[Linear, ...]  # what each layer reads of the context; none where there is none
    skip: Linear
    n_variables: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    @classmethod
    def init(
        cls,
        key: Key,
        n_variables: int,
        channels: int,
        widths: Sequence[int],
        *,
        n_context: int = 0,
        activation: str = "leaky_relu",
    ) -> Self:
        """Normal weights that keep the variance of what a unit may read; outputs begin near 0."""
        if min((n_variables, channels, *widths)) < 1:
            raise UsageError(
                "variables, channels and widths must be at least 1.", where="MADE", mend="Check the sizes."
            )
        n_out = n_variables * channels
        sizes = (n_out, *widths, n_out)
        keys = jax.random.split(key, 2 * len(sizes))
        network = cls((), (), Linear.init(keys[-1], n_out, n_out, gain=0.1), n_variables, channels, activation)
        layers, contexts = [], []
        for i, mask in enumerate(network.masks(tuple(widths), n_context > 0)):
            last = i == len(widths)
            layer = Linear.init(keys[2 * i], sizes[i], sizes[i + 1], gain=0.1 if last else math.sqrt(2.0))
            share = sizes[i] / np.maximum(mask.sum(axis=1), 1)
            layers.append(Linear(layer.weight * jnp.asarray(np.sqrt(share), layer.weight.dtype)[:, None], layer.bias))
            if n_context:
                contexts.append(Linear.init(keys[2 * i + 1], n_context, sizes[i + 1], gain=0.1 if last else 1.0))
        return cls(tuple(layers), tuple(contexts), network.skip, n_variables, channels, activation)

    def __call__(
        self, y: Float[Array, " d"] | Float[Array, "d k"], context: Float[Array, " c"] | None = None
    ) -> Float[Array, " d"] | Float[Array, "d k"]:
        function = activation(self.activation)
        inputs = y.reshape(-1)
        h, widths = inputs, tuple(int(layer.bias.shape[-1]) for layer in self.layers[:-1])
        masks = self.masks(widths, bool(self.contexts))
        for i, (layer, mask) in enumerate(zip(self.layers, masks, strict=True)):
            new = h @ jnp.where(mask, layer.weight, 0.0).T + layer.bias
            if self.contexts and context is not None:
                new = new + self.contexts[i](context)
            if i < len(widths):
                new = function(new)
                h = h + new if i > 0 and h.shape == new.shape else new
        out = new + inputs @ jnp.where(self._before(), self.skip.weight, 0.0).T
        return out.reshape(y.shape)

    def masks(self, widths: tuple[int, ...], with_context: bool) -> list[Bool[np.ndarray, "o i"]]:
        """Which weights of each layer count. Units that read the context alone are there only where there is one."""
        d = self.n_variables
        variable = np.repeat(np.arange(d), self.channels)
        first = 0 if with_context or d == 1 else 1
        reads = [first + np.arange(w) * (d - first) // w for w in widths]  # m_u: of the first m_u variables
        hidden = [variable + 1, *reads]  # input j hands on j + 1 variables
        masks = [after[:, None] >= before[None] for before, after in itertools.pairwise(hidden)]
        return [*masks, variable[:, None] >= hidden[-1][None]]

    def _before(self) -> Bool[np.ndarray, "o i"]:
        variable = np.repeat(np.arange(self.n_variables), self.channels)
        return variable[:, None] > variable[None]
