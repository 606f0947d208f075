"""Held-out figures of the model beside those of plain baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tacit.plots.records import finite
from tacit.plots.style import INK, MODEL, ROWS, SMALL, STEPS, label, tidy

# A bound points to where the true figure lies; an estimate is hollow.
_MARKERS = {"exact": "o", "estimate": "o", "lower bound": ">", "upper bound": "<"}
_NORMAL_95 = 1.96


def heldout_dots(axes: Axes, results: Sequence[Mapping[str, Any]], what: str = "log-likelihood") -> Axes:
    """Draw each Result as a dot, a thick line one standard error either side and a thin 95 % interval.

    The first result is the model's and is coloured; Results without a finite value are left out. `what` they are is
    the label of the axis.

    >>> from tacit.plots import new_figure
    >>> results = [{"name": "model", "value": -2.0, "standard_error": 0.1}, {"name": "one Gaussian", "value": -3.0}]
    >>> heldout_dots(new_figure(4, 2).add_subplot(), results).get_xlabel()
    'held-out log-likelihood (nats a row)'
    """
    drawn = [(i, result) for i, result in enumerate(results) if finite(result.get("value")) is not None]
    for row, (i, result) in enumerate(drawn):
        value, error, kind = result["value"], finite(result.get("standard_error")) or 0.0, result.get("kind", "exact")
        colour = MODEL if i == 0 else ROWS
        axes.plot([value - _NORMAL_95 * error, value + _NORMAL_95 * error], [row, row], color=colour, linewidth=1)
        axes.plot([value - error, value + error], [row, row], color=colour, linewidth=3.2, solid_capstyle="butt")
        axes.plot(
            value,
            row,
            _MARKERS.get(kind, "o"),
            color=colour,
            markersize=8,
            markerfacecolor="white" if kind == "estimate" else colour,
        )
        axes.annotate(
            f"{value:.2f}".replace("-", "−"),
            (value, row),
            (0, 7),
            textcoords="offset points",
            ha="center",
            size=SMALL,
            color=MODEL if i == 0 else INK,
        )
    names = [label(result.get("name", ""), 22) for _, result in drawn]
    axes.set_yticks(range(len(drawn)), labels=names, parse_math=False)
    axes.set_ylim(len(drawn) - 0.5, -0.75)
    axes.margins(x=0.12)
    units = next((result["units"] for _, result in drawn if result.get("units")), "nats a row")
    axes.set_xlabel(f"held-out {what} ({label(units)})", parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return axes
