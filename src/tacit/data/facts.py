"""What is measured of one column before its kind is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tacit.data.columns import NUMBER, DType, matches
from tacit.data.table import Table

_EXACT = 2.0**53


@dataclass(frozen=True, eq=False)
class Facts:
    """One column of a table: its cells, and figures of them that are computed when asked for."""

    name: str
    dtype: DType
    cells: pa.Array
    """The cells that are present."""
    n_rows: int

    @classmethod
    def of(cls, table: Table, name: str) -> Facts:
        """The facts of the named column."""
        column = table.column(name)
        return cls(name, table.dtype(name), column.drop_null(), len(column))

    @property
    def n(self) -> int:
        """The number of cells present."""
        return len(self.cells)

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.dtype in ("int", "float")

    @cached_property
    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct values in ascending order (Python objects unless numbers), and how often each occurs."""
        if self.numeric:
            return np.unique(self.cells.to_numpy(zero_copy_only=False), return_counts=True)
        if self.dtype == "other":
            return np.zeros(0, object), np.zeros(0, int)
        table = sorted(pc.value_counts(self.cells).to_pylist(), key=lambda entry: entry["values"])
        values = np.empty(len(table), object)
        values[:] = [entry["values"] for entry in table]
        return values, np.array([entry["counts"] for entry in table], int)

    @cached_property
    def n_distinct(self) -> int:
        """The number of distinct values."""
        return len(self.counts[0])

    @cached_property
    def values(self) -> np.ndarray:
        """The present cells of a numeric or bool column as float64."""
        return np.asarray(pc.cast(self.cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False))

    @cached_property
    def whole(self) -> bool:
        """Whether every number is whole."""
        return self.numeric and bool(np.all(self.values == np.floor(self.values)))

    @cached_property
    def beyond_exact(self) -> bool:
        """Whether there are whole numbers beyond 2^53, which float64 cannot tell apart."""
        if self.dtype == "text":
            return self.n > 0 and bool(matches(self.cells, r"^[+-]?[1-9]\d{15,}$").all())
        return self.dtype == "int" and self.n > 0 and float(np.abs(self.values).max()) > _EXACT

    @cached_property
    def low(self) -> float:
        """The smallest value."""
        return float(self.values.min())

    @cached_property
    def high(self) -> float:
        """The largest value."""
        return float(self.values.max())

    @cached_property
    def zero_share(self) -> float:
        """The share of exact zeros."""
        return float(np.mean(self.values == 0.0))

    @cached_property
    def late_text(self) -> int | None:
        """Index (among present cells) of the first cell that is no number, where most are."""
        if self.dtype != "text" or self.n == 0:
            return None
        number = matches(self.cells, NUMBER)
        return int(np.argmin(number)) if 0.5 < number.mean() < 1.0 else None


def skewness(values: np.ndarray) -> float:
    """E (v - m)^3 / sd^3, scaled first so that no power overflows; 0 for a constant."""
    centred = values / 2.0 - np.median(values) / 2.0
    size = float(np.max(np.abs(centred), initial=0.0))
    if size == 0.0:
        return 0.0
    centred = centred / size
    centred = centred - centred.mean()
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)
