"""Modes and highest-density regions of rows of univariate normal mixtures.

The density in the user's units, as a function of the model's u, is f(u) e^(-bu) up to a constant, b = `tilt`:
0 where y is affine in u, the scale where log y is. A tilted normal mixture is again one,

    w N(u; m, s²) e^(-bu) = w e^(b²s²/2 - bm) N(u; m - bs², s²),

so both cases are one. Between its turning points the density is monotone, and a level crosses each piece at
most once; the level is then solved for the probability between the crossings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tacit.distributions.predictive import _normal_mixtures as mixtures
from tacit.distributions.predictive._base import Floats

_OFFSETS = np.linspace(-6.0, 6.0, 49)  # in standard deviations; ripples within a quarter of one are not looked for
_BLOCK = 2**20  # grid points at a time


def modes(log_weights: Floats, means: Floats, scales: Floats, tilt: float) -> Floats:
    """The u of highest density, shape (n,)."""
    found = []
    for rows in _blocks(means):
        landscape = _landscape(log_weights[rows], means[rows], scales[rows], tilt)
        found.append(landscape.highest())
    return np.concatenate(found) if found else np.zeros(0)


def highest_regions(log_weights: Floats, means: Floats, scales: Floats, tilt: float, coverage: Floats) -> list[Floats]:
    """For every row the intervals of u, shape (m, 2), of highest density that hold `coverage`, shape (n,)."""
    found: list[Floats] = []
    for rows in _blocks(means):
        weights, centres, widths = log_weights[rows], means[rows], scales[rows]
        landscape = _landscape(weights, centres, widths, tilt)
        found += _regions(landscape, weights, centres, widths, tilt, coverage[rows])
    return found


@dataclass(frozen=True)
class _Landscape:
    """Tilted mixtures and their turning points (row by row, ascending) with the log density there."""

    parameters: tuple[Floats, Floats, Floats]
    row: NDArray[np.intp]
    point: Floats
    height: Floats

    def top(self) -> Floats:
        """The greatest log density of every row."""
        top = np.full(len(self.parameters[0]), -np.inf)
        np.maximum.at(top, self.row, self.height)
        return top

    def highest(self) -> Floats:
        highest = np.empty(len(self.parameters[0]))
        at_top = self.height == self.top()[self.row]
        highest[self.row[at_top][::-1]] = self.point[at_top][::-1]  # of equals the first
        return highest

    def heights(self, u: Floats, row: NDArray[np.intp]) -> Floats:
        return mixtures.log_density(u[:, None], *(p[row] for p in self.parameters))[:, 0]


def _landscape(log_weights: Floats, means: Floats, scales: Floats, tilt: float) -> _Landscape:
    from scipy.optimize.elementwise import find_root

    centres = means - tilt * scales**2
    parameters = (log_weights + 0.5 * (tilt * scales) ** 2 - tilt * means, centres, scales)
    grid = np.sort((centres[:, :, None] + scales[:, :, None] * _OFFSETS).reshape(len(means), -1), axis=1)
    rising = mixtures.slope(grid, *parameters) >= 0
    row, cell = np.nonzero(rising[:, 1:] != rising[:, :-1])

    def slope(u: Floats, i: NDArray[np.intp]) -> Floats:
        return mixtures.slope(u[:, None], *(p[i] for p in parameters))[:, 0]

    point = find_root(slope, (grid[row, cell], grid[row, cell + 1]), args=(row,)).x
    height = mixtures.log_density(point[:, None], *(p[row] for p in parameters))[:, 0]
    return _Landscape(parameters, row, point, height)


def _regions(
    landscape: _Landscape, log_weights: Floats, means: Floats, scales: Floats, tilt: float, coverage: Floats
) -> list[Floats]:
    from scipy.optimize.elementwise import find_root

    n = len(means)
    rows = np.arange(n)
    top = landscape.top()
    bottom = _bottom(log_weights, means, scales, tilt, coverage)
    row, left, right, left_height, right_height = _pieces(landscape, bottom)

    def crossings(level: Floats) -> tuple[NDArray[np.intp], Floats, NDArray[np.bool_]]:
        """Row, place and direction of every crossing of a level a row (NaN: none wanted), in order."""
        wanted = level[row]
        crossed = (np.minimum(left_height, right_height) < wanted) & (wanted <= np.maximum(left_height, right_height))

        def above(u: Floats, i: NDArray[np.intp]) -> Floats:
            return landscape.heights(u, i) - level[i]

        rises = (left_height < right_height)[crossed]
        found = find_root(above, (left[crossed], right[crossed]), args=(row[crossed],))
        at_top = np.where(rises, right[crossed], left[crossed])  # the level is the top's, but for rounding
        return row[crossed], np.where(found.success, found.x, at_top), rises

    def excess(level: Floats, asked: NDArray[np.intp]) -> Floats:
        levels = np.full(n, np.nan)
        levels[asked] = level
        i, u, rises = crossings(levels)
        mass = mixtures.cdf(u[:, None], log_weights[i], means[i], scales[i])[:, 0]
        return (np.bincount(i, np.where(rises, -mass, mass), minlength=n) - coverage)[asked]

    level = find_root(excess, (bottom, top), args=(rows,)).x
    i, u, _ = crossings(level)
    return [ends.reshape(-1, 2) for ends in np.split(u, np.searchsorted(i, rows[1:]))]


def _bottom(log_weights: Floats, means: Floats, scales: Floats, tilt: float, coverage: Floats) -> Floats:
    """A log density below the answer's.

    With a = 1 - coverage: the central 1 - a/4 of every component of weight over a/(4k) hold more than the
    coverage together, and at m + zs the mixture is at least that component, log w N(z)/s - b(m + zs).
    """
    share = (1.0 - coverage)[:, None] / 4
    z = -ndtri(share / 2)
    edge = log_weights - np.log(scales) - 0.5 * z**2 - tilt * (means + z * scales) - mixtures.HALF_LOG_2PI
    return np.where(np.exp(log_weights) > share / means.shape[1], edge, np.inf).min(axis=1)


def _pieces(landscape: _Landscape, bottom: Floats) -> tuple[NDArray[np.intp], Floats, Floats, Floats, Floats]:
    """Monotone pieces in order: row, both ends, both heights; the outer ends lie below `bottom`."""
    log_weights, centres, scales = landscape.parameters
    # beyond r standard deviations of every component, log density < log Σ w/s - r²/2
    ceiling = np.logaddexp.reduce(log_weights - np.log(scales), axis=1)
    reach = np.sqrt(2 * np.maximum(ceiling - bottom, 0.0))[:, None] + 1.0
    ends = np.stack([(centres - reach * scales).min(axis=1), (centres + reach * scales).max(axis=1)], axis=1)
    n = len(ends)
    row = np.concatenate([landscape.row, np.repeat(np.arange(n), 2)])
    point = np.concatenate([landscape.point, ends.ravel()])
    height = np.concatenate([landscape.height, np.full(2 * n, -np.inf)])
    order = np.lexsort((point, row))
    row, point, height = row[order], point[order], height[order]
    same = row[1:] == row[:-1]
    return row[1:][same], point[:-1][same], point[1:][same], height[:-1][same], height[1:][same]


def _blocks(means: Floats) -> list[slice]:
    size = max(1, _BLOCK // (means.shape[1] * len(_OFFSETS)))
    return [slice(start, start + size) for start in range(0, len(means), size)]
