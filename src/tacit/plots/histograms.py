"""A numeric column: histogram of the rows, smooth line of the model's sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tacit.plots.data import Column, numbers
from tacit.plots.ranges import bin_edges, plot_range, smooth_shares
from tacit.plots.style import MODEL, ROWS, SMALL, SOFT, STEPS, compact, log_ticks, tidy


def draw_histogram(axes: Axes, real: Column | None, sampled: Column, *, log: bool) -> Axes:
    """Draw the share of all rows in each bin; with `log`, bins are equal in the logarithm, zeros apart."""
    rows, drawn = numbers(real), numbers(sampled)
    n_rows, n_drawn = max(rows.size, 1), max(drawn.size, 1)
    unit: Callable[[Column], Column] = np.exp if log else np.asarray
    if log:
        rows, drawn = np.log(rows[rows > 0]), np.log(drawn[drawn > 0])
    low, high = plot_range(rows, drawn)
    edges = bin_edges(rows if rows.size else drawn, low, high)

    counts, _ = np.histogram(rows, bins=edges)
    axes.stairs(counts / n_rows, unit(edges), fill=True, color=ROWS, alpha=0.55)
    x, shares = smooth_shares(drawn, edges)
    shares = shares * drawn.size / n_drawn
    axes.plot(unit(x), shares, color=MODEL, linewidth=1.8)
    if not rows.size:
        axes.fill_between(unit(x), shares, color=MODEL, alpha=0.15, linewidth=0)
    beyond = int(((rows < low) | (rows > high)).sum())
    if beyond:
        axes.set_title(f"{beyond} more beyond this range", loc="right", size=SMALL - 1, color=SOFT)

    if log:
        axes.set_xscale("log")
        log_ticks(axes.xaxis, float(np.exp(low)), float(np.exp(high)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
        axes.xaxis.set_major_formatter(FuncFormatter(compact))
    axes.set_xlim(*unit(np.array([low, high])))
    return share_axis(axes, axes.yaxis)


def share_axis(axes: Axes, axis: Axis) -> Axes:
    """Label one axis in per cent of rows."""
    tidy(axes)
    axis.set_major_locator(MaxNLocator(3, steps=STEPS))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    return axes
