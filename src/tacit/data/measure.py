"""The reference point, the unit and the variance floor of a continuous column."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

TIED_FLOOR = 1e-3
FREE_FLOOR = 1e-6


@dataclass(frozen=True)
class Measure:
    """Centre and scale that bring a column near mean 0 and sd 1, and the least sd a component may have.

    All three are in the units of the transformed column, T(value): the value, or its logarithm.
    """

    center: float = 0.0
    scale: float = 1.0
    floor: float = 0.0


def measure(values: np.ndarray, *, log: bool = False) -> Measure:
    """The measure of a column's present, finite values (above zero where `log`).

    center = median; scale = the power of two nearest to the standard deviation, so that scaling is exact;
    floor = 1e-6 spread, and where values are tied max(delta / sqrt(12), 1e-3 spread): delta is the smallest
    gap between distinct values (on the log scale delta / median), delta / sqrt(12) the sd of rounding to it,
    spread the smaller of the sd and the interquartile range / 1.349. Without a floor the density of a
    component that sits on one tied value runs to infinity. The floor is at most half the sd.

    Example:
        >>> measure(np.array([1.0, 2.0, 2.0, 3.0]))
        Measure(center=2.0, scale=1.0, floor=0.2886751345948129)
    """
    transformed = np.log(values) if log else np.asarray(values, dtype=np.float64)
    if transformed.size == 0:
        return Measure(scale=1.0, floor=FREE_FLOOR)
    center = float(np.median(transformed / 2.0) * 2.0)
    deviation = _deviation(transformed, center)
    if deviation == 0.0:
        unit = abs(center) or 1.0
        return Measure(center, _power_of_two(unit), FREE_FLOOR * unit)
    quarters = np.quantile(transformed / 2.0, [0.25, 0.75])
    spread = min(deviation, float(quarters[1] - quarters[0]) * 2.0 / 1.349 or deviation)
    floor = FREE_FLOOR * spread
    distinct = np.unique(values)
    if distinct.size < transformed.size:
        step = smallest_gap(distinct)
        step = step / float(np.median(values)) if log else step
        floor = max(step / math.sqrt(12.0), TIED_FLOOR * spread)
    return Measure(center, _power_of_two(deviation), min(floor, 0.5 * deviation))


def _deviation(values: np.ndarray, center: float) -> float:
    """The root mean square distance from the centre, scaled first so that no square overflows."""
    half = values / 2.0 - center / 2.0
    size = float(np.max(np.abs(half)))
    if size == 0.0:
        return 0.0
    return min(2.0 * size * float(np.sqrt(np.mean((half / size) ** 2))), np.finfo(float).max / 4.0)


def smallest_gap(distinct: np.ndarray) -> float:
    """The least distance between neighbours that is more than round-off."""
    if distinct.size < 2:
        return 0.0
    gaps = np.diff(distinct / 2.0) * 2.0
    round_off = 16.0 * np.finfo(float).eps * np.maximum(np.abs(distinct[1:]), np.abs(distinct[:-1]))
    real = gaps[gaps > round_off]
    return float(real.min()) if real.size else 0.0


def _power_of_two(value: float) -> float:
    return math.ldexp(1.0, max(-1022, min(1023, round(math.log2(value)))))
