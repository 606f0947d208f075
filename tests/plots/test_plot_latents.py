"""Pictures of deep models: what is drawn is what the records and arrays say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tacit.plots import (
    PlotColumn,
    PlotData,
    Walk,
    bound_curve,
    bound_parts,
    image_pairs,
    moving_columns,
    new_figure,
    plane_cells,
    png,
    returned_cells,
    walk_images,
    walk_maps,
)
from tacit.plots.latent_plane import level_colour
from tacit.plots.style import FAINT


def axes() -> Any:
    return new_figure(4, 3).add_subplot()


def texts(drawn: Any) -> list[str]:
    return [text.get_text() for text in drawn.texts]


def parts(log_p: float, elbo: float, rate: float) -> list[dict[str, Any]]:
    return [{"value": v} for v in (log_p, elbo, log_p - elbo, rate, -elbo - rate)]


@pytest.mark.parametrize(("log_p", "elbo", "rate"), [(-17.0, -18.0, 6.0), (12.0, 9.0, 30.0), (-5.0, -5.0, 0.0)])
def test_the_parts_of_the_bound_end_at_the_log_likelihood(log_p: float, elbo: float, rate: float) -> None:
    drawn = bound_parts(axes(), parts(log_p, elbo, rate))
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in drawn.patches]
    assert bars[0] == pytest.approx((0.0, elbo + rate))
    assert bars[1] == pytest.approx((elbo + rate, elbo))
    assert bars[2] == pytest.approx((elbo, log_p))
    assert texts(drawn)[-1] == f"{log_p:.4g}".replace("-", "−")
    low, high = drawn.get_xlim()
    assert low < min(0.0, elbo, elbo + rate)
    assert high > max(0.0, elbo + rate, log_p)
    assert drawn.get_xlabel() == "nats a row"


def test_the_curve_has_95_percent_intervals_of_the_noise_and_says_what_the_last_is() -> None:
    values = {1: -18.3, 64: -17.32, 128: -17.30, 256: -17.28}
    points = [{"draws": d, "value": v, "monte_carlo_error": 0.01} for d, v in values.items()]
    record = {"points": points, "best": {"value": -17.25, "kind": "estimate", "monte_carlo_error": 0.02}}
    drawn = bound_curve(axes(), record)
    line = drawn.lines[0]
    assert line.get_xdata().tolist() == list(values)
    assert line.get_ydata().tolist() == list(values.values())
    spans = [np.ptp(segment[:, 1]) for bars in drawn.collections for segment in bars.get_segments()]
    assert spans == pytest.approx([2 * 1.96 * 0.01] * 4 + [2 * 1.96 * 0.02])
    assert {"ELBO −18.30", "−17.28", "estimate −17.25"} == set(texts(drawn))
    exact = bound_curve(axes(), {"points": points, "best": {"value": -17.2, "kind": "exact"}})
    assert exact.lines[-1].get_ydata()[0] == -17.2
    assert "exact −17.20" in texts(exact)


def test_images_of_a_walk_lie_at_their_places() -> None:
    grid = np.array([-1.0, 0.0, 1.0])
    corner = np.zeros(9)
    corner[[0, 5]] = 1.0, 2.0  # the lowest of both; the second row at its last place
    walk = Walk((3, 7), (grid, grid), {f"p{j}": corner * (j == 0) for j in range(6)})
    drawn = walk_images(axes(), walk, (2, 3))
    mosaic = np.ma.filled(drawn.images[0].get_array(), np.nan)
    assert mosaic.shape == (3 * 3 - 1, 3 * 4 - 1)
    assert np.isnan(mosaic[2]).all()  # between the images
    assert mosaic[6, 0] == 1.0  # the top left pixel of the image in the lower left corner
    assert mosaic[3, 8] == 2.0
    assert np.nansum(mosaic) == 3.0
    assert (drawn.get_xlabel(), drawn.get_ylabel()) == ("latent 3", "latent 7")
    line = walk_images(axes(), Walk((1,), (grid,), {f"p{j}": np.arange(3.0) for j in range(6)}), (2, 3))
    assert line.images[0].get_array().shape == (2, 11)
    assert line.get_yticks().tolist() == []


def test_maps_of_a_walk_are_of_the_columns_that_move() -> None:
    grid = np.linspace(-1, 1, 5)
    x, y = (one.ravel() for one in np.meshgrid(grid, grid))
    sort = np.where(x > 0, "b", "a").astype(object)
    walk = Walk((1, 2), (grid, grid), {"still": np.ones(25), "up": y, "sort": sort, "slow": 0.01 * x})
    kinds = {"still": "real", "up": "real", "sort": "categorical", "slow": "real"}
    columns = [PlotColumn(name, kind) for name, kind in kinds.items()]
    drawn = {name: np.linspace(-1, 1, 50) for name in kinds} | {"sort": np.array(["a", "b"], object)}
    data = PlotData(columns, drawn, walk=walk)
    assert [column.name for column in moving_columns(data)] == ["up", "sort", "slow"]
    assert [column.name for column in moving_columns(data, 2)] == ["up", "sort"]
    figure = walk_maps(new_figure(6, 3), walk, moving_columns(data))
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [one.get_title(loc="left") for one in maps] == ["up", "sort", "slow"]
    mesh = maps[0].collections[0].get_array().reshape(5, 5)
    assert mesh[0].tolist() == [-1.0] * 5  # the lowest value of the second latent is the lowest row
    assert set(texts(maps[1])) == {"a", "b"}
    png(figure)


def test_a_walk_along_one_latent_is_a_line() -> None:
    grid = np.linspace(-1, 1, 5)
    walk = Walk((4,), (grid,), {"mass": grid**2, "sort": np.array(list("aabbb"), object)})
    columns = [PlotColumn("mass", "real"), PlotColumn("sort", "categorical")]
    figure = walk_maps(new_figure(6, 3), walk, columns)
    assert figure.axes[0].lines[0].get_ydata().tolist() == (grid**2).tolist()
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()] == ["a", "b"]
    assert figure.axes[0].get_xlabel() == "latent 4"


def plane(**more: Any) -> dict[str, Any]:
    return {
        "latents": [2, 5],
        "column": "$sort$",
        "kind": "level",
        "levels": ["a", "b"],
        "edges": [[0, 1, 2], [0, 1, 2]],
        "counts": [[16, 0], [4, 2]],
        "values": [[0, None], [1, 0]],
        **more,
    }


def test_discs_of_the_plane_are_as_large_as_their_rows_are_many_and_few_rows_are_pale() -> None:
    drawn = plane_cells(axes(), plane())
    pale, sure = drawn.collections
    assert pale.get_offsets().tolist() == [[1.5, 1.5]]
    assert to_hex(pale.get_facecolor()[0]) == FAINT
    assert sure.get_offsets().tolist() == [[0.5, 0.5], [0.5, 1.5]]
    assert [to_hex(colour) for colour in sure.get_facecolor()] == [level_colour(0), level_colour(1)]
    large, small = sure.get_sizes()
    assert large == pytest.approx(4 * small)
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == ["a", "b"]
    assert (drawn.get_xlabel(), drawn.get_ylabel()) == ("latent 2, mean of q", "latent 5, mean of q")


def test_a_plane_of_numbers_has_a_scale() -> None:
    numbers = plane(kind="number", values=[[1.0, None], [3.0, 9.0]])
    drawn = plane_cells(axes(), numbers)
    assert drawn.collections[1].get_array().tolist() == [1.0, 3.0]
    assert drawn.figure.axes[1].get_ylabel() == "$sort$"
    png(drawn.figure)


def test_colours_of_ten_levels_differ() -> None:
    assert len({level_colour(i) for i in range(10)}) == 10


def test_what_comes_back_is_drawn_beneath_and_in_cells() -> None:
    rows = {f"p{j}": np.array([0.0, 1.0, 0.5]) for j in range(4)}
    figure = image_pairs(new_figure(4, 2), rows, {name: 1 - v for name, v in rows.items()}, (2, 2))
    assert [one.images[0].get_array()[0, 0] for one in figure.axes] == [0.0, 1.0, 0.5, 1.0, 0.0, 0.5]
    column = {"column": "mass", "kind": "positive", "edges": [0.0, 1.0, 2.0], "counts": [[3, 0], [0, 4]]}
    figure = returned_cells(new_figure(4, 4), [{**column, "explained": 0.876}])
    assert figure.axes[0].get_title(loc="left") == "mass: 88 % returned"
    assert figure.axes[0].get_xlim() == pytest.approx((1.0, np.exp(2.0)))
    png(figure)
