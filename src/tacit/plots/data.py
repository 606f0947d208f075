"""The arrays that pictures of a model need beside the record of its fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Column = np.ndarray[Any, Any]
"""One column of a table in the user's units, with NaN or None where a cell is missing."""


@dataclass(frozen=True)
class PlotColumn:
    """The name and kind of one modelled column, kind as in the schema: real, positive, count, ..."""

    name: str
    kind: str


@dataclass(frozen=True)
class Ellipse:
    """One Gaussian component over the columns `names`: mean (d,) and covariance (d, d).

    Real columns are in the user's units, positive columns in the logarithm of them.
    """

    weight: float
    mean: Column
    covariance: Column
    names: tuple[str, ...]


@dataclass(frozen=True)
class Walk:
    """What a decoder gives at every point of a grid over one or two latents, the others held.

    `latents` are their numbers from 1; `places` their values on the grid, an array a latent; `decoded` the best value
    of every column at every point: across fastest, from the lowest value up.
    """

    latents: tuple[int, ...]
    places: tuple[Column, ...]
    decoded: Mapping[str, Column]

    @property
    def shape(self) -> tuple[int, int]:
        """Points up and across."""
        across, *up = (len(values) for values in self.places)
        return (up[0] if up else 1), across


@dataclass(frozen=True)
class PlotData:
    """What is drawn: modelled columns, rows drawn from the model, the user's rows if at hand, Gaussians.

    Of a deep model a walk through the plane of its latents; and, where rows may be shown as they are, a few `originals`
    with what comes back of them.
    """

    columns: Sequence[PlotColumn]
    sampled: Mapping[str, Column]
    real: Mapping[str, Column] | None = None
    ellipses: Sequence[Ellipse] = ()
    walk: Walk | None = None
    originals: tuple[Mapping[str, Column], Mapping[str, Column]] | None = None

    def kind(self, name: str) -> str:
        """The kind of the column called `name`."""
        return next(column.kind for column in self.columns if column.name == name)

    def real_column(self, name: str) -> Column | None:
        """The user's cells of one column, or None when the rows are not at hand."""
        return None if self.real is None else self.real.get(name)


def cells(values: Column | None) -> Column:
    """A numeric column as float64, NaN where a cell is missing; empty for None."""
    listed = [] if values is None else np.asarray(values).tolist()
    return np.array([np.nan if cell is None else cell for cell in listed], float)


def numbers(values: Column | None) -> Column:
    """The finite cells of a numeric column as float64; empty for None."""
    floats = cells(values)
    return floats[np.isfinite(floats)]
