"""The prediction of a count column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammaln, xlogy

from tacit._errors import UsageError
from tacit.distributions.predictive._base import (
    AbstractNumericPrediction,
    Floats,
    checked_coverage,
    draw_components,
    mixture_fields,
)

_TAIL = 40.0  # -log of the probability left out on each side of a window
_MOST_COUNTS = 10_000_000
_LARGEST = 2.0**62  # count that is told
_CELLS = 2**16  # of rows, values and components at once


@dataclass(frozen=True, eq=False)
class PoissonMixturePrediction(AbstractNumericPrediction):
    """Σ_k w_k Poisson(λ_k); `log_weights` and `rates` have shape (n, k).

    Quantiles, intervals and regions are whole numbers that hold at least what is asked. Raises `UsageError`
    for other shapes and for negative rates.

    Example:
        >>> p = PoissonMixturePrediction([[0.0, 0.0]], [[1.0, 20.0]])
        >>> p.mean(), p.quantile([0.25, 0.9]), p.region(0.8)[0]
        (array([10.5]), array([[ 1, 24]]), array([[ 0,  3],
               [16, 23]]))
    """

    log_weights: Floats
    rates: Floats

    _row_fields = ("log_weights", "rates")

    def __post_init__(self) -> None:
        fields = mixture_fields(self.log_weights, self.rates)
        if not np.all(fields[1] >= 0):
            raise UsageError("the rates of a Poisson mixture must not be negative.")
        for name, field in zip(self._row_fields, fields, strict=True):
            object.__setattr__(self, name, field)

    def __len__(self) -> int:
        return len(self.rates)

    def mean(self) -> Floats:
        """Σ w λ."""
        return (np.exp(self.log_weights) * self.rates).sum(axis=1)

    def std(self) -> Floats:
        """√(Σ w (λ + (λ - Σ w λ)²))."""
        spread = self.rates + (self.rates - self.mean()[:, None]) ** 2
        return np.sqrt((np.exp(self.log_weights) * spread).sum(axis=1))

    def mode(self) -> NDArray[np.int64]:
        """The most probable count (of equals the smallest), shape (n,)."""
        best = np.zeros(len(self), np.int64)
        for i in range(len(self)):
            counts = self._window(i)
            best[i] = counts[self[i]._log_prob(counts[None])[0].argmax()]
        return best

    def region(self, coverage: float) -> list[NDArray[np.int64]]:
        """The fewest counts that hold `coverage`, as runs [first, last] of shape (m, 2), for every row."""
        checked_coverage(coverage)
        found = []
        for i in range(len(self)):
            counts = self._window(i)
            p = np.exp(self[i]._log_prob(counts[None])[0])
            order = np.argsort(-p, kind="stable")
            needed = np.searchsorted(np.cumsum(p[order]), coverage) + 1
            held = np.sort(counts[order[:needed]]).astype(np.int64)
            starts = np.flatnonzero(np.diff(held, prepend=-2) > 1)
            found.append(np.stack([held[starts], held[np.append(starts[1:], held.size) - 1]], axis=1))
        return found

    def sample(self, n_samples: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Independent draws, shape (n, n_samples)."""
        chosen = draw_components(self.log_weights, n_samples, rng)
        return rng.poisson(np.take_along_axis(self.rates, chosen, axis=1))

    def _cdf(self, value: Floats) -> Floats:
        """Σ w Q(⌊y⌋ + 1, λ), Q the regularised upper incomplete gamma function."""
        count = np.floor(value)
        total = np.zeros(value.shape)
        above = np.maximum(count, 0.0)[..., None] + 1
        at_once = max(_CELLS // max(value.size, 1), 1)
        for start in range(0, self.rates.shape[1], at_once):
            w, rate = (field[:, None, start : start + at_once] for field in (self.log_weights, self.rates))
            total += np.sum(np.exp(w) * gammaincc(above, rate), axis=2)
        return np.where(count < 0, 0.0, np.where(np.isinf(count), 1.0, np.minimum(total, 1.0)))

    def _log_prob(self, value: Floats) -> Floats:
        possible = (value >= 0) & (value == np.floor(value)) & np.isfinite(value)
        count = np.where(possible, value, 0.0)
        total = np.full(value.shape, -np.inf)
        for w, rate in self._columns():
            total = np.logaddexp(total, w + xlogy(count, rate) - rate - gammaln(count + 1))
        return np.where(possible, total, -np.inf)

    def _quantile(self, level: Floats) -> NDArray[np.int64]:
        """Bisection over the integers: the answer stays in (below, found]."""
        below = np.full(level.shape, -1.0)
        found = np.ceil(_upper(self.rates.max(axis=1)[:, None], -np.log1p(-level)))
        while np.any(found - below > np.maximum(1.0, np.spacing(found))):
            middle = np.floor((below + found) / 2)
            enough = self._cdf(middle) >= level
            found, below = np.where(enough, middle, found), np.where(enough, below, middle)
        return np.minimum(found, _LARGEST).astype(np.int64)

    def _crps(self, value: Floats) -> Floats:
        """E|Y - y| - Σ_x F(x)(1 - F(x)), with E|Y - y| = Σ w (y(2F(⌊y⌋) - 1) + λ(1 - 2F(⌊y⌋ - 1))).

        Source: Wei and Held 2014. Counts beyond the windows, where F is constant, enter as one step.
        """
        below, at = np.floor(value) - 1, np.floor(value)
        score = np.zeros(value.shape)
        for w, rate in self._columns():
            single = PoissonMixturePrediction(np.zeros(rate.shape), rate)
            expected = value * (2 * single._cdf(at) - 1) + rate * (1 - 2 * single._cdf(below))
            score += np.exp(w) * expected
        for i in range(len(self)):
            counts = self._window(i)
            f = self[i]._cdf(counts[None])[0]
            score[i] -= np.sum((f * (1 - f))[:-1] * np.diff(counts))
        return score

    def _window(self, i: int) -> Floats:
        """The counts near some component of row i: all but e^-40 of the probability on each side."""
        rates = self.rates[i][np.isfinite(self.log_weights[i])]
        low = np.floor(np.maximum(rates - np.sqrt(2 * rates * _TAIL), 0.0))
        high = np.ceil(_upper(rates, np.full(rates.shape, _TAIL))) + 1
        if np.sum(high - low) > _MOST_COUNTS:
            mend = "Read the column as positive: --type COLUMN=positive."
            raise UsageError(f"rates up to {rates.max():.3g} are too large to go through the counts.", mend=mend)
        return np.unique(np.concatenate([np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]))

    def _columns(self) -> zip[tuple[Floats, ...]]:
        fields = (self.log_weights, self.rates)
        return zip(*(np.hsplit(field, field.shape[1]) for field in fields), strict=True)


def _upper(rate: Floats, tail: Floats) -> Floats:
    """λ + t with P(Y > λ + t) < e^-tail: t = tail/3 + √(tail²/9 + 2 λ tail), Bernstein's inequality."""
    return rate + tail / 3 + np.sqrt(tail**2 / 9 + 2 * rate * tail)
