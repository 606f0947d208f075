"""Deep latent-variable models of a table's columns: a decoder from the latent, an encoder to it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array, Event
from tacit.distributions import AbstractDistribution, AbstractExponentialFamily
from tacit.models.columns import ColumnFamily
from tacit.models.latent import AbstractConditional
from tacit.models.latents import AbstractLatent
from tacit.models.pixels import ImageReader, ImageWriter, Shift
from tacit.networks import Dense, Fixed, Linear

REACH = 30.0  # of a standardised column or covariate, as an encoder reads it


class Decoder(AbstractConditional):
    """`(z, x) -> family(W features([z, x]) + b)`: the columns given the latent, and covariates where there are any."""

    latent: AbstractLatent
    features: Dense | ImageWriter
    head: Linear | Shift
    family: ColumnFamily

    def __call__(self, context: tuple[Event, Any]) -> AbstractExponentialFamily:
        z, x = context
        inputs = self.latent.inputs(z)
        return self.family(self.head(self.features(inputs if x is None else jnp.concatenate([inputs, x]))))


class ColumnInputs(eqx.Module):
    """What an encoder reads of an event: 0 for every cell that is missing and, with `holes`, which those are.

    Normals as they are, within `REACH`; a bit b as 2 b - 1; codes one-hot; counts as `(log(1 + y) - c) / s`, with
    `counts` (2, d) these centres and scales.

    >>> inputs = ColumnInputs(1, 1, (3,), None, holes=True)
    >>> print(inputs(jnp.array([0.5, 0.0, 2.0]), jnp.array([True, True, False])))
    [ 0.5 -1.   0.   0.   0.   1.   1.   0. ]
    """

    n_normal: int = eqx.field(static=True)
    n_binary: int = eqx.field(static=True)
    levels: tuple[int, ...] = eqx.field(static=True)
    counts: Fixed | None = None
    holes: bool = eqx.field(static=True, default=False)

    @property
    def size(self) -> int:
        """How many numbers."""
        n_counts = 0 if self.counts is None else int(self.counts.value.shape[-1])
        columns = self.n_normal + self.n_binary + n_counts
        return columns + sum(self.levels) + self.holes * (columns + len(self.levels))

    def __call__(self, y: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> Float[Array, " s"]:
        seen = jnp.ones(y.shape, y.dtype) if observed is None else observed.astype(y.dtype)
        first, second = self.n_normal, self.n_normal + self.n_binary
        parts = [jnp.clip(y[:first], -REACH, REACH) * seen[:first], (2 * y[first:second] - 1) * seen[first:second]]
        for place, size in enumerate(self.levels, start=second):
            parts.append(jax.nn.one_hot(y[place].astype(int), size, dtype=y.dtype) * seen[place])
        if self.counts is not None:
            last = second + len(self.levels)
            center, scale = self.counts.value
            parts.append((jnp.log1p(y[last:]) - center) / scale * seen[last:])
        return jnp.concatenate([*parts, seen] if self.holes else parts)


class Recognition(AbstractConditional):
    """`(y, x[, observed]) -> latent(W features([inputs of y, x]) + b)`: an amortised posterior, x read in `REACH`."""

    inputs: ColumnInputs
    features: Dense | ImageReader
    head: Linear
    latent: AbstractLatent

    def __call__(self, context: tuple[Any, ...]) -> AbstractDistribution:
        y, x, *observed = context
        read = self.inputs(y, *observed)
        if x is not None:
            read = jnp.concatenate([read, jnp.clip(x, -REACH, REACH)])
        return self.latent(self.head(self.features(read)))
