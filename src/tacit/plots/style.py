"""One look for every picture: a colour-blind safe palette, light axes, text that cannot break a figure."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

INK, SOFT, FAINT = "#26303a", "#66727f", "#d5dbe1"
ROWS, MODEL = "#8fa1b3", "#b8461b"
# Okabe and Ito (2008), without the yellow that vanishes on white.
COMPONENTS = ("#0072b2", "#d98b00", "#009e73", "#c0497f", "#3fa4dc", "#7a5c3e", "#4d4d4d")
LINES = ("solid", "dashed", "dotted")
SMALL, TEXT = 8.5, 9.5
STEPS = (1, 2, 2.5, 5, 10)
DPI = 200


def component_colour(index: int) -> str:
    """The colour of component `index` (from 0), the same in every picture; colours repeat after seven."""
    return COMPONENTS[index % len(COMPONENTS)]


def component_line(index: int) -> str:
    """The line style of component `index`, which tells components of one colour apart."""
    return LINES[index // len(COMPONENTS) % len(LINES)]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches on its own canvas, outside any global state."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def plain_settings() -> Iterator[None]:
    """Shield the drawing from a user's own matplotlib settings, such as LaTeX text."""
    with rc_context({"text.usetex": False, "font.family": ["DejaVu Sans"], "axes.unicode_minus": True}):
        yield


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes, the same for the same figure."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def tidy(axes: Axes) -> Axes:
    """Leave only what is read: two faint axes and small tick labels."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(which="both", color=FAINT, labelcolor=SOFT, labelsize=SMALL, length=3)
    axes.xaxis.label.set(color=INK, size=TEXT)
    axes.yaxis.label.set(color=INK, size=TEXT)
    return axes


@cache
def _has_glyph(character: str) -> bool:
    return bool(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_char_index(ord(character)))


def label(text: object, limit: int = 24) -> str:
    """`text` on one line, shortened in the middle, with a box for each character the font cannot draw."""
    line = " ".join(str(text).split())
    if len(line) > limit:
        line = f"{line[: limit - limit // 3 - 1]}…{line[-(limit // 3) :]}"
    return "".join(c if unicodedata.category(c)[0] != "C" and _has_glyph(c) else "▯" for c in line)


def compact(value: float, _position: int | None = None) -> str:
    """A tick label: 250, 0.5, 3e+06."""
    plain = value == 0 or 1e-4 < abs(value) < 1e6
    return (f"{value:.6g}" if plain else f"{value:.0e}").replace("-", "−")


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Few, plain tick labels on a logarithmic axis from `low` to `high`: powers, or else round numbers."""
    decades = high / low
    axis.set_major_locator(
        MaxNLocator(4, steps=STEPS)
        if decades < 8
        else LogLocator(10, subs=(1, 3) if decades < 300 else (1,), numticks=5)
    )
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(compact))
    axis.set_minor_formatter(NullFormatter())
