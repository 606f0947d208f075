"""The prediction of a positive column."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr

from tacit.distributions.predictive._base import Floats
from tacit.distributions.predictive._transformed import AbstractTransformedMixture


class LogNormalMixturePrediction(AbstractTransformedMixture):
    """log y = center + scale u with u ~ Σ_k w_k N(m_k, s_k²): a mixture of log-normals.

    `log_weights`, `means` and `scales` have shape (n, k). A moment too large for a float is infinite. Raises
    `UsageError` for other shapes and for scales that are not positive.

    Example:
        >>> p = LogNormalMixturePrediction([[0.0]], [[0.0]], [[1.0]])
        >>> p.quantile(0.5), p.mean().round(4), p.mode().round(4)
        (array([1.]), array([1.6487]), array([0.3679]))
    """

    def mean(self) -> Floats:
        """Σ w exp(μ + σ²/2), μ and σ those of log y."""
        return _exp(self._log_mean())

    def std(self) -> Floats:
        """Mean times √(Σ w (r² (e^(σ²) - 1) + (r - 1)²)), r each component's mean over the mixture's."""
        _, sigma = self._log_scale()
        log_mean = self._log_mean()
        log_ratio = self._log_means() - log_mean[:, None]
        # log of r² (e^(σ²) - 1), and of (r - 1)² where r may be huge
        with np.errstate(divide="ignore"):
            within = 2 * log_ratio + sigma**2 + np.log(-np.expm1(-(sigma**2)))
            between = 2 * (np.maximum(log_ratio, 0.0) + np.log(-np.expm1(-np.abs(log_ratio))))
        terms = np.logaddexp(within, between) + self.log_weights
        return _exp(log_mean + 0.5 * np.logaddexp.reduce(terms, axis=1))

    def expected_minimum(self, value: Floats) -> Floats:
        """E min(Y, y) for y ≥ 0 of shape (n, g): Σ w (e^(μ+σ²/2) Φ(z - σ) + y Φ(-z)), z = (log y - μ)/σ."""
        log_y = _log(value)
        total = np.zeros(value.shape)
        for w, mean, mu, sigma in self._columns():
            z = (log_y - mu) / sigma
            total += _exp(w + mean + log_ndtr(z - sigma)) + _exp(w + log_y + log_ndtr(-z))
        return total

    def expected_minimum_of_two(self) -> Floats:
        """E min(Y, Y') of independent draws: ΣΣ w_i w_j 2 e^(μ_i+σ_i²/2) Φ((μ_j-μ_i-σ_i²)/√(σ_i²+σ_j²))."""
        mu, sigma = self._log_scale()
        total = np.zeros(len(self))
        for w, mean, mu_i, sigma_i in self._columns():
            tail = log_ndtr((mu - mu_i - sigma_i**2) / np.hypot(sigma, sigma_i))
            total += 2 * _exp(w + self.log_weights + mean + tail).sum(axis=1)
        return total

    @property
    def _tilt(self) -> float:
        return self.scale

    def _to_user(self, u: Floats) -> Floats:
        return _exp(self.center + self.scale * u)

    def _to_model(self, y: Floats) -> Floats:
        return (_log(y) - self.center) / self.scale

    def _log_slope(self, u: Floats) -> Floats:
        return math.log(self.scale) + self.center + self.scale * u

    def _crps(self, value: Floats) -> Floats:
        return positive_crps(value, self.expected_minimum(np.maximum(value, 0.0)), self.expected_minimum_of_two())

    def _log_scale(self) -> tuple[Floats, Floats]:
        """μ and σ of log y."""
        return self.center + self.scale * self.means, self.scale * self.scales

    def _log_means(self) -> Floats:
        mu, sigma = self._log_scale()
        return mu + 0.5 * sigma**2

    def _log_mean(self) -> Floats:
        return np.logaddexp.reduce(self.log_weights + self._log_means(), axis=1)

    def _columns(self) -> zip[tuple[Floats, ...]]:
        """Log-weight, log-mean, μ and σ, each (n, 1), one component after another."""
        fields = (self.log_weights, self._log_means(), *self._log_scale())
        return zip(*(np.hsplit(field, field.shape[1]) for field in fields), strict=True)


def positive_crps(value: Floats, minimum: Floats, minimum_of_two: Floats) -> Floats:
    """The score y - 2 E min(Y, y) + E min(Y, Y') of a prediction of what is not negative.

    It is E|Y - y| - ½ E|Y - Y'| with the means cancelled, which may be huge. For y below 0, E min(Y, y) is y.
    """
    return np.where(value < 0, -value, value - 2 * minimum) + minimum_of_two[:, None]


def _exp(x: Floats) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(x)


def _log(y: Floats) -> Floats:
    """Log, minus infinity at and below zero."""
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(y, 0.0))
