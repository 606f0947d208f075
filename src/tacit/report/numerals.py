"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tacit.plots import figure, finite

MISSING = "–"


def number(value: object, digits: int = 4) -> str:
    """A number to `digits` significant digits with a true minus sign; text as it is; a dash for nothing.

    >>> number(-13.57123), number(12345.6), number(None), number(True), number("full")
    ('−13.57', '12,346', '–', 'yes', 'full')
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _minus(f"{value:,}")
    real = figure(value)
    if real is None:
        return MISSING if isinstance(value, float) else str(value) or MISSING
    if math.isinf(real):
        return "∞" if real > 0 else "−∞"
    whole = 10**digits <= abs(real) < 1e9
    return _minus(f"{real:,.0f}" if whole else f"{real:.{digits}g}")


def percent(share: object) -> str:
    """A share from 0 to 1 in per cent, finer where it is small.

    >>> percent(0.357), percent(0.0042)
    ('36 %', '0.42 %')
    """
    part = finite(share)
    if part is None:
        return MISSING
    return f"{100 * part:.2g} %" if 0 < part < 0.1 else f"{100 * part:.0f} %"


def with_error(value: object, error: object, *, signed: bool = False) -> str:
    """A figure and its standard error, both to the error's second significant digit.

    >>> with_error(-13.57123, 0.1184), with_error(2.2612, 0.097, signed=True), with_error(1.5, None)
    ('−13.57 ± 0.12', '+2.261 ± 0.097', '1.5')
    """
    sign = "+" if signed else ""
    centre, spread = finite(value), finite(error)
    if centre is None:
        return number(value)
    if spread is None or spread <= 0:
        return _minus(f"{centre:{sign}.4g}")
    places = max(0, 1 - math.floor(math.log10(spread)))
    if places > 9:
        return _minus(f"{centre:{sign}.9g} ± {spread:.1e}")
    return _minus(f"{centre:{sign},.{places}f} ± {spread:,.{places}f}")


def share_with_error(result: Mapping[str, object]) -> str:
    """A Result that is a share, in per cent.

    >>> share_with_error({"value": 0.8214, "standard_error": 0.0121})
    '82.1 ± 1.2 %'
    """
    share, error = finite(result.get("value")), finite(result.get("standard_error"))
    return MISSING if share is None else f"{with_error(100 * share, None if error is None else 100 * error)} %"


def _minus(text: str) -> str:
    return text.replace("-", "−")
