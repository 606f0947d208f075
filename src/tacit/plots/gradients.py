"""What each gradient estimator costs for the precision it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tacit.plots.records import finite
from tacit.plots.style import FAINT, INK, MODEL, ROWS, SMALL, label, log_ticks, tidy

NOTHING = 1e-9  # of the largest variance: rounding


def variance_times_cost(axes: Axes, records: Sequence[Mapping[str, Any]]) -> Axes:
    """Draw variance x evaluations of each estimator (filled) and its variance alone (open), in the order given.

    The product is what the variance would be at one evaluation, were the draws averaged. Estimators that are biased
    by design are coloured: their variance is not the whole error. One without variance has a triangle at the left.

    >>> from tacit.plots import new_figure
    >>> records = [{"name": "leave-one-out", "unbiased": True, "variance": 0.5, "evaluations": 4}]
    >>> [tick.get_text() for tick in variance_times_cost(new_figure(4, 3).add_subplot(), records).get_yticklabels()]
    ['leave-one-out']
    """
    drawn = [row for row in records if finite(row["variance"]) is not None]
    largest = max((float(row["variance"]) for row in drawn), default=0.0)
    noisy = [row for row in drawn if row["variance"] > NOTHING * largest]
    low = min((float(row["variance"]) for row in noisy), default=1.0) / 2
    high = max((float(row["variance"]) * row["evaluations"] for row in noisy), default=10.0) * 1.5
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    for place, row in enumerate(drawn):
        colour = ROWS if row["unbiased"] else MODEL
        axes.axhline(place, color=FAINT, linewidth=0.6, zorder=0)
        if row["variance"] <= NOTHING * largest:
            axes.plot(low, place, "<", color=colour, markersize=7, clip_on=False)
            continue
        alone, product = float(row["variance"]), float(row["variance"]) * row["evaluations"]
        axes.plot([alone, product], [place, place], color=colour, linewidth=1.2)
        axes.plot(alone, place, "o", color=colour, markerfacecolor="white", markersize=5)
        axes.plot(product, place, "o", color=colour, markersize=7)
    names = [label(row["name"], 34) for row in drawn]
    axes.set_yticks(range(len(drawn)), labels=names, parse_math=False)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    log_ticks(axes.xaxis, low, high)
    axes.set_xlabel("variance of the gradient (open), times evaluations (filled)")
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    kinds = (("unbiased", ROWS, True), ("biased", MODEL, False))
    shown = [Line2D([], [], marker="o", linestyle="", color=c, label=t) for t, c, k in kinds if _any(drawn, k)]
    legend: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": 2, "borderaxespad": 0.0}
    axes.legend(handles=shown, frameon=False, fontsize=SMALL, labelcolor="linecolor", **legend)
    return axes


def _any(records: Sequence[Mapping[str, Any]], unbiased: bool) -> bool:
    return any(row["unbiased"] == unbiased for row in records)
