"""One column at a time: the user's rows against rows drawn from the model."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from tacit.plots.bars import draw_counts, draw_levels
from tacit.plots.data import Column, PlotColumn, numbers
from tacit.plots.histograms import draw_histogram
from tacit.plots.style import INK, MODEL, ROWS, SMALL, label, tidy


def marginal(figure: Figure, column: PlotColumn, real: Column | None, sampled: Column) -> Figure:
    """Draw one column's distribution: the rows filled, the model's sample as a line or dots; shares on both.

    Numbers are histograms (positive columns on a logarithmic axis), categories and counts bars, and a
    zero-inflated column shows its share of zeros apart. `real` may be None: then only the model is drawn.

    >>> from tacit.plots import new_figure
    >>> import numpy as np
    >>> cells = np.random.default_rng(0).normal(size=100)
    >>> figure = marginal(new_figure(3, 2), PlotColumn("mass_g", "real"), None, cells)
    >>> figure.axes[0].get_xlabel()
    'mass_g'
    """
    _DRAW[column.kind](figure, real, sampled)
    axes = figure.axes[-1]
    axes.set_xlabel(label(column.name, 34), parse_math=False)
    return figure


def _real(figure: Figure, real: Column | None, sampled: Column) -> None:
    draw_histogram(figure.add_subplot(), real, sampled, log=False)


def _positive(figure: Figure, real: Column | None, sampled: Column) -> None:
    draw_histogram(figure.add_subplot(), real, sampled, log=True)


def _count(figure: Figure, real: Column | None, sampled: Column) -> None:
    draw_counts(figure.add_subplot(), real, sampled)


def _levels(figure: Figure, real: Column | None, sampled: Column) -> None:
    draw_levels(figure.add_subplot(), real, sampled)


def _zero_inflated(figure: Figure, real: Column | None, sampled: Column) -> None:
    """The atom at zero as a bar on its own scale from 0 to 1; beside it the rest, as shares of all rows."""
    atom, positive = figure.subplots(1, 2, width_ratios=(1, 4))
    rows, drawn = numbers(real), numbers(sampled)
    if rows.size:
        atom.bar(0, (rows == 0).mean(), width=0.7, color=ROWS, alpha=0.55)
    if drawn.size:
        share = float((drawn == 0).mean())
        atom.plot(0, share, "o", color=MODEL, markersize=6)
        atom.annotate(
            f"{100 * share:.0f} %",
            (0, share),
            (0, 6),
            textcoords="offset points",
            ha="center",
            size=SMALL,
            color=INK,
        )
    atom.set(xlim=(-0.7, 0.7), ylim=(0, 1.12), xticks=[0], yticks=[])
    tidy(atom)
    atom.spines["left"].set_visible(False)
    draw_histogram(positive, real, sampled, log=True)


_DRAW: dict[str, Callable[[Figure, Column | None, Column], None]] = {
    "real": _real,
    "positive": _positive,
    "count": _count,
    "binary": _levels,
    "categorical": _levels,
    "zero-inflated": _zero_inflated,
}
DRAWN_KINDS = frozenset(_DRAW)
