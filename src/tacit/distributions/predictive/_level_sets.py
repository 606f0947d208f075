"""Modes and highest-density regions of rows of univariate normal mixtures.

The density in the user's units, as a function of the model's u, is f(u) e^(-bu) up to a constant, b = `tilt`:
0 where y is affine in u, the scale where log y is. A tilted normal mixture is again one,

    w N(u; m, s²) e^(-bu) = w e^(b²s²/2 - bm) N(u; m - bs², s²),

so both cases are one. Between its turning points the density is monotone, and a level crosses each piece at
most once; the level is then solved for the probability between the crossings.

At a mode the density is not convex, Σ w N(u; m, s²) ((u - m)²/s² - 1)/s² ≤ 0, so that some component has it within
one standard deviation. There modes are looked for; a valley lies between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tacit.distributions.predictive import _normal_mixtures as mixtures
from tacit.distributions.predictive._base import Floats
from tacit.distributions.predictive._newton import increasing_roots

_OFFSETS = np.linspace(-1.25, 1.25, 21)  # in standard deviations; ripples within an eighth of one are not looked for
_BLOCK = 2**20  # grid points times components at a time
_STEP = 1e-9  # in standard deviations and nats: the error after a Newton step goes with the step's square


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

    parameters: tuple[Floats, Floats, Floats]  # components first: (k, n)
    row: NDArray[np.intp]
    point: Floats
    height: Floats

    def top(self) -> Floats:
        """The greatest log density of every row."""
        top = np.full(self.parameters[0].shape[1], -np.inf)
        np.maximum.at(top, self.row, self.height)
        return top

    def highest(self) -> Floats:
        highest = np.empty(self.parameters[0].shape[1])
        at_top = self.height == self.top()[self.row]
        highest[self.row[at_top][::-1]] = self.point[at_top][::-1]  # of equals the first
        return highest

    def at(self, u: Floats, row: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Log density and slope at points of the given rows."""
        return mixtures.height_and_slope(u, *(p[:, row] for p in self.parameters))


def _landscape(log_weights: Floats, means: Floats, scales: Floats, tilt: float) -> _Landscape:
    centres = means - tilt * scales**2
    tilted = log_weights + 0.5 * (tilt * scales) ** 2 - tilt * means
    grid = np.sort((centres[:, :, None] + scales[:, :, None] * _OFFSETS).reshape(len(means), -1), axis=1)
    parameters = tuple(np.ascontiguousarray(p.T) for p in (tilted, centres, scales))
    rising = mixtures.height_and_slope(grid, *(p[:, :, None] for p in parameters))[1] >= 0
    row, cell = np.nonzero(rising[:, 1:] != rising[:, :-1])
    log_weights, centres, scales = (p[:, row] for p in parameters)
    turn = np.where(rising[row, cell], -1.0, 1.0)  # a mode, where the slope falls, or a valley

    def slope(u: Floats, i: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Of f e^(-joint), a positive multiple of the density's derivative, with its own derivative."""
        with np.errstate(all="ignore"):
            z = (u - centres[:, i]) / scales[:, i]
            joint = log_weights[:, i] - np.log(scales[:, i]) - 0.5 * z**2
            shares = np.exp(joint - joint.max(axis=0)) / scales[:, i]
            first = -(shares * z).sum(axis=0)
            second = (shares * (z**2 - 1) / scales[:, i]).sum(axis=0)
        return turn[i] * first, turn[i] * second

    low, high = grid[row, cell], grid[row, cell + 1]
    point = increasing_roots(slope, low, high, 0.5 * (low + high), _STEP * scales.min(axis=0))
    height = mixtures.height_and_slope(point, log_weights, centres, scales)[0]
    return _Landscape((parameters[0], parameters[1], parameters[2]), row, point, height)


def _regions(
    landscape: _Landscape, log_weights: Floats, means: Floats, scales: Floats, tilt: float, coverage: Floats
) -> list[Floats]:
    n = len(means)
    top = landscape.top()
    bottom = _bottom(log_weights, means, scales, tilt, coverage)
    row, left, right, left_height, right_height = _pieces(landscape, bottom)
    low, high = np.minimum(left_height, right_height), np.maximum(left_height, right_height)
    rises = left_height < right_height
    side = np.where(rises, 1.0, -1.0)
    weights, centres, widths = (np.ascontiguousarray(p.T) for p in (np.exp(log_weights), means, scales))
    place = 0.5 * (left + right)  # of the last crossing of each piece: the next one starts there
    unit = _STEP * scales.min(axis=1)[row]

    def crossings(level: Floats) -> tuple[NDArray[np.intp], Floats]:
        """The pieces that cross a level a row (NaN: none wanted), in order, and the slope there; moves `place`."""
        crossed = np.flatnonzero((low < level[row]) & (level[row] <= high))
        wanted, direction = level[row][crossed], side[crossed]

        def above(u: Floats, i: NDArray[np.intp]) -> tuple[Floats, Floats]:
            height, slope = landscape.at(u, row[crossed[i]])
            return direction[i] * (height - wanted[i]), direction[i] * slope

        place[crossed] = increasing_roots(above, left[crossed], right[crossed], place[crossed], unit[crossed])
        return crossed, landscape.at(place[crossed], row[crossed])[1]

    def lack(level: Floats, asked: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Coverage less the probability above a level: it rises with the level, by f/|slope| at each crossing."""
        levels = np.full(n, np.nan)
        levels[asked] = level
        crossed, slope = crossings(levels)
        i = row[crossed]
        with np.errstate(all="ignore"):
            z = (place[crossed] - centres[:, i]) / widths[:, i]
            density = (weights[:, i] / widths[:, i] * np.exp(-0.5 * z**2)).sum(axis=0) / np.sqrt(2 * np.pi)
            growth = density / np.abs(slope)
        mass = (weights[:, i] * ndtr(z)).sum(axis=0)
        lacking = coverage + np.bincount(i, side[crossed] * mass, minlength=n)
        rise = np.bincount(i, growth, minlength=n).astype(np.float64)
        return lacking[asked], rise[asked]

    start = top - 0.5 * ndtri(0.5 + 0.5 * coverage) ** 2  # exact for one normal
    level = increasing_roots(lack, bottom, top, start, np.full(n, _STEP))
    crossed, _ = crossings(level)
    return [ends.reshape(-1, 2) for ends in np.split(place[crossed], np.searchsorted(row[crossed], np.arange(1, n)))]


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
    log_weights, centres, scales = (p.T for p in landscape.parameters)
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
    size = max(1, _BLOCK // (means.shape[1] ** 2 * len(_OFFSETS)))
    return [slice(start, start + size) for start in range(0, len(means), size)]
