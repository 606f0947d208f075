"""What the pictures of a deep model's report need: rows drawn from it, beside the table's where they are at hand."""

from __future__ import annotations

import numpy as np

from tacit.data.encode import Rows
from tacit.plots import PlotColumn, PlotData
from tacit.workflow.latent_table import LatentTable

_LEAST, _MOST = 1000, 5000  # rows drawn


def latent_pictures(model: LatentTable, rows: Rows | None, seed: int) -> PlotData:
    """The model's side of every picture, and the rows' where they are given."""
    n = _LEAST if rows is None else int(np.clip(len(rows), _LEAST, _MOST))
    _, drawn = model.sample(n, seed)
    real = None if rows is None else model.decode(rows.y)
    return PlotData(
        [PlotColumn(column.name, column.kind) for column in model.schema.modelled], model.decode(drawn), real
    )
