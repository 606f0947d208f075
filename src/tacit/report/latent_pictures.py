"""The pictures of a deep model: its bounds, what its latents do, and what it draws."""

from __future__ import annotations

from dataclasses import dataclass

from tacit.plots import (
    PlotData,
    bound_curve,
    bound_parts,
    finite,
    image_grid,
    image_pairs,
    moving_columns,
    new_figure,
    plane_cells,
    rate_bars,
    returned_cells,
    walk_images,
    walk_maps,
)
from tacit.report.picture import WIDTH, Picture, embed, on_axes
from tacit.report.record import Record
from tacit.report.words import measure

PARTS = 5  # log-likelihood, ELBO, gap, rate, distortion


@dataclass(frozen=True)
class LatentGallery:
    """The pictures of a deep model, None where the record or the arrays have nothing to draw."""

    rates: Picture | None
    parts: Picture | None
    curve: Picture | None
    images: Picture | None
    pairs: Picture | None
    walk: Picture | None
    plane: Picture | None
    returned: Picture | None


def draw_latent(record: Record, data: PlotData | None) -> LatentGallery:
    """Draw all that the record and the arrays allow."""
    shape = _shape(record, data)
    return LatentGallery(
        rates=_rates(record),
        parts=_parts(record),
        curve=_curve(record),
        images=_images(data, shape) if data else None,
        pairs=_pairs(data, shape) if data else None,
        walk=_walk(data, shape) if data else None,
        plane=_plane(record),
        returned=None if shape else _returned(record),
    )


def _shape(record: Record, data: PlotData | None) -> tuple[int, int] | None:
    """Height and width of a row that is an image."""
    shape = record.get("image")
    if not shape or data is None or len(data.sampled) != shape[0] * shape[1]:
        return None
    return shape[0], shape[1]


def _rates(record: Record) -> Picture | None:
    rates = record.get("code", {}).get("rates") or []
    if len(rates) < 2:
        return None
    return on_axes(2.6, lambda axes: rate_bars(axes, rates), "What each latent says of a row, in nats.")


def _parts(record: Record) -> Picture | None:
    bounds = record.get("bounds") or []
    if len(bounds) != PARTS or any(finite(one.get("value")) is None for one in bounds):
        return None
    what = measure(record)
    alt = f"How the {what} comes about: the distortion, less the rate, plus the gap; the list has the figures."
    return on_axes(2.2, lambda axes: bound_parts(axes, bounds, what), alt)


def _curve(record: Record) -> Picture | None:
    told = record.get("bound_curve") or {}
    if len([point for point in told.get("points") or [] if finite(point.get("value")) is not None]) < 2:
        return None
    alt = f"Bounds of the {measure(record)} by more and more draws, from the ELBO up, with intervals of their noise."
    return on_axes(2.8, lambda axes: bound_curve(axes, told), alt)


def _images(data: PlotData, shape: tuple[int, int] | None) -> Picture | None:
    if shape is None:
        return None
    drawn = image_grid(new_figure(1.6 * WIDTH, 0.85 * WIDTH), data.sampled, shape)
    return Picture(embed(drawn), "Rows drawn from the model, as images.")


def _pairs(data: PlotData, shape: tuple[int, int] | None) -> Picture | None:
    if shape is None or data.originals is None:
        return None
    rows, returned = data.originals
    n = max(len(next(iter(rows.values()))), 1)
    height = 2 * (1.6 * WIDTH - 0.3) / n * shape[0] / shape[1]
    drawn = image_pairs(new_figure(1.6 * WIDTH, height + 0.1), rows, returned, shape)
    return Picture(embed(drawn), "Rows of the table as images, and under each what the model gives back of it.")


def _walk(data: PlotData, shape: tuple[int, int] | None) -> Picture | None:
    walk = data.walk
    if walk is None:
        return None
    if shape is not None:
        up, across = walk.shape
        height = 0.75 + (WIDTH - 0.6) * (up * shape[0]) / (across * shape[1])
        alt = "Images that the decoder gives over the plane of two latents."
        return on_axes(height, lambda axes: walk_images(axes, walk, shape), alt)
    columns = moving_columns(data)
    if not columns:
        return None
    alt = f"What the decoder gives of {', '.join(column.name for column in columns)} as the latents change."
    lines, narrow = -(-len(columns) // 3), -(-len(columns) // 2)
    return Picture(
        embed(walk_maps(new_figure(2 * WIDTH, 0.3 + 2.1 * lines), walk, columns)),
        alt,
        embed(walk_maps(new_figure(WIDTH, 0.3 + 1.6 * narrow), walk, columns, across=2)),
    )


def _plane(record: Record) -> Picture | None:
    told = record.get("plane") or {}
    if not told.get("counts"):
        return None
    held = f", coloured by {told['column']}" if told.get("column") else ""
    alt = f"How many rows have their codes in each cell of the plane of two latents{held}."
    return on_axes(4.0, lambda axes: plane_cells(axes, told), alt)


def _returned(record: Record) -> Picture | None:
    columns = record.get("returned") or []
    if not columns:
        return None
    alt = f"What rows hold against what comes back, as counts: {', '.join(one['column'] for one in columns)}."
    lines = -(-len(columns) // 2)
    return Picture(embed(returned_cells(new_figure(1.25 * WIDTH, 0.3 + 2.0 * lines), columns)), alt,
                   embed(returned_cells(new_figure(WIDTH, 0.3 + 1.7 * lines), columns)))  # fmt: skip
