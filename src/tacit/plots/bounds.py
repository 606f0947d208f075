"""The log-likelihood of a deep model: its parts, and how bounds of it rise with the number of draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from tacit.plots.records import finite
from tacit.plots.style import FAINT, INK, MODEL, ROWS, SMALL, SOFT, STEPS, label, tidy

_NORMAL_95 = 1.96
_TOLD, _LOST, _GAINED = "#0072b2", "#d98b00", "#009e73"


def bound_parts(axes: Axes, bounds: Sequence[Mapping[str, Any]], what: str = "log-likelihood") -> Axes:
    """Draw how the log-likelihood comes about: from nought by the distortion and the rate to the bound, then the gap.

    `bounds` are those of a record of a deep model: the log-likelihood, ELBO, gap, rate and distortion, in this order;
    `what` the first of them is called.

    >>> from tacit.plots import new_figure
    >>> bounds = [{"name": n, "value": v} for n, v in (("p", -5.0), ("ELBO", -6.0), ("g", 1.0), ("r", 2.0), ("d", 4.0))]
    >>> [tick.get_text() for tick in bound_parts(new_figure(4, 2).add_subplot(), bounds).get_yticklabels()][0]
    'less the distortion'
    """
    log_p, elbo, gap, rate, distortion = (float(one["value"]) for one in bounds)
    steps = (
        ("less the distortion", 0.0, -distortion, _TOLD),
        ("less the rate", -distortion, -distortion - rate, _LOST),
        ("plus the gap", elbo, elbo + gap, _GAINED),
        (what, log_p, log_p, MODEL),
    )
    ends = [end for _, _, end, _ in steps]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.2 * max(high - low, 1e-9)
    for place, (_, start, end, colour) in enumerate(steps):
        last = start == end and place == len(steps) - 1
        if not last:
            axes.barh(place, end - start, left=start, height=0.5, color=colour, alpha=0.85, linewidth=0)
            axes.plot([end, end], [place, place + 1], color=SOFT, linewidth=0.8, zorder=0)
        else:
            axes.plot(end, place, "D", color=colour, markersize=6)
        said = f"{end:.4g}" if last else f"{end - start:+.3g}"
        if place == 1:
            said = f"{said} = ELBO {elbo:.4g}"
        right = max(start, end)
        axes.annotate(
            said.replace("-", "−"),
            (right, place),
            (5 if not last else 8, 0),
            textcoords="offset points",
            va="center",
            size=SMALL,
            color=INK,
        )
    axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
    axes.set_yticks(range(len(steps)), labels=[name for name, *_ in steps])
    axes.set_ylim(len(steps) - 0.5, -0.5)
    axes.set_xlim(low - 0.25 * room, high + 1.6 * room)
    axes.set_xlabel("nats a row")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return axes


def bound_curve(axes: Axes, record: Mapping[str, Any]) -> Axes:
    """Draw bounds of the log-likelihood against the draws of q they take, with 95 % intervals of the noise of draws.

    `record` holds `points`, Results with their number of `draws` (the ELBO is that of one), and the `best` figure:
    a line where it is exact or, by its `method`, an integral; or the estimate, an open mark.

    >>> from tacit.plots import new_figure
    >>> points = [{"draws": 2**k, "value": -3.0 - 0.5**k, "monte_carlo_error": 0.01} for k in range(3)]
    >>> axes = bound_curve(new_figure(4, 3).add_subplot(), {"points": points, "best": {"value": -3.0, "kind": "exact"}})
    >>> axes.get_xlabel()
    'draws of q a row'
    """
    points = [point for point in record["points"] if finite(point.get("value")) is not None]
    best = record.get("best") or {}
    target = finite(best.get("value"))
    draws, values = [point["draws"] for point in points], [point["value"] for point in points]
    noise = [_NORMAL_95 * (finite(point.get("monte_carlo_error")) or 0.0) for point in points]
    axes.set_xscale("log", base=2)
    axes.plot(draws, values, color=ROWS, linewidth=1.2, zorder=2)
    axes.errorbar(draws, values, yerr=noise, fmt="o", color=ROWS, markersize=3.5, linewidth=1.6, zorder=3)
    axes.plot(draws[:1], values[:1], "o", color=MODEL, markersize=7, zorder=4)
    texts = {0: f"ELBO {values[0]:.2f}", len(points) - 1: f"{values[-1]:.2f}"}
    for place, text in texts.items():
        axes.annotate(
            text.replace("-", "−"),
            (draws[place], values[place]),
            (8, -3) if place == 0 else (0, -9),
            textcoords="offset points",
            ha="left" if place == 0 else "center",
            va="top",
            size=SMALL,
            color=MODEL if place == 0 else INK,
        )
    ticks = list(draws)
    integral = record.get("method") == "quadrature"
    if target is not None and (integral or best.get("kind") == "exact"):
        axes.axhline(target, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        _say(axes, f"{'by quadrature' if integral else 'exact'} {target:.2f}", target)
    elif target is not None:
        error = _NORMAL_95 * (finite(best.get("monte_carlo_error")) or 0.0)
        beyond = 2 * draws[-1]
        axes.errorbar([beyond], [target], yerr=[error], fmt="o", color=INK, markersize=4.5, markerfacecolor="white",
                      linewidth=1.6, zorder=3)  # fmt: skip
        _say(axes, f"estimate {target:.2f}", target + error)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.margins(x=0.08, y=0.22)
    axes.set_xlabel("draws of q a row")
    axes.set_ylabel(f"bound ({label(record.get('units') or 'nats a row')})", parse_math=False)
    return tidy(axes)


def _say(axes: Axes, text: str, height: float) -> None:
    axes.annotate(
        text.replace("-", "−"),
        (0.99, height),
        (0, 4),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        va="bottom",
        size=SMALL,
        color=INK,
    )
