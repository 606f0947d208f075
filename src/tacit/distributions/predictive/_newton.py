"""Roots of many increasing functions at once: Newton's method inside a bracket, bisection where it does not help."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tacit.distributions.predictive._base import Floats

_MOST_STEPS = 400
_ROUNDING = 4 * np.finfo(np.float64).eps


def increasing_roots(
    function: Callable[[Floats, NDArray[np.intp]], tuple[Floats, Floats]],
    low: Floats,
    high: Floats,
    start: Floats,
    tolerance: Floats,
) -> Floats:
    """The root of every function between `low` and `high`, all of shape (m,).

    `function(x, index)` gives value and derivative of the functions `index` at x; a value may be infinite, and a
    derivative zero or NaN. A Newton step is taken where it stays in the bracket and is at most half the step
    before, else the bracket is halved. A function ends with the first Newton step under its `tolerance`, which
    should be about the root of what is wanted, as the error is then of the order of the step's square; or
    where the bracket is empty: without a change of sign the answer is the end the signs point to. Source: Press et
    al. 2007, section 9.4.
    """
    low, high, x = low.copy(), high.copy(), np.clip(start, low, high)
    before, left = high - low, np.arange(x.size)
    for _ in range(_MOST_STEPS):
        if not left.size:
            break
        at = x[left]
        value, slope = function(at, left)
        below = value < 0
        low[left[below]], high[left[~below]] = at[below], at[~below]
        first, last = low[left], high[left]
        with np.errstate(all="ignore"):
            move = -value / slope
        inside = (at + move > first) & (at + move < last) & (np.abs(move) <= 0.5 * before[left])
        move = np.where(value == 0, 0.0, move)
        rounding = _ROUNDING * np.abs(at)
        settled = np.abs(move) <= tolerance[left] + rounding
        new = np.where(inside | settled, np.clip(at + move, first, last), first + 0.5 * (last - first))
        x[left], before[left] = new, np.abs(new - at)
        left = left[~settled & (last - first > rounding)]
    return x
