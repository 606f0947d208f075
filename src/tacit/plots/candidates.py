"""The candidates of a fit, and how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tacit.plots.records import finite
from tacit.plots.style import INK, MODEL, ROWS, SMALL, STEPS, label, tidy

MOST_CANDIDATES = 14


def candidate_dots(axes: Axes, candidates: Sequence[Mapping[str, Any]]) -> Axes:
    """Draw the figure of each candidate with its standard error, in the order given; the chosen one is coloured.

    Of more than 14 the first are drawn.

    >>> from tacit.plots import new_figure
    >>> rows = [{"label": f"k {k}", "figure": {"value": -1.0 - k, "standard_error": 0.1}} for k in (1, 2)]
    >>> [tick.get_text() for tick in candidate_dots(new_figure(4, 2).add_subplot(), rows).get_yticklabels()]
    ['k 1', 'k 2']
    """
    drawn = [row for row in candidates if finite(row["figure"].get("value")) is not None][:MOST_CANDIDATES]
    for place, row in enumerate(drawn):
        value, error = row["figure"]["value"], finite(row["figure"].get("standard_error")) or 0.0
        colour = MODEL if row.get("chosen") else ROWS
        axes.plot([value - error, value + error], [place, place], color=colour, linewidth=2.4, solid_capstyle="butt")
        axes.plot(value, place, "o", color=colour, markersize=7 if row.get("chosen") else 5.5)
    axes.set_yticks(range(len(drawn)), labels=[label(row.get("label", ""), 34) for row in drawn], parse_math=False)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.margins(x=0.08)
    axes.set_xlabel("log-likelihood on rows set aside")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for tick, row in zip(axes.get_yticklabels(), drawn, strict=True):
        tick.set_color(MODEL if row.get("chosen") else INK)
    return axes


def training_curve(axes: Axes, record: Mapping[str, Any]) -> Axes:
    """Draw the mean objective of each epoch: on the rows trained on, and on those set aside where there are any.

    `record` holds epoch, training and perhaps validation, lists of one length. The first epochs, from which the
    curves climb, may lie below the picture.

    >>> from tacit.plots import new_figure
    >>> record = {"epoch": [1, 2, 3], "training": [-2.0, -1.0, -0.9], "validation": [-2.1, -1.2, -1.1]}
    >>> training_curve(new_figure(4, 3).add_subplot(), record).get_xlabel()
    'epoch'
    """
    epoch = np.asarray(record["epoch"], float)
    seen: list[np.ndarray] = []
    for name, colour, text in (("training", ROWS, "trained on"), ("validation", MODEL, "set aside")):
        if record.get(name) is None:
            continue
        values = np.array([np.nan if finite(value) is None else float(value) for value in record[name]])
        if not np.isfinite(values).any():
            continue
        seen.append(values[np.isfinite(values)])
        axes.plot(epoch, values, color=colour, linewidth=1.6, label=text)
    if seen:
        settled = np.concatenate([values[len(values) // 5 :] for values in seen])
        low, high = float(settled.min()), max(float(values.max()) for values in seen)
        pad = 0.08 * max(high - low, 1e-3)
        axes.set_ylim(low - pad, high + pad)
    axes.set_xlim(epoch[0], max(epoch[-1], epoch[0] + 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean objective (nats a row)")
    axes.legend(loc="lower right", frameon=False, fontsize=SMALL, labelcolor="linecolor", handlelength=1.2)
    return tidy(axes)
