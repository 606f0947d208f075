"""What comes back of rows that went through the latent: images in pairs, columns as counts in cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tacit.plots.data import Column, cells
from tacit.plots.style import FAINT, INK, MODEL, ROWS, SMALL, STEPS, compact, label, log_ticks, tidy

_CELLS = LinearSegmentedColormap.from_list("rows", ["#dfe5eb", ROWS, "#46586b"])


def image_pairs(
    figure: Figure, rows: Mapping[str, Column], returned: Mapping[str, Column], shape: tuple[int, int]
) -> Figure:
    """Draw images of `shape` (height, width) in one line, and under each what the model gives back of it.

    >>> from tacit.plots import new_figure
    >>> table = {f"x{j}": np.arange(3.0) for j in range(4)}
    >>> len(image_pairs(new_figure(4, 2), table, table, (2, 2)).axes)
    6
    """
    both = [np.stack([cells(values) for values in table.values()], axis=1) for table in (rows, returned)]
    finite = np.concatenate([part[np.isfinite(part)] for part in both])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    grid = figure.subplots(2, len(both[0]), squeeze=False)
    for line, part, name in zip(grid, both, ("row", "returned"), strict=True):
        for axes, image in zip(line, part.reshape(-1, *shape), strict=True):
            axes.imshow(image, cmap="Greys", vmin=low, vmax=high if high > low else low + 1, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(FAINT)
        line[0].set_ylabel(name, size=SMALL, color=INK)
    return figure


def returned_cells(figure: Figure, columns: Sequence[Mapping[str, Any]], *, across: int = 2) -> Figure:
    """Draw of columns what the model gives back of them against what they hold, as counts in cells.

    Each holds column, kind, edges, counts (returned x held) and explained, the share of variance that comes back. On
    the line they are the same. No single row is drawn as a point.

    >>> from tacit.plots import new_figure
    >>> one = {"column": "mass", "kind": "real", "edges": [0, 1, 2], "counts": [[3, 0], [0, 4]], "explained": 0.9}
    >>> returned_cells(new_figure(4, 4), [one]).axes[0].get_title(loc="left")
    'mass: 90 % returned'
    """
    n = min(across, len(columns))
    for place, one in enumerate(columns, start=1):
        axes = figure.add_subplot(-(-len(columns) // n), n, place)
        edges, counts = np.asarray(one["edges"], float), np.asarray(one["counts"], float)
        log = one["kind"] == "positive"
        edges = np.exp(edges) if log else edges
        axes.pcolormesh(edges, edges, np.ma.masked_equal(counts, 0), cmap=_CELLS, rasterized=True)
        axes.plot(edges[[0, -1]], edges[[0, -1]], color=MODEL, linewidth=1, linestyle=(0, (4, 3)))
        said = f"{label(one['column'], 16)}: {100 * one['explained']:.0f} % returned".replace("-", "−")
        axes.set_title(said, loc="left", size=SMALL, color=INK, parse_math=False)
        for axis in (axes.xaxis, axes.yaxis):
            if log:
                (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
                log_ticks(axis, float(edges[0]), float(edges[-1]))
            else:
                axis.set_major_locator(MaxNLocator(4, steps=STEPS))
                axis.set_major_formatter(FuncFormatter(compact))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(edges[0], edges[-1])
        axes.set_aspect("auto")
        tidy(axes)
        axes.set_xlabel("held" if place > len(columns) - n else "")
        axes.set_ylabel("returned" if place % n == 1 or n == 1 else "")
    return figure
