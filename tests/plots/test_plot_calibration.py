"""Pictures of predictions: what is drawn is what the records hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from tacit.plots import conditional_density, coverage, fan_chart, new_figure, pit_histogram, png

PIT = {"edges": [0.0, 0.25, 0.5, 0.75, 1.0], "shares": [0.4, 0.25, 0.25, 0.1], "low": [0.2] * 4, "high": [0.3] * 4}
POINTS = {"x": [0.5, 1.5], "y": [1.0, 7.0], "of": 2}


def axes() -> Any:
    return new_figure(4.2, 3).add_subplot()


def pair(level: float, value: float, error: float | None) -> dict[str, Any]:
    return {"level": level, "result": {"value": value, "standard_error": error}}


def test_bars_are_the_shares_and_those_outside_the_band_are_coloured() -> None:
    drawn = pit_histogram(axes(), PIT)
    assert [bar.get_height() for bar in drawn.containers[0]] == PIT["shares"]
    colours = [bar.get_facecolor() for bar in drawn.containers[0]]
    assert colours[0] == colours[3] != colours[1] == colours[2]
    assert drawn.lines[0].get_ydata()[0] == 0.25
    assert png(drawn.figure).startswith(b"\x89PNG")


def test_without_a_band_no_bar_is_outside_it() -> None:
    drawn = pit_histogram(axes(), {**PIT, "low": None, "high": None})
    assert len({bar.get_facecolor() for bar in drawn.containers[0]}) == 1


def test_coverage_is_drawn_with_its_95_per_cent_interval() -> None:
    drawn = coverage(axes(), {"coverage": [pair(0.5, 0.42, 0.01), pair(0.9, 0.95, None)]})
    line, _, (bars,) = drawn.containers[0]
    assert line.get_xydata().tolist() == [[0.5, 0.42], [0.9, 0.95]]
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [0.42 - 0.0196, 0.42 + 0.0196])
    assert [text.get_text() for text in drawn.texts] == ["too wide", "too narrow", "42 %", "95 %"]
    assert drawn.get_ylim()[0] < 0.4


def fan(intervals: list[Any], median: list[float] | None = None) -> dict[str, Any]:
    bands = [{"coverage": 0.5, "intervals": intervals}]
    return {"names": ["x_1", "$y$"], "x": [0.0, 1.0, 2.0], "bands": bands, "median": median, "points": POINTS}


def area(drawn: Any) -> float:
    """The area of all polygons, by the shoelace formula."""
    (band,) = [c for c in drawn.collections if isinstance(c, PolyCollection) and not c.get_label()[:1].isdigit()]
    total = 0.0
    for path in band.get_paths():
        x, y = path.vertices[:4].T
        total += abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return total


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([[[0, 2]], [[0, 4]], [[0, 4]]], 3.0 + 4.0),  # joined: trapezoids
        ([[[0, 2]], [[0, 2], [5, 6]], [[0, 2], [5, 6]]], 2.0 + 0.5 + 3.0),  # a branch begins half way
        ([[[0, 1]], [[3, 5]], [[3, 5]]], 0.5 + 1.0 + 2.0),  # a jump is not bridged
    ],
)
def test_bands_have_the_area_of_their_intervals_and_branches_part(intervals: list[Any], expected: float) -> None:
    drawn = fan_chart(axes(), fan(intervals))
    assert area(drawn) == pytest.approx(expected)
    assert (drawn.get_xlabel(), drawn.get_ylabel()) == ("x_1", "$y$")
    points = [c for c in drawn.collections if isinstance(c, PathCollection)]
    assert points[0].get_offsets().tolist() == [[0.5, 1.0], [1.5, 7.0]]
    assert drawn.get_ylim()[0] <= 0 < 7 <= drawn.get_ylim()[1]
    assert png(drawn.figure).startswith(b"\x89PNG")


def test_bands_of_counts_are_steps() -> None:
    drawn = fan_chart(axes(), {**fan([[[0, 2]], [[0, 4]], [[0, 4]]]), "whole": True})
    assert area(drawn) == pytest.approx(1.0 + 2.0 + 4.0)
    assert {edge for path in drawn.collections[0].get_paths() for edge in path.vertices[:, 1]} == {0.0, 2.0, 4.0}


def test_the_median_is_drawn_where_there_is_one() -> None:
    drawn = fan_chart(axes(), fan([[[0, 2]]] * 3, [1.0, 1.5, 1.0]))
    assert drawn.lines[-1].get_ydata().tolist() == [1.0, 1.5, 1.0]
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == ["50 %", "median"]


@pytest.mark.parametrize("whole", [False, True])
def test_the_map_has_y_upwards_and_x_to_the_right(whole: bool) -> None:
    record = {"names": ["x", "y"], "x": [0, 1, 2], "y": [0, 1], "density": [[0.1, 0.9], [0.5, 0.5], [0.2, 0.8]]}
    drawn = conditional_density(axes(), {**record, "whole": whole, "points": None})
    np.testing.assert_allclose(drawn.collections[0].get_array(), np.array(record["density"]).T)
    assert png(drawn.figure).startswith(b"\x89PNG")
