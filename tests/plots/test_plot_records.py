from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tacit._errors import UsageError
from tacit.plots import heldout_dots, new_figure, png, restart_strip, selection_curve, selection_points
from tacit.plots.style import compact, label

TABLE = [
    {"k": k, "cv": cv, "cv_se": 0.1, "icl": 100.0 - k, "bic": 90.0 - k}
    for k, cv in enumerate([-3.0, -2.05, -2.0], start=1)
]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_the_curve_marks_the_chosen_and_the_best_k_and_the_band() -> None:
    selection = {"method": "density", "chosen": 2, "best": 3, "table": TABLE}
    axes = selection_curve(new_figure(4, 3).add_subplot(), selection)
    assert {"chosen, k = 2", "best, k = 3"} <= set(texts(axes))
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((-2.1, -2.0))
    assert axes.lines[0].get_ydata().tolist() == [-3.0, -2.05, -2.0]


def test_one_k_may_be_both_chosen_and_best() -> None:
    selection = {"method": "segments", "chosen": 3, "table": TABLE}
    axes = selection_curve(new_figure(4, 3).add_subplot(), selection)
    assert texts(axes) == ["chosen and best, k = 3"]
    assert axes.lines[0].get_ydata().tolist() == [89.0, 88.0, 87.0]


def test_paired_errors_are_those_of_the_rule() -> None:
    table = [row | {"behind_se": error} for row, error in zip(TABLE, [0.3, 0.07, 0.0], strict=True)]
    selection = {"method": "density", "chosen": 2, "best": 3, "table": table}
    axes = selection_curve(new_figure(4, 3).add_subplot(), selection)
    assert len(axes.patches) == 0
    level = axes.lines[0].get_ydata()[0]
    tops = [segment[1, 1] for segment in axes.collections[0].get_segments()]
    assert [top >= level for top in tops] == [False, True, True]  # k = 1 is out, as by the rule


def test_a_fixed_k_has_no_curve() -> None:
    assert selection_points({"method": "fixed", "chosen": 3, "table": TABLE}) == []
    with pytest.raises(UsageError, match="no curve"):
        selection_curve(new_figure(4, 3).add_subplot(), {"method": "fixed", "chosen": 3})


def test_heldout_intervals_are_one_and_1_96_standard_errors() -> None:
    results = [
        {"name": "model", "value": -1.0, "standard_error": 0.1, "kind": "lower bound"},
        {"name": "$baseline", "value": -2.0, "standard_error": None, "kind": "estimate"},
        {"name": "failed", "value": None},
        {"name": "impossible", "value": "-inf"},
    ]
    axes = heldout_dots(new_figure(4, 3).add_subplot(), results)
    thin, thick, dot = axes.lines[:3]
    assert thin.get_xdata().tolist() == pytest.approx([-1.196, -0.804])
    assert thick.get_xdata().tolist() == pytest.approx([-1.1, -0.9])
    assert dot.get_marker() == ">"
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["model", "$baseline"]
    assert png(axes.figure).startswith(b"\x89PNG")


def test_restarts_are_shown_from_the_best_and_the_failed_counted() -> None:
    starts = [
        {"stage": "short", "log_likelihood": -5.0, "verdict": "stopped early"},
        {"stage": "short", "log_likelihood": None, "verdict": "non-finite"},
        {"stage": "finished", "log_likelihood": -4.0, "verdict": "converged"},
    ]
    axes = restart_strip(new_figure(4, 3).add_subplot(), starts)
    assert [line.get_xdata()[0] for line in axes.lines] == [-1.0, 0.0]
    assert axes.get_yticklabels()[0].get_text() == "short\n2 starts, 1 failed"
    assert png(restart_strip(new_figure(4, 3).add_subplot(), []).figure).startswith(b"\x89PNG")


def test_labels_are_one_short_line_that_the_font_can_draw() -> None:
    assert label("a\nb  c") == "a b c"
    assert label("x" * 50, 10) == "xxxxxx…xxx"
    assert label("鳥\u202e\x00é") == "▯▯▯é"


def test_tick_labels_are_plain() -> None:
    assert [compact(x) for x in (0, 250.0, -0.5, 3e6)] == ["0", "250", "−0.5", "3e+06"]


def test_pyplot_and_its_global_state_are_never_loaded() -> None:
    code = "import sys, tacit.report; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
