"""The plane of two latents: what the decoder gives there, and where the codes of rows lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tacit.plots.data import Column, PlotColumn, PlotData, Walk, cells
from tacit.plots.style import FAINT, INK, ROWS, SMALL, SOFT, STEPS, TEXT, compact, component_colour, label, tidy

SEQUENCE = "cividis"  # for values: the same to all eyes
FEWEST = 3  # rows of a cell below which its colour says nothing
_ROOM = 60.0  # area of a disc, square points, that holds a character
LEVELS = ("binary", "categorical")


def walk_images(axes: Axes, walk: Walk, shape: tuple[int, int]) -> Axes:
    """Draw the decoded images, height x width, at their places in the plane (or along the line) of the latents.

    >>> from tacit.plots import new_figure
    >>> grid = np.linspace(-1, 1, 3)
    >>> walk = Walk((2, 1), (grid, grid), {f"p{j}": np.arange(9.0) for j in range(4)})
    >>> axes = walk_images(new_figure(4, 4).add_subplot(), walk, (2, 2))
    >>> axes.images[0].get_array().shape, axes.get_xlabel()
    ((8, 8), 'latent 2')
    """
    height, width = shape
    up, across = walk.shape
    pixels = np.stack([cells(values) for values in walk.decoded.values()], axis=1).reshape(up, across, height, width)
    framed = np.pad(pixels[::-1], ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    mosaic = framed.transpose(0, 2, 1, 3).reshape(up * (height + 1), across * (width + 1))[:-1, :-1]
    axes.imshow(mosaic, cmap="Greys", interpolation="nearest", extent=(-0.5, across - 0.5, -0.5, up - 0.5))
    axes.set_aspect((height + 1) / (width + 1))
    axes.set_facecolor(FAINT)
    _ticks(axes, walk)
    return axes


def moving_columns(data: PlotData, most: int = 6) -> list[PlotColumn]:
    """The at most `most` columns that move most along the walk, in their own order.

    Numbers by their variance over the grid as a share of that of rows drawn from the model, levels by the share of the
    grid that is not at the most frequent one.

    >>> walk = Walk((1,), (np.arange(4.0),), {"still": np.ones(4), "moves": np.arange(4.0)})
    >>> columns = [PlotColumn(name, "real") for name in walk.decoded]
    >>> drawn = {name: np.arange(9.0) for name in walk.decoded}
    >>> [column.name for column in moving_columns(PlotData(columns, drawn, walk=walk), most=1)]
    ['moves']
    """
    if data.walk is None:
        return []
    decoded = data.walk.decoded

    def moved(column: PlotColumn) -> float:
        values = np.asarray(decoded[column.name])
        if values.dtype == object or column.kind in LEVELS:
            _, counts = np.unique([str(v) for v in values], return_counts=True)
            return float(1 - counts.max() / counts.sum())
        spread = float(np.nanvar(cells(data.sampled[column.name])))
        return float(np.nanvar(cells(values))) / spread if spread > 0 else 0.0

    drawn = [column for column in data.columns if column.name in decoded]
    scores = [moved(column) for column in drawn]
    order = np.argsort(-np.asarray(scores), kind="stable")[:most]
    return [drawn[i] for i in sorted(order) if scores[i] > 0]


def walk_maps(figure: Figure, walk: Walk, columns: Sequence[PlotColumn], *, across: int = 3) -> Figure:
    """Draw the best value of columns over the plane of two latents, or along the line of one.

    >>> from tacit.plots import new_figure
    >>> grid = np.linspace(-1, 1, 3)
    >>> walk = Walk((1, 2), (grid, grid), {"mass": np.arange(9.0)})
    >>> walk_maps(new_figure(4, 4), walk, [PlotColumn("mass", "real")]).axes[0].get_title(loc="left")
    'mass'
    """
    n = min(across, len(columns))
    plane = len(walk.places) == 2
    for place, column in enumerate(columns):
        axes = figure.add_subplot(-(-len(columns) // n), n, place + 1)
        (_map if plane else _line)(figure, axes, walk, column)
        axes.set_title(label(column.name, 22), loc="left", size=SMALL + 0.5, color=INK, parse_math=False)
        axes.set_xlabel(f"latent {walk.latents[0]}" if place >= len(columns) - n else "")
        axes.set_ylabel(f"latent {walk.latents[1]}" if plane and place % n == 0 else "")
        tidy(axes)
    return figure


def plane_cells(axes: Axes, record: Mapping[str, Any]) -> Axes:
    """Draw where the codes of rows lie: a disc a cell, its area the rows in it, its colour what they hold in a column.

    `record` holds latents, column, kind ("number" or "level"), edges (across, up), counts (up x across), values of
    every cell (the mean; or the place of the most frequent level in levels). No single row is drawn: cells of fewer
    than 3 rows are pale.

    >>> from tacit.plots import new_figure
    >>> record = {"latents": [1, 2], "column": "sort", "kind": "level", "levels": ["a", "b"]}
    >>> record |= {"edges": [[0, 1, 2], [0, 1, 2]], "counts": [[9, 0], [4, 1]], "values": [[0, None], [1, 0]]}
    >>> len(plane_cells(new_figure(4, 4).add_subplot(), record).get_legend().get_texts())
    2
    """
    edges = [np.asarray(one, float) for one in record["edges"]]
    counts = np.asarray(record["counts"], float)
    values = np.array([[np.nan if v is None else v for v in row] for row in record["values"]], float)
    x, y = np.meshgrid(*((one[1:] + one[:-1]) / 2 for one in edges))
    some = counts > 0
    whole: Any = axes.figure
    points = 72 * whole.get_size_inches()[0] * 0.78 / counts.shape[1]  # across one cell
    sizes = (points * np.sqrt(counts / max(counts.max(), 1)) * 0.97).clip(1.6) ** 2
    few = some & ((counts < FEWEST) | ~np.isfinite(values))
    axes.scatter(x[few], y[few], s=sizes[few], color=FAINT, linewidth=0)
    sure = some & ~few
    if record["kind"] == "level":
        _levels(axes, record, x[sure], y[sure], values[sure].astype(int), sizes[sure])
    else:
        shown = values[sure]
        low, high = np.quantile(shown, [0.02, 0.98]) if shown.size else (0.0, 1.0)
        norm = Normalize(low, high if high > low else low + 1)
        axes.scatter(x[sure], y[sure], s=sizes[sure], c=shown, cmap=SEQUENCE, norm=norm, linewidth=0)
        _bar(axes.figure, axes, norm, label(record["column"], 30))
    axes.set_xlim(float(edges[0][0]), float(edges[0][-1]))
    axes.set_ylim(float(edges[1][0]), float(edges[1][-1]))
    axes.set_xlabel(f"latent {record['latents'][0]}, mean of q")
    axes.set_ylabel(f"latent {record['latents'][1]}, mean of q")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=STEPS))
        axis.set_major_formatter(FuncFormatter(compact))
    return tidy(axes)


def _levels(axes: Axes, record: Mapping[str, Any], x: Column, y: Column, codes: Column, sizes: Column) -> None:
    levels = record["levels"]
    axes.scatter(x, y, s=sizes, c=[level_colour(code) for code in codes], linewidth=0)
    if all(len(str(level)) == 1 for level in levels):  # short enough to stand in their discs
        for at, up, code, size in zip(x, y, codes, sizes, strict=True):
            if size > _ROOM:
                dark = level_colour(code) in _PALE
                axes.text(at, up, label(levels[code]), size=SMALL - 2.5, color=INK if dark else "white", ha="center",
                          va="center_baseline", parse_math=False)  # fmt: skip
    handles = [
        Line2D([], [], marker="o", linestyle="", color=level_colour(code), label=label(level, 12))
        for code, level in enumerate(levels)
    ]
    legend = axes.legend(
        handles=handles,
        title=label(record["column"], 30),
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=min(len(levels), 5 if max(map(len, map(str, levels))) < 7 else 3),
        frameon=False,
        fontsize=SMALL,
        title_fontsize=SMALL,
        handletextpad=0.1,
        columnspacing=0.9,
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)
        text.set_color(INK)


# Ten that are told apart by lightness as well: seven of Okabe and Ito, and three between them.
_PALE = ("#f0c419", "#8cc9ea", "#b3b3b3")
_TEN = (*(component_colour(i) for i in range(7)), *_PALE)


def level_colour(code: int) -> str:
    """The colour of level `code`, from 0; ten, then again."""
    return _TEN[code % len(_TEN)]


def _ticks(axes: Axes, walk: Walk) -> None:
    """Values of the latents at some of the places, which are not equally far apart."""
    ticks, labels = (axes.set_xticks, axes.set_yticks), (axes.set_xlabel, axes.set_ylabel)
    parts: Any = zip(walk.latents, walk.places, ticks, labels, strict=False)
    for number, values, set_ticks, set_label in parts:
        places = np.unique(np.linspace(0, len(values) - 1, 5).round().astype(int))
        set_ticks(places, labels=[f"{values[i]:.1f}".replace("-", "−") for i in places])
        set_label(f"latent {number}")
    if len(walk.places) == 1:
        axes.set_yticks([])
    tidy(axes)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _map(figure: Figure, axes: Axes, walk: Walk, shown: PlotColumn) -> None:
    x, y = walk.places
    column = np.asarray(walk.decoded[shown.name])
    if shown.kind == "categorical" or column.dtype == object:
        texts = np.array([str(v) for v in column])
        levels = sorted(set(texts))
        codes = np.searchsorted(levels, texts).reshape(walk.shape)
        colours = ListedColormap([level_colour(i) for i in range(len(levels))])
        axes.pcolormesh(x, y, codes, cmap=colours, vmin=-0.5, vmax=len(levels) - 0.5, alpha=0.75, shading="nearest")
        for i, level in enumerate(levels):
            inside = np.argwhere(codes == i)
            row, at = inside[np.argmin(np.abs(inside - inside.mean(axis=0)).sum(axis=1))]
            axes.text(x[at], y[row], label(level, 10), size=SMALL, color=INK, ha="center", va="center",
                      parse_math=False, clip_on=True)  # fmt: skip
        return
    values = cells(column).reshape(walk.shape)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1)
    axes.pcolormesh(x, y, values, cmap=SEQUENCE, norm=norm, shading="gouraud")
    if high > low:
        axes.contour(x, y, values, levels=5, colors="white", linewidths=0.5, alpha=0.6)
    _bar(figure, axes, norm, "")


def _line(figure: Figure, axes: Axes, walk: Walk, shown: PlotColumn) -> None:
    column = np.asarray(walk.decoded[shown.name])
    if column.dtype == object:
        texts = np.array([str(v) for v in column])
        levels = sorted(set(texts))
        axes.step(walk.places[0], np.searchsorted(levels, texts), where="mid", color=SOFT)
        axes.set_yticks(range(len(levels)), labels=[label(level, 10) for level in levels], parse_math=False)
        return
    axes.plot(walk.places[0], cells(column), color=ROWS, linewidth=1.8)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.yaxis.set_major_formatter(FuncFormatter(compact))


def _bar(figure: Any, axes: Axes, norm: Normalize, text: str) -> None:
    bar = figure.colorbar(ScalarMappable(norm, SEQUENCE), ax=axes, pad=0.02, aspect=25, shrink=0.95)
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=FAINT, labelcolor=SOFT, labelsize=SMALL - 0.5, length=2)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(compact))
    bar.set_label(text, color=INK, size=TEXT, parse_math=False)
