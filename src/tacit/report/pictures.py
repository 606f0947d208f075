"""The pictures of a report, drawn and embedded."""

from __future__ import annotations

from dataclasses import dataclass

from tacit.plots import (
    DRAWN_KINDS,
    MOST_CANDIDATES,
    PlotColumn,
    PlotData,
    candidate_dots,
    conditional_density,
    coverage,
    fan_chart,
    finite,
    heldout_dots,
    marginal,
    new_figure,
    pair_plot,
    pit_histogram,
    plain_settings,
    restart_strip,
    selection_curve,
    selection_points,
    telling_columns,
    training_curve,
)
from tacit.report.latent_pictures import LatentGallery, draw_latent
from tacit.report.picture import WIDTH, Picture, embed, on_axes
from tacit.report.record import Record
from tacit.report.words import measure

MOST_MARGINALS = 36


@dataclass(frozen=True)
class Marginal:
    """A column and the picture of its distribution."""

    column: PlotColumn
    picture: Picture


@dataclass(frozen=True)
class Gallery:
    """Every picture of a report, None or empty where the record or the arrays have nothing to draw."""

    selection: Picture | None
    heldout: Picture | None
    restarts: Picture | None
    pairs: Picture | None
    marginals: tuple[Marginal, ...]
    left_out: int
    pit: Picture | None
    coverage: Picture | None
    fan: Picture | None
    bands: Picture | None
    density: Picture | None
    candidates: Picture | None
    training: Picture | None
    latent: LatentGallery


def draw_gallery(record: Record, data: PlotData | None) -> Gallery:
    """Draw all that the record and the arrays allow."""
    with plain_settings():
        columns = [c for c in data.columns if c.kind in DRAWN_KINDS and c.name in data.sampled] if data else []
        return Gallery(
            selection=_selection(record),
            heldout=_heldout(record),
            restarts=_restarts(record),
            pairs=_pairs(data) if data else None,
            marginals=tuple(_marginal(data, column) for column in columns[:MOST_MARGINALS]) if data else (),
            left_out=max(0, len(columns) - MOST_MARGINALS),
            pit=_pit(record),
            coverage=_coverage(record),
            fan=_fan(record),
            bands=_bands(record),
            density=_density(record),
            candidates=_candidates(record),
            training=_training(record),
            latent=draw_latent(record, data),
        )


def _selection(record: Record) -> Picture | None:
    selection = record.get("selection", {})
    if len(selection_points(selection)) < 2:
        return None
    alt = f"The figure for each number of components; {selection['chosen']} were chosen."
    return on_axes(2.9, lambda axes: selection_curve(axes, selection), alt)


def _heldout(record: Record) -> Picture | None:
    results = [result for result in record.get("heldout") or [] if finite(result.get("value")) is not None]
    if len(results) < 2:
        return None
    what = measure(record)
    alt = f"Held-out {what} of the model beside the baselines, with intervals; the table has the figures."
    return on_axes(0.9 + 0.42 * len(results), lambda axes: heldout_dots(axes, results, what), alt)


def _restarts(record: Record) -> Picture | None:
    starts = record.get("restarts") or []
    chosen = [start for start in starts if record.get("k") is None or start.get("k") == record.get("k")]
    if len(chosen) < 2:
        return None
    stages = len({start.get("stage") for start in chosen})
    alt = "Where each start ended, in log-likelihood below the best start."
    return on_axes(0.8 + 0.55 * stages, lambda axes: restart_strip(axes, chosen), alt)


def _pairs(data: PlotData) -> Picture | None:
    names = telling_columns(data.ellipses)
    if len(names) < 2:
        return None
    side = 1.2 + 1.5 * len(names)
    few = min(3, len(names))
    return Picture(
        source=embed(pair_plot(new_figure(side, 0.95 * side), data)),
        alt=f"Pairs of the columns {', '.join(names)}, with each component as an ellipse.",
        narrow=embed(pair_plot(new_figure(WIDTH, 0.95 * WIDTH), data, few)),
    )


def _pit(record: Record) -> Picture | None:
    histogram = record.get("calibration", {}).get("pit")
    if not histogram:
        return None
    alt = "The share of rows at each predicted probability of a lower value, with the band that chance explains."
    return on_axes(2.9, lambda axes: pit_histogram(axes, histogram), alt)


def _coverage(record: Record) -> Picture | None:
    told = record.get("calibration", {})
    if not told.get("coverage"):
        return None
    return on_axes(2.9, lambda axes: coverage(axes, told), "What intervals hold against what they should.")


def _fan(record: Record) -> Picture | None:
    fan = record.get("calibration", {}).get("fan")
    if not fan:
        return None
    across, up = fan["names"]
    return on_axes(3.2, lambda axes: fan_chart(axes, fan), f"Bands that hold {up}, along {across}.")


def _bands(record: Record) -> Picture | None:
    told = record.get("prediction", {})
    if not told.get("fan"):
        return None
    alt = f"Where {told['target']} lies with these probabilities, along {told['along']}."
    return on_axes(3.4, lambda axes: fan_chart(axes, told["fan"]), alt)


def _density(record: Record) -> Picture | None:
    told = record.get("prediction", {})
    if not told.get("density"):
        return None
    alt = f"The density of {told['target']} along {told['along']}, darker where it is likelier."
    return on_axes(3.4, lambda axes: conditional_density(axes, told["density"]), alt)


def _candidates(record: Record) -> Picture | None:
    rows = record.get("candidates", {}).get("table") or []
    if len(rows) < 2:
        return None
    height = 0.8 + 0.26 * min(len(rows), MOST_CANDIDATES)
    alt = "The figure of each candidate on rows set aside inside the training rows; the table has the figures."
    return on_axes(height, lambda axes: candidate_dots(axes, rows), alt)


def _training(record: Record) -> Picture | None:
    told = record.get("training", {})
    if len(told.get("epoch") or []) < 2:
        return None
    return on_axes(2.7, lambda axes: training_curve(axes, told), "The mean objective of each epoch.")


def _marginal(data: PlotData, column: PlotColumn) -> Marginal:
    figure = marginal(new_figure(2.9, 1.75), column, data.real_column(column.name), data.sampled[column.name])
    figure.axes[-1].set_xlabel("")  # the page gives the name above, in full and in any script
    what = "The rows against the model's sample" if data.real is not None else "The model's sample"
    return Marginal(column, Picture(embed(figure), f"{what} in {column.name}."))
