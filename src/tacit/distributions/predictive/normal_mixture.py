"""The prediction of a real column."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

from tacit.distributions.predictive._base import Floats
from tacit.distributions.predictive._transformed import AbstractTransformedMixture

_FAR = 1e300  # where a score stops growing, so that no weight of zero meets infinity


class NormalMixturePrediction(AbstractTransformedMixture):
    """y = center + scale u with u ~ Σ_k w_k N(m_k, s_k²): a mixture of normals, in the user's units.

    `log_weights`, `means` and `scales` have shape (n, k). Raises `UsageError` for other shapes and for scales
    that are not positive.

    Example:
        >>> p = NormalMixturePrediction([[0.0, 0.0]], [[-1.0, 1.0]], [[0.1, 0.1]], center=10.0, scale=2.0)
        >>> p.mean(), p.cdf(10.0), np.round(p.region(0.9)[0], 3)
        (array([10.]), array([0.5]), array([[ 7.671,  8.329],
               [11.671, 12.329]]))
    """

    def mean(self) -> Floats:
        """center + scale Σ w m."""
        return self.center + self.scale * self._model_mean()

    def std(self) -> Floats:
        """scale √(Σ w (s² + (m - Σ w m)²))."""
        spread = self.scales**2 + (self.means - self._model_mean()[:, None]) ** 2
        return self.scale * np.sqrt((np.exp(self.log_weights) * spread).sum(axis=1))

    def _model_mean(self) -> Floats:
        return (np.exp(self.log_weights) * self.means).sum(axis=1)

    @property
    def _tilt(self) -> float:
        return 0.0

    def _to_user(self, u: Floats) -> Floats:
        return self.center + self.scale * u

    def _to_model(self, y: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return (y - self.center) / self.scale

    def _log_slope(self, u: Floats) -> Floats:
        return np.full(u.shape, math.log(self.scale))

    def _crps(self, value: Floats) -> Floats:
        """Σ w_i A(u - m_i, s_i²) - ½ Σ Σ w_i w_j A(m_i - m_j, s_i² + s_j²), A(m, s²) = E|N(m, s²)|.

        Source: Grimit et al. 2006, equation 3.
        """
        u, weights = np.clip(self._to_model(value), -_FAR, _FAR), np.exp(self.log_weights)
        score = np.zeros(u.shape)
        for i in range(weights.shape[1]):
            w, m, s = (p[:, i, None] for p in (weights, self.means, self.scales))
            pairs = weights[:, i:] * _expected_absolute(m - self.means[:, i:], np.hypot(s, self.scales[:, i:]))
            half = pairs.sum(axis=1, keepdims=True) - 0.5 * pairs[:, :1]  # each pair once, i = j at half
            score += w * (_expected_absolute(u - m, s) - half)
        return self.scale * score


def _expected_absolute(m: Floats, s: Floats) -> Floats:
    """E|N(m, s²)| = m erf(z/√2) + s √(2/π) e^(-z²/2), z = m/s."""
    with np.errstate(over="ignore"):
        z = np.clip(m / s, -40.0, 40.0)  # beyond, both functions are constant to rounding
    return m * erf(z / math.sqrt(2)) + s * math.sqrt(2 / math.pi) * np.exp(-0.5 * z**2)
