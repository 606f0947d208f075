from __future__ import annotations

import numpy as np
import pytest

from tacit.plots import Ellipse, PlotColumn, PlotData, ellipse_outline, new_figure, pair_plot, png, telling_columns

NAMES = ("a", "b", "c")


def data(real: bool = True) -> PlotData:
    rng = np.random.default_rng(3)
    ellipses = [
        Ellipse(0.5, np.array([0.0, 5.0, 0.0]), np.eye(3), NAMES),
        Ellipse(0.5, np.array([8.0, 5.0, 1.0]), np.eye(3), NAMES),
    ]
    # Sorted by component, as samplers often give them.
    sampled = np.concatenate([rng.normal(e.mean, 1.0, (2000, 3)) for e in ellipses])
    columns = {name: sampled[:, i] if name != "c" else np.exp(sampled[:, i]) for i, name in enumerate(NAMES)}
    rows = {name: np.where(rng.random(300) < 0.1, np.nan, cells[:300]) for name, cells in columns.items()}
    kinds = [PlotColumn("a", "real"), PlotColumn("b", "real"), PlotColumn("c", "positive")]
    return PlotData(kinds, columns, rows if real else None, ellipses)


def test_telling_columns_are_those_that_differ_across_components_in_their_own_order() -> None:
    # Shares of variance between: a 16/17, b 0, c 0.25/1.25.
    assert telling_columns(data().ellipses, 2) == ["a", "c"]
    assert telling_columns(data().ellipses, 1) == ["a"]
    assert telling_columns([]) == []


def test_the_outline_lies_at_its_mahalanobis_distance() -> None:
    covariance = np.array([[2.0, 0.9], [0.9, 0.7]])
    mean = np.array([3.0, -1.0])
    offset = ellipse_outline(mean, covariance, 2.0) - mean
    distance = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset)
    np.testing.assert_allclose(distance, 4.0, rtol=1e-12)


def test_rows_are_counted_in_cells_below_and_samples_dotted_above() -> None:
    grid = np.array(pair_plot(new_figure(4, 4), data()).axes).reshape(3, 3)
    below, above = grid[1, 0], grid[0, 1]
    rows = data().real
    assert rows is not None
    both = np.isfinite(rows["a"]) & np.isfinite(rows["b"])
    assert below.collections[0].get_array().sum() == both.sum()
    assert len(below.lines) == 2  # ellipses only: no row is drawn as a point
    dots = next(line for line in above.lines if line.get_marker() == ".")
    assert len(dots.get_xdata()) <= 1500
    assert (np.asarray(dots.get_ydata()) > 4).mean() == pytest.approx(0.5, abs=0.05)  # both components


def test_positive_columns_have_a_logarithmic_axis_and_ellipses_in_user_units() -> None:
    grid = np.array(pair_plot(new_figure(4, 4), data()).axes).reshape(3, 3)
    panel = grid[2, 0]
    assert panel.get_yscale() == "log"
    assert panel.get_xscale() == "linear"
    outline = panel.lines[0].get_ydata()
    assert np.min(outline) == pytest.approx(np.exp(-2), rel=1e-2)
    assert np.max(outline) == pytest.approx(np.exp(2), rel=1e-2)


def test_without_rows_only_the_model_is_drawn() -> None:
    figure = pair_plot(new_figure(4, 4), data(real=False))
    grid = np.array(figure.axes).reshape(3, 3)
    assert not grid[0, 1].axison
    assert len(grid[1, 0].collections) == 0
    assert png(figure).startswith(b"\x89PNG")


def test_the_same_figure_gives_the_same_bytes() -> None:
    first, second = (png(pair_plot(new_figure(3, 3), data(), 2)) for _ in range(2))
    assert first == second
