"""Between the user's units and those of the model: columns are centred and divided by powers of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from tacit._errors import DataError

MEASURED_ROWS = 100_000
LARGEST = 1e140  # of a cell in model units: its square, in units of a small variance, is still a float


@dataclass(frozen=True)
class Units:
    """`model = (user - centre) / 2^exponent`, column by column: exact but for the subtraction."""

    centre: Float[np.ndarray, " d"]  # in the user's units
    exponent: Int[np.ndarray, " d"]

    @classmethod
    def of(cls, X: Float[np.ndarray, "n d"], names: list[str], *, floor: float, common: bool) -> Units:
        """Centred on the median; the scale is near the median distance from it, and never below `floor`.

        With `common` all columns share the largest scale, so that a single variance stays a single variance.
        Raises `DataError` for a column without a value, or with one beyond all measure.
        """
        measured = [_measure(column, name) for column, name in zip(X.T, names, strict=True)]
        centre, spread = (np.array(part) for part in zip(*measured, strict=True))
        spread = np.maximum(spread, floor)
        exponent = np.minimum(np.frexp(np.where(spread > 0, spread, 1.0))[1], 1023)  # 2^1024 is no float
        return cls(centre, np.full_like(exponent, exponent.max()) if common else exponent)

    @property
    def scale(self) -> Float[np.ndarray, " d"]:
        """One model unit of each column, in the user's units."""
        return np.ldexp(1.0, self.exponent)

    def to_model(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Rows in model units; cells beyond `LARGEST` are taken to lie there, where no density is left anyway."""
        with np.errstate(over="ignore"):
            y = np.ldexp(X, -self.exponent) - np.ldexp(self.centre, -self.exponent)
        return np.clip(y, -LARGEST, LARGEST, out=y)

    def to_user(self, y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Rows in the user's units."""
        return np.ldexp(y, self.exponent) + self.centre

    def log_jacobian(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """What a row's log density in model units lacks of that in the user's: `-sum log scale` over present cells."""
        total = np.broadcast_to(-np.sum(self.exponent) * np.log(2.0), len(X))  # one number while no cell is missing
        for column, exponent in zip(X.T, self.exponent, strict=True):
            missing = np.isnan(column)
            if exponent and missing.any():
                total = total + missing * (exponent * np.log(2.0))
        return total


def _measure(column: Float[np.ndarray, " n"], name: str) -> tuple[float, float]:
    """Median, and a robust spread about it: 0 for a constant column. A long column is measured on a part of it."""
    values = column[:: max(len(column) // MEASURED_ROWS, 1)]
    values = values[~np.isnan(values)]
    if not len(values):
        values = column[~np.isnan(column)]
    if not len(values):
        raise DataError("no value is present in this column.", where=name, mend="Leave the column out.")
    low, high = np.fmin.reduce(column), np.fmax.reduce(column)
    exponent = np.frexp(max(abs(low), abs(high)))[1]
    small = np.ldexp(values, -exponent)  # sums and differences of values near the largest float stay finite
    middle = np.median(small)
    distance = np.abs(small - middle)
    spread = np.median(distance) or np.mean(distance)
    spread = spread or abs(np.ldexp(high, -exponent) - np.ldexp(low, -exponent))  # rare values that the part missed
    far = max((high, low), key=lambda value: abs(np.ldexp(value, -exponent) - middle))
    if abs(np.ldexp(far, -exponent) - middle) > LARGEST * spread:
        raise DataError(
            f"the value {far:g} lies more than {LARGEST:g} times the usual spread away.",
            where=name,
            mend="Correct it, or mark the cell as missing.",
        )
    return float(np.ldexp(middle, exponent)), float(np.ldexp(spread, exponent))


class ModelRows:
    """The user's rows seen in model units, turned as they are read: memory stays that of the data."""

    def __init__(self, X: Float[np.ndarray, "n d"], units: Units) -> None:
        self.X, self.units = X, units
        self.shape, self.nbytes = X.shape, X.nbytes

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Any) -> Float[np.ndarray, "r d"]:
        return self.units.to_model(self.X[rows])
