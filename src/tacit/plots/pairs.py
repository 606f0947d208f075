"""Two columns at a time: where the rows lie, where the model puts its own, and its components as ellipses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from textwrap import wrap
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tacit.plots.data import Column, Ellipse, PlotData, cells
from tacit.plots.ranges import plot_range
from tacit.plots.style import (
    FAINT,
    INK,
    MODEL,
    ROWS,
    SMALL,
    SOFT,
    STEPS,
    compact,
    component_colour,
    component_line,
    label,
    log_ticks,
)

_MOST_POINTS = 1500
_CELLS = LinearSegmentedColormap.from_list("rows", ["#dfe5eb", ROWS, "#46586b"])


def telling_columns(ellipses: Sequence[Ellipse], most: int = 5) -> list[str]:
    """The at most `most` columns whose components differ most, in their own order.

    They are ranked by the share of variance that lies between components, sum_k w_k (m_k - m)^2 / var.

    >>> components = [Ellipse(0.5, np.array([0.0, m]), np.eye(2), ("same", "differs")) for m in (0.0, 3.0)]
    >>> telling_columns(components, most=1)
    ['differs']
    """
    if not ellipses:
        return []
    weight = np.array([e.weight for e in ellipses], float)
    weight /= weight.sum()
    means = np.array([e.mean for e in ellipses], float)
    within = weight @ np.array([np.diag(e.covariance) for e in ellipses], float)
    between = weight @ (means - weight @ means) ** 2
    total = between + within
    share = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    names = ellipses[0].names
    return [names[i] for i in sorted(np.argsort(-share, kind="stable")[:most])]


def ellipse_outline(mean: Column, covariance: Column, radius: float = 2.0) -> Column:
    """The outline (100, 2) of the ellipse at Mahalanobis distance `radius` from `mean`.

    The points mean + radius L u over the unit circle u, where covariance = L L'.

    >>> ellipse_outline(np.zeros(2), np.eye(2), 2.0)[0]
    array([2., 0.])
    """
    values, vectors = np.linalg.eigh(np.asarray(covariance, float))
    root = vectors * np.sqrt(np.clip(values, 0, None))
    angle = np.linspace(0, 2 * np.pi, 100)
    return np.asarray(mean, float) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) @ root.T


def pair_plot(figure: Figure, data: PlotData, most: int = 5) -> Figure:
    """Draw the `most` telling columns against each other.

    Below the diagonal the user's rows, as counts in cells so that no single row is drawn as a point; above it
    rows drawn from the model; on both the components, out to two standard deviations. Without the user's rows
    only the model's are drawn, below the diagonal.

    >>> from tacit.plots import PlotColumn, new_figure
    >>> rng, names = np.random.default_rng(0), ("a", "b")
    >>> sampled = dict(zip(names, rng.normal(size=(2, 50)), strict=True))
    >>> columns = [PlotColumn(name, "real") for name in names]
    >>> data = PlotData(columns, sampled, ellipses=[Ellipse(1.0, np.zeros(2), np.eye(2), names)])
    >>> len(pair_plot(new_figure(4, 4), data).axes)
    4
    """
    names = telling_columns(data.ellipses, most)
    scales = {name: _Scale(data, name) for name in names}
    grid = figure.subplots(len(names), len(names), squeeze=False)
    for (row, y), (column, x) in product(enumerate(names), enumerate(names)):
        axes = grid[row, column]
        below = row > column
        if row == column or not (below or data.real is not None):
            axes.set_axis_off()
            if row == column:
                _name(axes, x)
            continue
        draw = _cells if below and data.real is not None else _dots
        draw(axes, scales[x], scales[y])
        _ellipses(axes, data.ellipses, scales[x], scales[y])
        scales[x].apply(axes, "x", shown=row == len(names) - 1)
        scales[y].apply(axes, "y", shown=column == 0)
        _frame(axes)
    return figure


class _Scale:
    """One column ready to be drawn: cells in model units (logarithms for positive), and its range."""

    def __init__(self, data: PlotData, name: str) -> None:
        self.name, self.log = name, data.kind(name) == "positive"
        self.unit: Callable[[Column], Column] = np.exp if self.log else np.asarray
        self.rows, self.drawn = self._read(data.real_column(name)), self._read(data.sampled[name])
        present = [column[np.isfinite(column)] for column in (self.rows, self.drawn)]
        self.low, self.high = plot_range(*present)

    def _read(self, values: Column | None) -> Column:
        """Cells in model units with NaN where missing, so that pairs of columns stay aligned."""
        column = cells(values)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(column) if self.log else column

    def apply(self, axes: Axes, which: Literal["x", "y"], *, shown: bool) -> None:
        """Set one axis of a panel to this column's scale and range; ticks only where `shown`."""
        axis, set_scale, set_limits = (
            (axes.xaxis, axes.set_xscale, axes.set_xlim)
            if which == "x"
            else (axes.yaxis, axes.set_yscale, axes.set_ylim)
        )
        low, high = (float(v) for v in self.unit(np.array([self.low, self.high])))
        if self.log:
            set_scale("log")
            log_ticks(axis, low, high)
        else:
            axis.set_major_locator(MaxNLocator(3, steps=STEPS))
            axis.set_major_formatter(FuncFormatter(compact))
        set_limits(low, high)
        axes.tick_params(axis=which, which="both", length=2 if shown else 0, labelbottom=shown, labelleft=shown)


