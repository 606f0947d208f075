"""Noise that training adds to rows."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tacit._typing import Key, Scalar
from tacit.data.batch import Batch


class Noise(NamedTuple):
    """Standard deviations of the normal noise that training adds to covariates and to targets; None adds none."""

    x: float | Scalar | None = None
    y: float | Scalar | None = None

    def added(self, key: Key, batch: Batch) -> Batch:
        """The batch with noise of its own added."""
        key_x, key_y = jax.random.split(key)
        x, y = batch.x, batch.y
        if self.x is not None:
            x = x + self.x * jax.random.normal(key_x, x.shape, x.dtype)
        if self.y is not None:
            y = y + self.y * jax.random.normal(key_y, y.shape, y.dtype)
        return batch._replace(x=x, y=y)
