"""Figures as records hold them."""

from __future__ import annotations

import math


def figure(value: object) -> float | None:
    """The number in a record, where infinities are the text "inf" and "-inf"; None where there is none.

    >>> figure(2), figure("-inf"), figure(None), figure(float("nan"))
    (2.0, -inf, None, None)
    """
    if isinstance(value, str) and value in ("inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def finite(value: object) -> float | None:
    """The number in a record if it can be drawn, else None."""
    number = figure(value)
    return number if number is not None and math.isfinite(number) else None
