"""What the latents of a model do, and rows drawn from it as images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tacit.plots.data import Column, cells
from tacit.plots.style import FAINT, MODEL, ROWS, SMALL, STEPS, tidy

_IN_USE = 0.01  # nats


def rate_bars(axes: Axes, rates: Sequence[float]) -> Axes:
    """Draw how much each latent says of a row, in nats, the largest first; those not in use are grey.

    >>> from tacit.plots import new_figure
    >>> len(rate_bars(new_figure(4, 2).add_subplot(), [0.1, 1.2, 0.0]).patches)
    3
    """
    ordered = sorted((float(rate) for rate in rates), reverse=True)
    colours = [MODEL if rate > _IN_USE else ROWS for rate in ordered]
    axes.bar(range(1, len(ordered) + 1), ordered, color=colours, width=0.8)
    axes.set_xlabel("latent, by what it says")
    axes.set_ylabel("KL(q || prior), nats a row")
    axes.set_xlim(0.3, len(ordered) + 0.7)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS, integer=True))
    return tidy(axes)


DARKEST = 0.998  # of the pixels of rows drawn: one of a long tail leaves the others their greys


def image_grid(
    figure: Figure, columns: Mapping[str, Column], shape: tuple[int, int], *, rows: int = 4, across: int = 8
) -> Figure:
    """Draw the first rows of a table as images of `shape` (height, width), columns in order; dark is high.

    >>> from tacit.plots import new_figure
    >>> table = {f"x{j}": np.arange(3.0) for j in range(4)}
    >>> len(image_grid(new_figure(4, 2), table, (2, 2), rows=1, across=3).axes)
    3
    """
    pixels = np.stack([cells(values) for values in columns.values()], axis=1)
    shown = pixels[: rows * across].reshape(-1, *shape)
    finite = pixels[np.isfinite(pixels)]
    low, high = np.quantile(finite, [0.0, DARKEST]) if finite.size else (0.0, 1.0)
    for place, image in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, across, place)
        axes.imshow(image, cmap="Greys", vmin=low, vmax=high if high > low else low + 1, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color(FAINT)
        axes.tick_params(labelsize=SMALL)
    return figure
