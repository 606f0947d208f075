"""A picture of a page: drawn, embedded, and told in words."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tacit.plots import new_figure, png

WIDTH = 4.2  # inches: about the width of a phone, so that text keeps its size on one


@dataclass(frozen=True)
class Picture:
    """An image as a data URI with the words for those who cannot see it; `narrow` is its form for phones."""

    source: str
    alt: str
    narrow: str | None = None


def on_axes(height: float, draw: Callable[[Axes], Axes], alt: str) -> Picture:
    """What is drawn on the axes of a figure as wide as a phone."""
    figure = new_figure(WIDTH, height)
    draw(figure.add_subplot())
    return Picture(embed(figure), alt)


def embed(figure: Figure) -> str:
    """A figure as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png(figure)).decode("ascii")
