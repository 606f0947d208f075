"""Where each modelled column stands in the event vector y."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The order of an event: normal | bernoulli | categorical codes 0..L-1 | counts; NaN is a missing cell.

    `normal` holds the real and positive columns and the positive part of zero-inflated ones, transformed to
    (T(value) - center) / scale; `bernoulli` the binary columns and "is not zero" of the zero-inflated ones.
    """

    normal: tuple[str, ...] = ()
    bernoulli: tuple[str, ...] = ()
    categorical: tuple[tuple[str, int], ...] = ()
    poisson: tuple[str, ...] = ()

    @property
    def blocks(self) -> dict[str, tuple[str, ...]]:
        """Column names of each block, in the order of the event."""
        codes = tuple(name for name, _ in self.categorical)
        return {
            "normal": self.normal,
            "bernoulli": self.bernoulli,
            "categorical": codes,
            "poisson": self.poisson,
        }

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of levels of each categorical column."""
        return tuple(size for _, size in self.categorical)

    @property
    def width(self) -> int:
        """The length of the event vector."""
        return sum(len(names) for names in self.blocks.values())

    def span(self, block: str) -> slice:
        """The stretch of y that a block takes."""
        start = 0
        for name, columns in self.blocks.items():
            if name == block:
                return slice(start, start + len(columns))
            start += len(columns)
        raise KeyError(block)

    def index(self, block: str, column: str) -> int:
        """The place in y of a column's part in a block."""
        return int(self.span(block).start) + self.blocks[block].index(column)

    def places(self, column: str) -> tuple[int, ...]:
        """Every place in y that belongs to a column: two for a zero-inflated one, else one."""
        return tuple(self.index(block, column) for block, names in self.blocks.items() if column in names)
