"""Where a pass over the rows gets its tiles: from the device, or chunk by chunk from the user's own array."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit.inference.tiles import Tiles, chunks, make_tiles, work

RESIDENT_BYTES = 32 << 20  # tables up to here stay on the device


class Source:
    """Rows with their weightings.

    Small tables, and tables with holes (whose rows must be sorted by pattern), stay on the device; large complete
    ones are read where they lie, a chunk at a time, so that memory stays that of the data.
    """

    def __init__(
        self,
        y: Float[np.ndarray, "n d"],
        weight: Float[np.ndarray, "n w"] | None = None,
        *,
        pattern_columns: tuple[int, ...] = (),
    ) -> None:
        self.y, self.weight = y, weight
        self.pattern_columns = pattern_columns
        self.complete = not any(np.isnan(y[rows]).any() for rows in chunks(*y.shape))
        self.resident = y.nbytes <= RESIDENT_BYTES or not self.complete

    @cached_property
    def n_patterns(self) -> int:
        """Patterns of missing cells that are factorised one by one; 0 where no cell is missing."""
        if self.complete or not self.pattern_columns:
            return 0
        return len(np.unique(np.isnan(self.y[:][:, list(self.pattern_columns)]), axis=0))

    @property
    def lone(self) -> bool:
        """Whether rows are completed one by one, as they share too few patterns of missing cells."""
        return work(len(self.y), self.n_patterns, len(self.pattern_columns))[1]

    @property
    def work(self) -> int:
        """Complete rows that a step would take as long over."""
        return work(len(self.y), self.n_patterns, len(self.pattern_columns))[0]

    def tiles(self, width: int, components: int | None = None) -> Tiles:
        """All rows on the device, in tiles for arrays of `width` columns.

        With the number of `components` of the whole population, rows may be laid out to be completed one by one.
        """
        return self._place(slice(None), width, components if self.lone else None)

    def _place(self, rows: slice, width: int, lone: int | None = None) -> Tiles:
        part = make_tiles(
            self.y[rows],
            width=width,
            weight=None if self.weight is None else self.weight[rows],
            pattern_columns=self.pattern_columns,
            lone=lone,
        )
        return jax.tree.map(jnp.asarray, part)

    def stream(self, width: int) -> Iterator[Tiles]:
        """One pass over the rows, in chunks of tiles."""
        for rows in chunks(*self.y.shape):
            yield self._place(rows, width)

    def total_weight(self) -> Float[np.ndarray, " w"]:
        """Sum of the row weights under each weighting."""
        return np.full(1, float(len(self.y))) if self.weight is None else np.sum(self.weight, axis=0)

    def subset(self, rows: np.ndarray) -> Source:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return Source(self.y[rows], weight, pattern_columns=self.pattern_columns)
