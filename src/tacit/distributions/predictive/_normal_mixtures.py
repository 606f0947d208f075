"""Cdf, log density and quantiles of rows of univariate normal mixtures.

Parameters have shape (n, k), points (n, g). Components are taken one at a time, so that (n, g, k) never
exists.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from tacit.distributions.predictive._base import Floats
from tacit.distributions.predictive._newton import increasing_roots

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LARGEST = np.finfo(np.float64).max
_STEP = 1e-9  # of the narrowest component: the error after a Newton step goes with the step's square
_BLOCK = 2**19  # components times points at a time


def cdf(u: Floats, log_weights: Floats, means: Floats, scales: Floats) -> Floats:
    """Σ_k w_k Φ((u - m_k)/s_k)."""
    weights, total = np.exp(log_weights), np.zeros(u.shape)
    with np.errstate(over="ignore"):
        for w, m, s in _components(weights, means, scales):
            total += w * ndtr((u - m) / s)
    return np.minimum(total, 1.0)


def log_density(u: Floats, log_weights: Floats, means: Floats, scales: Floats) -> Floats:
    """log Σ_k w_k N(u; m_k, s_k²)."""
    total = np.full(u.shape, -np.inf)
    with np.errstate(over="ignore"):  # squares of far points are infinite, and rightly so
        for w, m, s in _components(log_weights, means, scales):
            total = np.logaddexp(total, w - 0.5 * ((u - m) / s) ** 2 - np.log(s) - HALF_LOG_2PI)
    return total


def log_mass(low: Floats, high: Floats, log_weights: Floats, means: Floats, scales: Floats) -> Floats:
    """log Σ_k w_k [Φ((high - m_k)/s_k) - Φ((low - m_k)/s_k)], each difference taken in the tail that keeps digits."""
    total = np.full(np.broadcast_shapes(low.shape, high.shape), -np.inf)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for w, m, s in _components(log_weights, means, scales):
            a, b = (low - m) / s, (high - m) / s
            a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
            upper = log_ndtr(b)
            inside = upper + np.log(-np.expm1(log_ndtr(a) - upper))
            total = np.logaddexp(total, w + np.where(np.isfinite(upper), inside, -np.inf))
    return total


def height_and_slope(u: Floats, log_weights: Floats, means: Floats, scales: Floats) -> tuple[Floats, Floats]:
    """log f = log Σ_k w_k N(u; m_k, s_k²) and its derivative Σ_k r_k(u) (m_k - u)/s_k², r the responsibilities.

    Here components are the *first* axis of the parameters, and `u` has the shape of the others (or broadcasts).
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        z = (u - means) / scales
        joint = log_weights - np.log(scales) - HALF_LOG_2PI - 0.5 * z**2
        top = np.maximum(joint.max(axis=0), -_LARGEST)  # far out all joints may be minus infinity
        shares = np.exp(joint - top)
        total = shares.sum(axis=0)
        return top + np.log(total), -(shares * z / scales).sum(axis=0) / total


def quantile(level: Floats, log_weights: Floats, means: Floats, scales: Floats) -> Floats:
    """The point whose cdf is `level`, bracketed by the components' own quantiles, to rounding; shape (n, g).

    Levels above 1/2 are solved in the mirror image, where the tail probability keeps its digits. Newton's method
    solves Φ⁻¹(F(u)) = Φ⁻¹(level), which for one normal is linear in u, and nearly so in the tails of a mixture.
    """
    found = np.empty(level.shape)
    size = max(1, _BLOCK // max(1, level.shape[1] * means.shape[1]))
    for first in range(0, len(level), size):
        rows = slice(first, first + size)
        found[rows] = _quantile(level[rows], log_weights[rows], means[rows], scales[rows])
    return found


def _quantile(level: Floats, log_weights: Floats, means: Floats, scales: Floats) -> Floats:
    sign = np.where(level.ravel() > 0.5, -1.0, 1.0)
    target = ndtri(np.minimum(level, 1.0 - level).ravel())
    rows = np.broadcast_to(np.arange(len(level))[:, None], level.shape).ravel()
    weights, spread = np.exp(log_weights).T[:, rows], scales.T[:, rows]
    centres = sign * means.T[:, rows]

    def gap(v: Floats, i: NDArray[np.intp]) -> tuple[Floats, Floats]:
        w, s = weights[:, i], spread[:, i]
        with np.errstate(all="ignore"):
            z = (v - centres[:, i]) / s
            probit = ndtri(np.minimum((w * ndtr(z)).sum(axis=0), 1.0))
            return probit - target[i], (w / s * np.exp(-0.5 * z**2)).sum(axis=0) * np.exp(0.5 * probit**2)

    counted, margin = weights > 0, 1e-3
    low = np.where(counted, centres + (target - margin) * spread, np.inf).min(axis=0)
    high = np.where(counted, centres + (target + margin) * spread, -np.inf).max(axis=0)
    mean = (weights * centres).sum(axis=0)
    start = mean + target * np.sqrt((weights * (spread**2 + (centres - mean) ** 2)).sum(axis=0))
    unit = np.where(counted, spread, np.inf).min(axis=0)
    bracket = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    return (sign * increasing_roots(gap, *bracket, start, _STEP * unit)).reshape(level.shape)


def _components(*parameters: Floats) -> zip[tuple[Floats, ...]]:
    """Columns (n, 1) of the parameters, one component after another."""
    return zip(*(np.hsplit(p, p.shape[1]) for p in parameters), strict=True)
