"""The prediction of a zero-inflated column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tacit._errors import UsageError
from tacit.distributions.predictive._base import AbstractNumericPrediction, Floats, checked_coverage
from tacit.distributions.predictive.log_normal_mixture import LogNormalMixturePrediction, positive_crps


@dataclass(frozen=True, eq=False)
class ZeroInflatedPrediction(AbstractNumericPrediction):
    """Zero with probability 1 - p, else a draw of `positive`; `probability` p has shape (n,).

    `log_prob` is a density with respect to length on y > 0 and a probability at y = 0. Raises `UsageError`
    where p is outside [0, 1] or the rows do not match.

    Example:
        >>> positive = LogNormalMixturePrediction([[0.0]], [[0.0]], [[1.0]])
        >>> p = ZeroInflatedPrediction(positive, [0.75])
        >>> p.cdf(0.0), p.quantile([0.2, 0.625]), p.log_prob(0.0).round(4)
        (array([0.25]), array([[0., 1.]]), array([-1.3863]))
    """

    positive: LogNormalMixturePrediction
    probability: Floats

    _row_fields = ("positive", "probability")

    def __post_init__(self) -> None:
        p = np.asarray(self.probability, np.float64)
        if p.shape != (len(self.positive),) or not np.all((p >= 0) & (p <= 1)):
            raise UsageError("a zero-inflated prediction needs one probability in [0, 1] a row.")
        object.__setattr__(self, "probability", p)

    def __len__(self) -> int:
        return len(self.probability)

    def mean(self) -> Floats:
        """p times the mean of the positive part."""
        return self._if_positive(self.probability, self.positive.mean())

    def std(self) -> Floats:
        """√(p sd² + p (1 - p) mean²), of the positive part's sd and mean."""
        p = self.probability
        between = self._if_positive(np.sqrt(p * (1 - p)), self.positive.mean())
        return np.hypot(self._if_positive(np.sqrt(p), self.positive.std()), between)

    def mode(self) -> Floats:
        """Zero where it is the more probable part, else the positive part's mode, shape (n,)."""
        return np.where(self.probability < 0.5, 0.0, self.positive.mode())

    def region(self, coverage: float) -> list[Floats]:
        """The shortest set that holds `coverage`: zero, as [0, 0], then the positive part's densest."""
        zero = 1.0 - self.probability
        need = np.where(self.probability > 0, checked_coverage(coverage) - zero, 0.0)
        share = np.divide(need, self.probability, out=np.full(len(self), 0.5), where=need > 0)
        rest = self.positive.regions(np.minimum(share, 1.0 - 2.0**-53))
        atom, nothing = np.zeros((1, 2)), np.empty((0, 2))
        return [
            np.concatenate([atom if zero[i] > 0 else nothing, rest[i] if need[i] > 0 else nothing])
            for i in range(len(self))
        ]

    def sample(self, n_samples: int, rng: np.random.Generator) -> Floats:
        """Independent draws, shape (n, n_samples)."""
        drawn = self.positive.sample(n_samples, rng)
        return np.where(rng.random(drawn.shape) < self.probability[:, None], drawn, 0.0)

    def _cdf(self, value: Floats) -> Floats:
        p = self.probability[:, None]
        return np.where(value < 0, 0.0, (1 - p) + p * self.positive._cdf(value))

    def _log_prob(self, value: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            log_p, log_zero = np.log(self.probability)[:, None], np.log1p(-self.probability)[:, None]
        return np.where(value == 0, log_zero, log_p + self.positive._log_prob(value))

    def _quantile(self, level: Floats) -> Floats:
        p = self.probability[:, None]
        above = level - (1 - p)
        share = np.divide(above, p, out=np.full(level.shape, 0.5), where=above > 0)
        return np.where(above > 0, self.positive._quantile(np.minimum(share, 1.0 - 2.0**-53)), 0.0)

    def _crps(self, value: Floats) -> Floats:
        p = self.probability
        minimum = p[:, None] * self.positive.expected_minimum(np.maximum(value, 0.0))
        return positive_crps(value, minimum, p**2 * self.positive.expected_minimum_of_two())

    def _if_positive(self, factor: Floats, moment: Floats) -> Floats:
        """The product, zero where the factor is, even times infinity."""
        return np.multiply(factor, moment, out=np.zeros(len(self)), where=factor > 0)
