"""The fixed-shape block of rows that procedures work on."""

from __future__ import annotations

from typing import Any, NamedTuple


class Batch(NamedTuple):
    """Rows of fixed number: padding has weight 0 and an index out of range.

    `y` (n, d) events; `x` (n, p) covariates or None; `mask` (n, d) true where a cell of y is present, or None
    when all are; `weight` (n,); `index` (n,) the row of the table.
    """

    y: Any
    x: Any
    mask: Any
    weight: Any
    index: Any