def _cells(axes: Axes, x: _Scale, y: _Scale) -> None:
    both = np.isfinite(x.rows) & np.isfinite(y.rows)
    count = int(np.clip(1.2 * both.sum() ** 0.5, 10, 40))
    edges = [np.linspace(s.low, s.high, count + 1) for s in (x, y)]
    counts, _, _ = np.histogram2d(x.rows[both], y.rows[both], bins=edges)
    axes.pcolormesh(x.unit(edges[0]), y.unit(edges[1]), np.ma.masked_equal(counts.T, 0), cmap=_CELLS, rasterized=True)


def _dots(axes: Axes, x: _Scale, y: _Scale) -> None:
    # Evenly spaced, for samples may come sorted by component.
    kept = np.linspace(0, x.drawn.size - 1, min(x.drawn.size, _MOST_POINTS)).astype(int)
    first, second = x.unit(x.drawn[kept]), y.unit(y.drawn[kept])
    axes.plot(first, second, ".", color=MODEL, markersize=2.2, alpha=0.35, markeredgewidth=0)


def _ellipses(axes: Axes, ellipses: Sequence[Ellipse], x: _Scale, y: _Scale) -> None:
    for k, ellipse in enumerate(ellipses):
        at = [ellipse.names.index(x.name), ellipse.names.index(y.name)]
        mean, covariance = np.asarray(ellipse.mean)[at], np.asarray(ellipse.covariance)[np.ix_(at, at)]
        outline = ellipse_outline(mean, covariance)
        colour, line = component_colour(k), component_line(k)
        axes.plot(
            x.unit(outline[:, 0]),
            y.unit(outline[:, 1]),
            color=colour,
            linestyle=line,
            linewidth=1.5,
            path_effects=[withStroke(linewidth=2.6, foreground="white", alpha=0.7)],
        )
        axes.text(
            float(x.unit(mean[0])),
            float(y.unit(mean[1])),
            str(k + 1),
            color=colour,
            size=SMALL,
            fontweight="bold",
            ha="center",
            va="center",
            clip_on=True,
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
        )


def _frame(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.tick_params(color=FAINT, labelcolor=SOFT, labelsize=SMALL - 1)


def _name(axes: Axes, name: str) -> None:
    """The column's name in the diagonal, broken after underscores where it is long."""
    lines = wrap(label(name, 36).replace("_", "_ "), 13)
    text = "\n".join(line.replace("_ ", "_") for line in lines)
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        size=SMALL,
        color=INK,
        parse_math=False,
    )
