"""The curve by which the number of components was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tacit._errors import UsageError
from tacit.plots.records import finite
from tacit.plots.style import FAINT, INK, MODEL, ROWS, SMALL, SOFT, tidy

_CRITERIA = {
    "density": ("cv", "cross-validated log-likelihood\n(nats a row)"),
    "segments": ("bic", "BIC (nats, lower is better)"),
}


def selection_points(selection: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the selection table whose figure, by which k was chosen, can be drawn; none when k was fixed."""
    column, _ = _CRITERIA.get(selection.get("method", ""), ("", ""))
    points = [row for row in selection.get("table") or () if finite(row.get(column)) is not None]
    return sorted(points, key=lambda row: row["k"])


def is_paired(selection: Mapping[str, Any]) -> bool:
    """Whether the table has the standard error of each k's row-by-row difference from the best, `behind_se`."""
    points = selection_points(selection)
    return selection.get("method") == "density" and any(p.get("behind_se") is not None for p in points)


def selection_curve(axes: Axes, selection: Mapping[str, Any]) -> Axes:
    """Draw the figure for each k with its standard error, and mark the chosen k and the best.

    Paired differences from the best, where the table has them, are what the one-standard-error rule reads: then the
    errors are theirs, and a k is within one of the best when its line reaches the best's level. Otherwise
    the errors are each figure's own and a band shows one standard error below the best.

    Raises UsageError when k was fixed, or when the table holds no figure to draw.

    >>> from tacit.plots import new_figure
    >>> table = [{"k": 1, "cv": -3.0, "cv_se": 0.2}, {"k": 2, "cv": -2.0, "cv_se": 0.1}]
    >>> record = {"method": "density", "chosen": 2, "best": 2, "table": table}
    >>> selection_curve(new_figure(4, 3).add_subplot(), record).get_xlabel()
    'number of components, k'
    """
    points = selection_points(selection)
    if not points:
        raise UsageError("There is no curve to draw.", where="selection", mend="Fit with a range of k, such as 1:8.")
    column, name = _CRITERIA[selection["method"]]
    spread = "" if column != "cv" else "behind_se" if is_paired(selection) else "cv_se"
    k, value = [row["k"] for row in points], [row[column] for row in points]
    error = [finite(row.get(spread)) or 0.0 for row in points]
    at = dict(zip(k, zip(value, error, strict=True), strict=True))

    chosen = selection["chosen"]
    best = selection.get("best", chosen)
    if best in at and spread:
        top, width = at[best]
        if spread == "cv_se":
            axes.axhspan(top - width, top, color=FAINT, alpha=0.55, linewidth=0)
        else:
            axes.axhline(top, color=FAINT, linewidth=1, zorder=0)
        left = best > (k[0] + k[-1]) / 2
        axes.annotate(
            "within one standard error" if spread == "cv_se" else "the best",
            (0.01 if left else 0.99, top),
            (0, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="left" if left else "right",
            size=SMALL - 1,
            color=SOFT,
        )
    axes.plot(k, value, color=ROWS, linewidth=1.2, zorder=2)
    axes.errorbar(k, value, yerr=error if any(error) else None, fmt="o", color=ROWS, markersize=5)
    if best in at and best != chosen:
        _mark(axes, best, at[best], f"best, k = {best}", INK, above=True)
    if chosen in at:
        also = " and best" if best == chosen else ""
        _mark(axes, chosen, at[chosen], f"chosen{also}, k = {chosen}", MODEL, above=best == chosen)
    axes.set_xlabel("number of components, k")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=(1, 2, 5, 10), integer=True, min_n_ticks=1))
    axes.margins(x=0.1, y=0.16)
    return tidy(axes)


def _mark(axes: Axes, k: int, at: tuple[float, float], text: str, colour: str, *, above: bool) -> None:
    value, error = at
    axes.errorbar([k], [value], yerr=[error] if error else None, fmt="o", color=colour, markersize=7, zorder=4)
    axes.annotate(
        text,
        (k, value + error if above else value - error),
        (0, 5) if above else (4, -6),
        textcoords="offset points",
        ha="center" if above else "left",
        va="bottom" if above else "top",
        size=SMALL,
        color=colour,
    )
