"""What the pictures of a deep model's report need: rows drawn from it, beside the table's where they are at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.plots import PlotColumn, PlotData, Walk
from tacit.workflow.latent_pictures import code_means, walk
from tacit.workflow.latent_points import best_columns
from tacit.workflow.latent_table import LatentTable

_LEAST, _MOST = 1000, 5000  # rows drawn
_FEW, _MANY, _FINE = 9, 13, 33  # values of a latent: for small images, for large ones, for columns
_SMALL = 16  # pixels of a side
_ORIGINALS = 10


def latent_pictures(
    model: LatentTable, rows: Rows | None, seed: int, record: Mapping[str, Any], *, show_rows: bool = False
) -> PlotData:
    """The model's side of every picture, and the rows' where they are given; with `show_rows` a few as they are."""
    n = _LEAST if rows is None else int(np.clip(len(rows), _LEAST, _MOST))
    drawn = model.decode(model.sample(n, seed)[1])
    return PlotData(
        [PlotColumn(column.name, column.kind) for column in model.schema.modelled],
        as_pixels(model.schema, drawn, record.get("image")),
        None if rows is None else model.decode(rows.y),
        walk=_walk(model, record),
        originals=None if rows is None or not show_rows else _originals(model, rows, record["image"]),
    )


def _walk(model: LatentTable, record: Mapping[str, Any]) -> Walk | None:
    latents = record.get("plane", {}).get("latents")
    if not latents or not model.independent:
        return None
    image = record.get("image")
    steps = _FINE if not image else _FEW if max(image) <= _SMALL else _MANY
    places, decoded = walk(model, [j - 1 for j in latents], steps)
    return Walk(tuple(latents), tuple(places), as_pixels(model.schema, decoded, image))


def _originals(
    model: LatentTable, rows: Rows, image: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    few = rows.take(np.linspace(0, len(rows) - 1, min(_ORIGINALS, len(rows))).round().astype(int))
    back = best_columns(model.schema, model.moments(code_means(model, few)))
    return as_pixels(model.schema, model.decode(few.y), image), as_pixels(model.schema, back, image)


def as_pixels(schema: Schema, columns: Mapping[str, np.ndarray], image: Sequence[int] | None) -> dict[str, np.ndarray]:
    """The columns, of images with the constant ones in their places where these are pixels too."""
    if not image or image[0] * image[1] != len(schema.pixels):
        return dict(columns)
    n = len(next(iter(columns.values())))
    return {one.name: np.full(n, one.center) if one.constant else columns[one.name] for one in schema.pixels}
