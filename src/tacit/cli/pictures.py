"""What the pictures of a report need: columns, rows drawn from the model, components as ellipses."""

from __future__ import annotations

import jax
import numpy as np

from tacit.data.encode import Rows
from tacit.plots import Ellipse, PlotColumn, PlotData
from tacit.workflow.table_mixture import TableMixture

_LEAST_SAMPLED, _MOST_SAMPLED = 1000, 5000


def pictures(model: TableMixture, rows: Rows | None, seed: int) -> PlotData:
    """The model's side of every picture, and the rows' where they are given."""
    n = _LEAST_SAMPLED if rows is None else int(np.clip(len(rows), _LEAST_SAMPLED, _MOST_SAMPLED))
    drawn, _ = model.sample(n, seed)
    return PlotData(
        [PlotColumn(column.name, column.kind) for column in model.schema.modelled],
        model.decode(drawn),
        None if rows is None else model.decode(rows.y),
        _ellipses(model),
    )


def _ellipses(model: TableMixture) -> list[Ellipse]:
    """Every component over the real and positive columns; positive ones in logarithms."""
    layout = model.schema.layout
    columns = [model.schema[name] for name in layout.normal if model.schema[name].kind != "zero-inflated"]
    if not columns:
        return []
    places = [layout.normal.index(column.name) for column in columns]
    scale, center = (np.array([getattr(column, name) for column in columns]) for name in ("scale", "center"))
    with jax.enable_x64(True):
        normal = model.block("normal")
        means, covariances = np.asarray(normal.loc)[:, places], np.asarray(normal.covariance)[:, places][:, :, places]
    names = tuple(column.name for column in columns)
    return [
        Ellipse(float(weight), mean * scale + center, covariance * np.outer(scale, scale), names)
        for weight, mean, covariance in zip(np.exp(model.mixture.log_weights), means, covariances, strict=True)
    ]
