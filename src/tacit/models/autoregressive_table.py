"""The columns of a table one after the other: each by a network that reads those before it, and perhaps a latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Event, Key
from tacit.distributions.autoregressive_columns import AutoregressiveColumns
from tacit.models.latent import AbstractConditional
from tacit.models.latents import AbstractLatent
from tacit.networks import MADE, Fixed

MODES = 5  # normals of a real column


class AutoregressiveTable(AbstractConditional):
    """`c -> ` real, 0/1, coded and count columns one after the other, in the order of an event, given a vector c.

    >>> import jax
    >>> density = AutoregressiveTable.init(jax.random.key(0), np.array([0.1]), 1, (3,), np.zeros(0), (16,))
    >>> density(None).sample(jax.random.key(1)).shape
    (3,)
    """

    network: MADE
    floor: Fixed
    log_means: Fixed
    n_binary: int = eqx.field(static=True)
    levels: tuple[int, ...] = eqx.field(static=True)
    n_modes: int = eqx.field(static=True)

    @classmethod
    def init(
        cls,
        key: Key,
        floor: Float[np.ndarray, " r"],
        n_binary: int,
        levels: tuple[int, ...],
        log_means: Float[np.ndarray, " c"],
        widths: Sequence[int],
        *,
        n_modes: int = MODES,
        n_context: int = 0,
        activation: str = "leaky_relu",
    ) -> Self:
        """A network of `widths` before training; `floor` and `log_means` are of real columns and of counts.

        With `n_context` 0 what it is called with is not read.
        """
        d = len(floor) + n_binary + len(levels) + len(log_means)
        channels = AutoregressiveColumns.channels(len(floor), levels, n_modes)
        network = MADE.init(key, d, channels, widths, n_context=n_context, activation=activation)
        held_floor, held_means = (Fixed(jnp.asarray(values, jnp.float32)) for values in (floor, log_means))
        return cls(network, held_floor, held_means, n_binary, levels, n_modes)

    def __call__(self, context: Any) -> AutoregressiveColumns:
        floor: Array = self.floor.value
        sizes = (int(floor.shape[-1]), self.n_binary, self.levels, self.n_modes)
        read = context if self.network.contexts else None
        return AutoregressiveColumns(self.network, floor, self.log_means.value, read, *sizes)


class AutoregressiveDecoder(AbstractConditional):
    """`(z, x) -> ` the columns one after the other, each given z, x and those before it: a strong decoder.

    It can do without z, which then tells little of a row. Source: Chen et al. 2017 (variational lossy autoencoders).

    >>> import jax
    >>> from tacit.models.latents import BernoulliLatent
    >>> columns = AutoregressiveTable.init(
    ...     jax.random.key(0), np.zeros(0), 3, (), np.zeros(0), (16,), n_context=2
    ... )
    >>> AutoregressiveDecoder(BernoulliLatent(2), columns)((jnp.ones(2), None)).sample(jax.random.key(1)).shape
    (3,)
    """

    latent: AbstractLatent
    columns: AutoregressiveTable

    def __call__(self, context: tuple[Event, Any]) -> AutoregressiveColumns:
        z, x = context
        inputs = self.latent.inputs(z)
        return self.columns(inputs if x is None else jnp.concatenate([inputs, x]))
