"""Whether predictions are calibrated: the histogram of transforms, and coverage against what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tacit.plots.histograms import share_axis
from tacit.plots.records import finite
from tacit.plots.style import FAINT, INK, MODEL, ROWS, SMALL, SOFT, STEPS, tidy

_NORMAL_95 = 1.96


def pit_histogram(axes: Axes, record: Mapping[str, Any]) -> Axes:
    """Draw the share of rows in each bin of the transform; bars outside the band expected by chance are coloured.

    `record` is `pit` of a calibration's record: edges, shares, and low and high of the band (or None).

    >>> from tacit.plots import new_figure
    >>> record = {"edges": [0.0, 0.5, 1.0], "shares": [0.4, 0.6], "low": [0.45, 0.45], "high": [0.55, 0.55]}
    >>> pit_histogram(new_figure(4, 3).add_subplot(), record).get_xlabel()
    'predicted probability of a lower value'
    """
    edges, shares = np.asarray(record["edges"]), np.asarray(record["shares"])
    outside = np.zeros(shares.size, bool)
    if record.get("low") is not None:
        low, high = np.asarray(record["low"]), np.asarray(record["high"])
        outside = (shares < low) | (shares > high)
        axes.stairs(high, edges, baseline=low, fill=True, color=FAINT, alpha=0.75, linewidth=0, zorder=0)
        axes.set_title("pale band: 95 % by chance", loc="right", size=SMALL - 1, color=SOFT)
    axes.bar(
        edges[:-1],
        shares,
        np.diff(edges) * 0.86,
        align="edge",
        color=np.where(outside, MODEL, ROWS),
        alpha=0.75,
        zorder=2,
    )
    axes.axhline(1 / shares.size, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=3)
    axes.set_xlim(0, 1)
    top = max(shares.max(), *(record.get("high") or [0.0]))
    axes.set_ylim(0, 1.12 * top)
    axes.set_xlabel("predicted probability of a lower value")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(_percent))
    share_axis(axes, axes.yaxis)
    axes.set_ylabel("share of rows")
    return axes


def coverage(axes: Axes, record: Mapping[str, Any]) -> Axes:
    """Draw what intervals hold against what they should, with 95 % intervals; below the diagonal they are too narrow.

    `record` is that of a calibration; of it, the pairs in `coverage` are read.

    >>> from tacit.plots import new_figure
    >>> record = {"coverage": [{"level": 0.9, "result": {"value": 0.82, "standard_error": 0.01}}]}
    >>> [text.get_text() for text in coverage(new_figure(4, 3).add_subplot(), record).texts][-1]
    '82 %'
    """
    pairs = [(pair["level"], pair["result"]) for pair in record["coverage"]]
    nominal = np.array([level for level, _ in pairs])
    held = np.array([result["value"] for _, result in pairs])
    error = _NORMAL_95 * np.array([finite(result.get("standard_error")) or 0.0 for _, result in pairs])
    low = max(0.0, min(nominal.min(), (held - error).min()) - 0.1)
    high = 1.0 + 0.1 * (1.0 - low)  # room for the last label
    axes.fill_between([low, high], [low, high], low, color=FAINT, alpha=0.35, linewidth=0, zorder=0)
    axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    for text, place, alignment in (("too wide", (0.03, 0.95), "left"), ("too narrow", (0.97, 0.05), "right")):
        axes.text(*place, text, transform=axes.transAxes, ha=alignment, va="center", size=SMALL, color=SOFT)
    axes.errorbar(nominal, held, yerr=error, fmt="o", color=MODEL, markersize=6, linewidth=1.4, zorder=3)
    for x, y in zip(nominal, held, strict=True):
        under = y < x
        axes.annotate(
            f"{100 * y:.0f} %",
            (x, y),
            (6, -8) if under else (-6, 4),
            textcoords="offset points",
            ha="left" if under else "right",
            va="center",
            size=SMALL,
            color=MODEL,
        )
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel("intervals that should hold")
    axes.set_ylabel("hold, of the rows")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=STEPS))
        axis.set_major_formatter(FuncFormatter(_percent))
    return tidy(axes)


def _percent(share: float, _position: int | None = None) -> str:
    return f"{100 * share:.3g} %"
