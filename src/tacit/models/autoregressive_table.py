"""The columns of a table without a latent: each by a network that reads those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Key
from tacit.distributions.autoregressive_columns import AutoregressiveColumns
from tacit.models.latent import AbstractConditional
from tacit.networks import MADE, Fixed

MODES = 5  # normals of a real column


class AutoregressiveTable(AbstractConditional):
    """`x -> ` real, 0/1, coded and count columns one after the other, in the order of an event.

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
        activation: str = "leaky_relu",
    ) -> Self:
        """A network of `widths` before training; `floor` and `log_means` are of real columns and of counts."""
        d = len(floor) + n_binary + len(levels) + len(log_means)
        channels = AutoregressiveColumns.channels(len(floor), levels, n_modes)
        network = MADE.init(key, d, channels, widths, activation=activation)
        held_floor, held_means = (Fixed(jnp.asarray(values, jnp.float32)) for values in (floor, log_means))
        return cls(network, held_floor, held_means, n_binary, levels, n_modes)

    def __call__(self, context: Any) -> AutoregressiveColumns:
        floor: Array = self.floor.value
        sizes = (int(floor.shape[-1]), self.n_binary, self.levels, self.n_modes)
        return AutoregressiveColumns(self.network, floor, self.log_means.value, None, *sizes)
