"""Cdf, log density, slope and quantiles of rows of univariate normal mixtures.

Parameters have shape (n, k), points (n, g). Components are taken one at a time, so that (n, g, k) never
exists.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, ndtri

from tacit.distributions.predictive._base import Floats

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


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


def slope(u: Floats, log_weights: Floats, means: Floats, scales: Floats) -> Floats:
    """d/du log Σ_k w_k N(u; m_k, s_k²) = Σ_k r_k(u) (m_k - u)/s_k², r the responsibilities."""
    height, total = log_density(u, log_weights, means, scales), np.zeros(u.shape)
    for w, m, s in _components(log_weights, means, scales):
        z = (m - u) / s
        total += np.exp(w - 0.5 * z**2 - np.log(s) - HALF_LOG_2PI - height) * z / s
    return total


def quantile(level: Floats, log_weights: Floats, means: Floats, scales: Floats) -> Floats:
    """The point whose cdf is `level`, bracketed by the components' own quantiles, to rounding.

    Levels above 1/2 are solved in the mirror image, where the tail probability keeps its digits.
    """
    from scipy.optimize.elementwise import find_root  # costly to import, and few commands need it

    rows = np.broadcast_to(np.arange(len(level))[:, None], level.shape).ravel()
    sign = np.where(level.ravel() > 0.5, -1.0, 1.0)
    target = np.minimum(level, 1.0 - level).ravel()

    def excess(v: Floats, row: np.ndarray, side: Floats, p: Floats) -> Floats:
        mirrored = side[:, None] * means[row]
        return cdf(v[:, None], log_weights[row], mirrored, scales[row])[:, 0] - p

    z = ndtri(target)[:, None]
    counted = np.isfinite(log_weights)[rows]
    centre, margin = sign[:, None] * means[rows], 1e-3
    low = np.where(counted, centre + (z - margin) * scales[rows], np.inf).min(axis=1)
    high = np.where(counted, centre + (z + margin) * scales[rows], -np.inf).max(axis=1)
    bracket = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    return (sign * find_root(excess, bracket, args=(rows, sign, target)).x).reshape(level.shape)


def _components(*parameters: Floats) -> zip[tuple[Floats, ...]]:
    """Columns (n, 1) of the parameters, one component after another."""
    return zip(*(np.hsplit(p, p.shape[1]) for p in parameters), strict=True)
