"""Where the restarts of a fit ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tacit.plots.records import finite
from tacit.plots.style import INK, MODEL, ROWS, STEPS, label, tidy


def restart_strip(axes: Axes, restarts: Sequence[Mapping[str, Any]]) -> Axes:
    r"""Draw each start's log-likelihood below the best one, a strip a stage; the converged are coloured.

    Starts that ended without a finite log-likelihood are counted in the strip's label.

    >>> from tacit.plots import new_figure
    >>> starts = [{"stage": "finished", "log_likelihood": -2.0 - i, "verdict": "converged"} for i in range(3)]
    >>> [tick.get_text() for tick in restart_strip(new_figure(4, 2).add_subplot(), starts).get_yticklabels()]
    ['finished\n3 starts']
    """
    reached = [r["log_likelihood"] for r in restarts if finite(r.get("log_likelihood")) is not None]
    best = max(reached, default=0.0)
    stages = list(dict.fromkeys(str(r.get("stage", "")) for r in restarts))
    names = []
    for row, stage in enumerate(stages):
        members = [r for r in restarts if str(r.get("stage", "")) == stage]
        shown = [r for r in members if finite(r.get("log_likelihood")) is not None]
        for i, start in enumerate(shown):
            lift = 0.22 * ((i % 3) - 1)  # neighbours with equal figures stay apart
            colour = MODEL if start.get("verdict") == "converged" else ROWS
            axes.plot(start["log_likelihood"] - best, row + lift, "o", color=colour, markersize=6, alpha=0.8)
        lost = len(members) - len(shown)
        names.append(f"{label(stage, 16)}\n{len(members)} starts" + (f", {lost} failed" if lost else ""))
    axes.set_yticks(range(len(stages)), labels=names, parse_math=False)
    axes.set_ylim(len(stages) - 0.4, -0.6)
    low = min((value - best for value in reached), default=0.0)
    pad = max(-low, 1e-3) * 0.08
    axes.set_xlim(min(low, -1e-3) - pad, pad)
    axes.set_xlabel("nats a row, from the best start")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return axes
