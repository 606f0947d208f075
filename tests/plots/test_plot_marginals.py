from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from tacit.plots import DRAWN_KINDS, PlotColumn, marginal, new_figure, png

RNG = np.random.default_rng(5)
CELLS = {
    "real": RNG.normal(size=200),
    "positive": np.exp(RNG.normal(size=200)),
    "count": RNG.poisson(3.0, 200),
    "binary": np.array(["yes", "no", None, "yes"] * 50, object),
    "categorical": np.array([f"level {i % 14}" for i in range(200)], object),
    "zero-inflated": np.where(RNG.random(200) < 0.4, 0.0, np.exp(RNG.normal(size=200))),
}
HOSTILE = "$\\frac{x$ <b> 鳥\u202e\x00_" * 5


def draw(kind: str, real: object, sampled: object, name: str = "column") -> Figure:
    return marginal(new_figure(3, 2), PlotColumn(name, kind), real, sampled)  # type: ignore[arg-type]


def test_every_kind_is_in_the_table_of_cells() -> None:
    assert set(CELLS) == DRAWN_KINDS


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_every_kind_is_drawn_with_and_without_rows_under_a_hostile_name(kind: str) -> None:
    for real in (CELLS[kind], None):
        assert png(draw(kind, real, CELLS[kind], HOSTILE)).startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["real", "positive", "count", "zero-inflated"])
@pytest.mark.parametrize("cells", [np.full(5, np.nan), np.array([2.0, 2.0]), np.array([1e-9, 1.0, 1e200])])
def test_missing_constant_and_extreme_cells_are_drawn(kind: str, cells: np.ndarray) -> None:
    assert png(draw(kind, cells, cells)).startswith(b"\x89PNG")


def test_histogram_shares_add_up_and_missing_cells_do_not_count() -> None:
    cells = np.append(CELLS["real"], [np.nan] * 100)
    (axes,) = draw("real", cells, CELLS["real"]).axes
    assert axes.patches[0].get_data().values.sum() == pytest.approx(1.0)


def test_positive_columns_have_a_logarithmic_axis() -> None:
    (axes,) = draw("positive", CELLS["positive"], CELLS["positive"]).axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "column"


def test_the_atom_and_the_positive_part_share_all_rows() -> None:
    cells = CELLS["zero-inflated"]
    atom, positive = draw("zero-inflated", cells, cells).axes
    zero = (cells == 0).mean()
    assert atom.patches[0].get_height() == pytest.approx(zero)
    assert positive.patches[0].get_data().values.sum() == pytest.approx(1 - zero)


def test_levels_are_ordered_by_frequency_and_rare_ones_added_up() -> None:
    (binary,) = draw("binary", CELLS["binary"], CELLS["binary"]).axes
    assert [tick.get_text() for tick in binary.get_yticklabels()] == ["yes", "no"]
    assert [bar.get_width() for bar in binary.patches] == pytest.approx([2 / 3, 1 / 3])
    (many,) = draw("categorical", CELLS["categorical"], CELLS["categorical"]).axes
    assert many.get_yticklabels()[-1].get_text() == "5 others"
    assert sum(bar.get_width() for bar in many.patches) == pytest.approx(1.0)


def test_values_beyond_the_range_are_counted() -> None:
    cells = np.append(CELLS["real"], [1e6])
    (axes,) = draw("real", cells, CELLS["real"]).axes
    assert axes.get_title("right") == "1 more beyond this range"
