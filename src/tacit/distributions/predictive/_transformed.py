"""Mixtures of normals of a transformed column: everything that needs no moments."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tacit._errors import UsageError
from tacit.distributions.predictive import _normal_mixtures as mixtures
from tacit.distributions.predictive._base import (
    AbstractNumericPrediction,
    Floats,
    checked_coverage,
    draw_components,
    mixture_fields,
)
from tacit.distributions.predictive._level_sets import highest_regions, modes


@dataclass(frozen=True, eq=False)
class AbstractTransformedMixture(AbstractNumericPrediction):
    """y = t(u), t increasing, and u ~ Σ_k w_k N(m_k, s_k²) with parameters of shape (n, k) in model units."""

    log_weights: Floats
    means: Floats
    scales: Floats
    center: float = 0.0
    scale: float = 1.0

    _row_fields = ("log_weights", "means", "scales")

    def __post_init__(self) -> None:
        fields = mixture_fields(self.log_weights, self.means, self.scales)
        if not np.all(fields[2] > 0) or not 0 < self.scale < np.inf or not np.isfinite(self.center):
            raise UsageError("the scales of a normal mixture must be positive and finite.")
        for name, field in zip(self._row_fields, fields, strict=True):
            object.__setattr__(self, name, field)

    def __len__(self) -> int:
        return len(self.means)

    @property
    @abstractmethod
    def _tilt(self) -> float:
        """b, where log dy/du = constant + b u."""

    @abstractmethod
    def _to_user(self, u: Floats) -> Floats: ...

    @abstractmethod
    def _to_model(self, y: Floats) -> Floats:
        """u for y; minus infinity below the support."""

    @abstractmethod
    def _log_slope(self, u: Floats) -> Floats:
        """log dy/du."""

    def mode(self) -> Floats:
        """The value of highest density in the user's units, shape (n,)."""
        return self._to_user(modes(*self._mixture, self._tilt))

    def region(self, coverage: float) -> list[Floats]:
        """Highest-density region of every row: intervals (m, 2) in the user's units, exact to rounding."""
        return self.regions(np.full(len(self), checked_coverage(coverage)))

    def regions(self, coverage: Floats) -> list[Floats]:
        """Highest-density regions with a coverage of its own for every row, shape (n,)."""
        return [self._to_user(ends) for ends in highest_regions(*self._mixture, self._tilt, coverage)]

    def sample(self, n_samples: int, rng: np.random.Generator) -> Floats:
        """Independent draws, shape (n, n_samples)."""
        chosen = draw_components(self.log_weights, n_samples, rng)
        means, scales = (np.take_along_axis(p, chosen, axis=1) for p in (self.means, self.scales))
        return self._to_user(means + scales * rng.standard_normal(chosen.shape))

    def log_mass(self, low: Floats, high: Floats) -> Floats:
        """log P(low < Y ≤ high), exact far out in a tail as well; low < high of shape (n,)."""
        return mixtures.log_mass(self._to_model(low[:, None]), self._to_model(high[:, None]), *self._mixture)[:, 0]

    @property
    def _mixture(self) -> tuple[Floats, Floats, Floats]:
        return self.log_weights, self.means, self.scales

    def _cdf(self, value: Floats) -> Floats:
        return mixtures.cdf(self._to_model(value), *self._mixture)

    def _log_prob(self, value: Floats) -> Floats:
        u = self._to_model(value)
        possible = np.isfinite(u)
        inside = np.where(possible, u, 0.0)
        height = mixtures.log_density(inside, *self._mixture) - self._log_slope(inside)
        return np.where(possible, height, -np.inf)

    def _quantile(self, level: Floats) -> NDArray[np.float64]:
        return self._to_user(mixtures.quantile(level, *self._mixture))
