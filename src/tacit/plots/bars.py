"""A column of levels or counts: bars of the rows, dots of the model's sample."""

from __future__ import annotations

from collections import Counter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tacit.plots.data import Column, numbers
from tacit.plots.histograms import draw_histogram, share_axis
from tacit.plots.style import INK, MODEL, ROWS, label, tidy

_MOST_LEVELS = 9
_WIDEST_COUNT = 30


def draw_counts(axes: Axes, real: Column | None, sampled: Column) -> Axes:
    """Draw the share of rows at each whole number; a histogram when the counts range too widely for bars."""
    rows, drawn = numbers(real), numbers(sampled)
    both = np.concatenate([rows, drawn])
    if both.size == 0 or both.max() - both.min() > _WIDEST_COUNT:
        return draw_histogram(axes, real, sampled, log=False)
    values = np.arange(both.min(), both.max() + 1)
    if rows.size:
        axes.bar(values, [(rows == v).mean() for v in values], width=0.75, color=ROWS, alpha=0.55)
    axes.plot(values, [(drawn == v).mean() for v in values], "o", color=MODEL, markersize=5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_ylim(bottom=0)
    return share_axis(axes, axes.yaxis)


def draw_levels(axes: Axes, real: Column | None, sampled: Column) -> Axes:
    """Draw the share of rows at each level, the most frequent first; rare levels are added up in one bar."""
    rows, drawn = _shares(real), _shares(sampled)
    order = sorted(rows.keys() | drawn.keys(), key=lambda level: (-rows[level], -drawn[level], level))
    shown, rare = order, order[_MOST_LEVELS:]
    names = [label(level, 16) for level in order]
    if len(rare) > 1:
        shown, names = order[:_MOST_LEVELS], [*names[:_MOST_LEVELS], f"{len(rare)} others"]
    real_shares = [rows[level] for level in shown]
    model_shares = [drawn[level] for level in shown]
    if len(rare) > 1:
        real_shares.append(sum(rows[level] for level in rare))
        model_shares.append(sum(drawn[level] for level in rare))
    places = range(len(names))
    if real is not None:
        axes.barh(places, real_shares, height=0.62, color=ROWS, alpha=0.55)
    axes.plot(model_shares, places, "o", color=MODEL, markersize=6)
    axes.set_xlim(left=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    share_axis(axes, axes.xaxis)
    axes.set_yticks(places, labels=names, parse_math=False)
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return axes


def _shares(values: Column | None) -> Counter[str]:
    """The share of each level among the present cells."""
    cells = [] if values is None else np.asarray(values).tolist()
    present = Counter(str(cell) for cell in cells if cell is not None and cell == cell)
    total = present.total()
    return Counter({level: count / total for level, count in present.items()})
