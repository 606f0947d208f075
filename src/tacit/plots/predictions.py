"""Predictions along one covariate: bands that part where the prediction has branches, and the density itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgb
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tacit.plots.ranges import plot_range
from tacit.plots.style import INK, MODEL, SMALL, SOFT, STEPS, compact, label, tidy

_DENSITY = LinearSegmentedColormap.from_list("density", ["#ffffff", "#f8dfcf", "#e79a6f", MODEL, "#5e200a"])


def fan_chart(axes: Axes, record: Mapping[str, Any]) -> Axes:
    """Draw for every x the sets that hold y with the given probabilities, the likeliest darkest, and the points.

    `record` holds names (of x and y), x of shape (g,), bands with their coverage and for every x a list of
    intervals, median of shape (g,) or None, `whole` where y is a count, and points {x, y} or None. A band of
    several intervals falls apart: those are the branches.

    >>> from tacit.plots import new_figure
    >>> bands = [{"coverage": 0.9, "intervals": [[[0.0, 1.0]], [[0.0, 1.0], [2.0, 3.0]]]}]
    >>> record = {"names": ["dose", "effect"], "x": [0.0, 1.0], "bands": bands, "median": None, "points": None}
    >>> fan_chart(new_figure(4, 3).add_subplot(), record).get_ylabel()
    'effect'
    """
    x = np.asarray(record["x"], np.float64)
    bands = sorted(record["bands"], key=lambda band: -band["coverage"])
    for rank, band in enumerate(bands):
        shade = _tint((rank + 1.0) / (len(bands) + 0.6))
        shapes = _shapes(x, band["intervals"], bool(record.get("whole")))
        widths = [0.25 if np.ptp(shape[:, 1]) > 0 else 2.5 for shape in shapes]  # an atom has no height
        axes.add_collection(PolyCollection(shapes, facecolors=shade, edgecolors=shade, linewidths=widths, zorder=1))
        axes.fill_between([], [], color=shade, label=f"{100 * band['coverage']:g} %", linewidth=0)
    if record.get("median") is not None:
        axes.plot(x, record["median"], color="white", linewidth=2.6, zorder=2)
        axes.plot(x, record["median"], color=MODEL, linewidth=1.4, label="median", zorder=2)
    _points(axes, record)
    ends = np.array([end for intervals in bands[0]["intervals"] for pair in intervals for end in pair], float)
    low, high = plot_range(ends[np.isfinite(ends)], _y(record))
    axes.set_ylim(low, high)
    _axes(axes, record, x)
    columns = len(bands) + (record.get("median") is not None)
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=1.1,
        handletextpad=0.45,
        columnspacing=1.1,
        borderaxespad=0.2,
        borderpad=0.1,
    )
    for text in legend.get_texts():
        text.set_color(SOFT)
    return axes


def conditional_density(axes: Axes, record: Mapping[str, Any]) -> Axes:
    """Draw p(y | x) as a map: each column is the density of y at that x, darker where y is likelier.

    `record` holds names (of x and y), x of shape (g,), y of shape (m,), density of shape (g, m), points {x, y}
    or None, and `whole`, whether y are whole numbers. Colours go with the square root of the density, so that faint
    branches stay visible.

    >>> from tacit.plots import new_figure
    >>> record = {"names": ["dose", "effect"], "x": [0, 1], "y": [0, 1], "density": [[0.2, 0.8], [0.5, 0.5]]}
    >>> conditional_density(new_figure(4, 3).add_subplot(), record).get_xlabel()
    'dose'
    """
    x, y = np.asarray(record["x"], np.float64), np.asarray(record["y"], np.float64)
    density = np.nan_to_num(np.asarray(record["density"], np.float64)).T
    top = float(np.quantile(density.max(axis=0), 0.9))  # one needle of a column must not pale all others
    norm = PowerNorm(0.5, 0.0, top or 1.0, clip=True)
    shading: Literal["nearest", "gouraud"] = "nearest" if record.get("whole") else "gouraud"
    axes.pcolormesh(x, y, density, cmap=_DENSITY, norm=norm, shading=shading, rasterized=True, zorder=0)
    _points(axes, record)
    room = 0.5 * (y[1] - y[0]) if record.get("whole") else 0.0
    axes.set_ylim(y[0] - room, y[-1] + room)
    return _axes(axes, record, x)


def _shapes(x: np.ndarray, intervals: Sequence[Sequence[Sequence[float]]], stepped: bool) -> list[np.ndarray]:
    """Polygons between neighbouring x: intervals are joined where each meets its own, else each goes half way."""
    shapes = []
    for i in range(len(x) - 1):
        here, there = (np.asarray(pairs, float).reshape(-1, 2) for pairs in intervals[i : i + 2])
        paired = not stepped and len(here) == len(there)
        if paired and np.all((here[:, 0] <= there[:, 1]) & (there[:, 0] <= here[:, 1])):
            shapes += [_quad(x[i], a, x[i + 1], b) for a, b in zip(here, there, strict=True)]
        else:
            half = 0.5 * (x[i] + x[i + 1])
            shapes += [_quad(x[i], a, half, a) for a in here] + [_quad(half, b, x[i + 1], b) for b in there]
    return shapes


def _quad(x0: float, a: np.ndarray, x1: float, b: np.ndarray) -> np.ndarray:
    return np.array([(x0, a[0]), (x0, a[1]), (x1, b[1]), (x1, b[0])])


def _tint(strength: float) -> tuple[float, ...]:
    """The model's colour mixed with white: opaque, so that bands do not add up."""
    return tuple(1 - strength * (1 - channel) for channel in to_rgb(MODEL))


def _y(record: Mapping[str, Any]) -> np.ndarray:
    points = record.get("points")
    return np.asarray(points["y"] if points else [], np.float64)


def _points(axes: Axes, record: Mapping[str, Any]) -> None:
    points = record.get("points")
    if points and len(points["x"]):
        size = float(np.clip(900 / len(points["x"]), 3, 12))
        axes.scatter(points["x"], points["y"], s=size, color=INK, alpha=0.55, linewidths=0, zorder=3)


def _axes(axes: Axes, record: Mapping[str, Any], x: np.ndarray) -> Axes:
    axes.set_xlim(x[0], x[-1])
    for axis, name in zip((axes.xaxis, axes.yaxis), record["names"], strict=True):
        axis.set_major_locator(MaxNLocator(5, steps=STEPS))
        axis.set_major_formatter(FuncFormatter(compact))
        axis.set_label_text(label(name, 34), parse_math=False)
    return tidy(axes)
