"""Draw the pictures of the documentation: python docs/pictures/make_pictures.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
from layers import layers_svg
from matplotlib.axes import Axes
from wine import wine_table

from tacit import Mixture
from tacit.plots.pairs import ellipse_outline
from tacit.plots.style import (
    FAINT,
    INK,
    MODEL,
    SMALL,
    SOFT,
    TEXT,
    component_colour,
    new_figure,
    plain_settings,
    png,
    tidy,
)

HERE = Path(__file__).parent
COLUMNS = ("color_intensity", "flavanoids")
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nothing known", {}),
    ("alcohol 12.2", {"alcohol": [12.2]}),
    ("and colour 5.5", {"alcohol": [12.2], "color_intensity": [5.5]}),
    ("and grower C", {"alcohol": [12.2], "color_intensity": [5.5], "grower": ["C"]}),
)


def draw_fit(axes: Axes, table: dict[str, np.ndarray], mixture: Mixture) -> None:
    """Rows, and the components out to two standard deviations: curved, for colour intensity is on the log scale."""
    x, y = (table[name] for name in COLUMNS)
    axes.plot(x, y, "o", ms=3, color=SOFT, alpha=0.55, mew=0)
    low = np.nanmin(y) - 0.75
    axes.plot(x[np.isnan(y)], np.full(np.isnan(y).sum(), low), "|", ms=7, color=SOFT, alpha=0.8)
    axes.text(13.4, low + 0.13, "rows without flavanoids", size=SMALL, color=SOFT, ha="right")
    schema, normal = mixture.schema_, mixture.model_.block("normal")
    with jax.enable_x64(True):
        means, covariances = np.asarray(normal.loc), np.asarray(normal.covariance)
    places = [schema.layout.index("normal", name) for name in COLUMNS]
    scale, center = (np.array([getattr(schema[name], what) for name in COLUMNS]) for what in ("scale", "center"))
    for k in range(mixture.n_components_):
        outline = ellipse_outline(means[k, places], covariances[k][np.ix_(places, places)]) * scale + center
        axes.plot(np.exp(outline[:, 0]), outline[:, 1], color=component_colour(k), lw=1.8)
    axes.set(xlabel="colour intensity", ylabel="flavanoids", xlim=(0, 13.6), ylim=(low - 0.2, 4.6))
    axes.set_title("Fit once …", loc="left", size=TEXT + 1.5, color=INK)


def draw_answers(axes: Axes, mixture: Mixture) -> None:
    """The density of flavanoids as more and more cells of one row are known."""
    grid = np.linspace(-0.2, 4.4, 500)
    nothing = {name: [np.nan] for name in COLUMNS}
    for number, (name, cells) in enumerate(ASKED):
        row = {**nothing, **cells}
        prediction = mixture.predict_distribution(row, "flavanoids")
        density = np.exp(prediction.log_prob(grid[None]))[0]
        density /= density.max()
        base = (len(ASKED) - 1 - number) * 1.35
        axes.fill_between(grid, base, base + density, color=MODEL, alpha=0.18, lw=0)
        axes.plot(grid, base + density, color=MODEL, lw=1.6)
        for start, stop in prediction.region(0.9)[0]:
            axes.plot([start, stop], [base - 0.08] * 2, color=INK, lw=2.2, solid_capstyle="butt")
        axes.axhline(base, color=FAINT, lw=0.7, zorder=0)
        axes.text(4.5, base + 0.06, name, size=SMALL + 0.5, color=INK)
    axes.set(xlabel="flavanoids", yticks=[], xlim=(-0.2, 6.3), xticks=range(5))
    axes.spines["left"].set_visible(False)
    axes.set_title("… ask anything: p(flavanoids | what is known)", loc="left", size=TEXT + 1.5, color=INK)


def draw_wine() -> bytes:
    """The picture of the README."""
    table = wine_table()
    mixture = Mixture(3, random_state=0).fit(table)
    figure = new_figure(9.0, 3.9)
    with plain_settings():
        left, right = figure.subplots(1, 2)
        draw_fit(tidy(left), table, mixture)
        draw_answers(tidy(right), mixture)
        return png(figure)


if __name__ == "__main__":
    (HERE / "wine.png").write_bytes(draw_wine())
    (HERE / "layers.svg").write_text(layers_svg(), encoding="utf-8")
