"""The layers as bands, and the way of a row of data through them from left to right, as SVG."""

from __future__ import annotations

from html import escape

LAYERS = (
    ("cli", "commands: thin, lazy"),
    ("report", "one offline page"),
    ("plots", "pictures of records"),
    ("estimators", "scikit-learn fronts"),
    ("workflow", "choose, fit, judge, ask"),
    ("persistence", "model files"),
    ("evaluation", "figures with errors"),
    ("inference", "EM, populations, answers"),
    ("models", "prior and likelihood"),
    ("distributions", "one event each"),
    ("data", "tables, kinds, schema"),
    ("_files, _errors, _typing", "what all may use"),
)
WALK = (
    ("data", "Table"),
    ("data", "Rows.y"),
    ("inference", "tiles"),
    ("inference", "E-step"),
    ("distributions", "M-step"),
    ("models", "mixture"),
    ("workflow", "TableMixture"),
    ("distributions", "prediction"),
    ("evaluation", "Result"),
    ("report", "page"),
)
BAND, GAP, LEFT, STEP, WIDTH = 40, 5, 250, 72, 985
INK, SOFT, FILL, LINE = "#26303a", "#66727f", "#edf1f4", "#b8461b"


def _text(x: float, y: float, words: str, *, size: float = 12, colour: str = INK, rest: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" {rest}>{escape(words)}</text>'


def _middle(layer: str) -> float:
    place = [name for name, _ in LAYERS].index(layer)
    return 34 + place * (BAND + GAP) + BAND / 2


def _bands() -> list[str]:
    parts = []
    for name, what in LAYERS:
        y = _middle(name)
        parts.append(f'<rect x="8" y="{y - BAND / 2:g}" width="{WIDTH - 16}" height="{BAND}" rx="5" fill="{FILL}"/>')
        parts.append(_text(20, y - 2, name, size=13, rest='font-weight="bold"'))
        parts.append(_text(20, y + 13, what, size=11, colour=SOFT))
    return parts


def _walk() -> list[str]:
    points = [(LEFT + i * STEP, _middle(layer)) for i, (layer, _) in enumerate(WALK)]
    path = " ".join(f"{x:g},{y - 6:g}" for x, y in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2" stroke-linejoin="round"/>']
    for number, ((x, y), (_, name)) in enumerate(zip(points, WALK, strict=True), start=1):
        parts.append(f'<circle cx="{x:g}" cy="{y - 6:g}" r="9" fill="{LINE}"/>')
        parts.append(_text(x, y - 2, str(number), size=11, colour="white", rest='text-anchor="middle"'))
        halo = f'text-anchor="middle" paint-order="stroke" stroke="{FILL}" stroke-width="5"'
        parts.append(_text(x, y + 16, name, size=11, rest=halo))
    return parts


def layers_svg() -> str:
    """The picture of docs/architecture.md."""
    height = 34 + len(LAYERS) * (BAND + GAP) + 8
    head = _text(20, 22, "A file imports only from bands below its own.", colour=SOFT)
    way = _text(LEFT + 60, 22, "The way of a row of data, from file to page", colour=LINE)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
            "<title>The layers of tacit, and the way of a row of data through them</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *(head, way, *_bands(), *_walk()),
            "</svg>\n",
        )
    )
