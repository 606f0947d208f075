"""Calibration: whether predictive distributions say as much as they know, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tacit._errors import UsageError
from tacit.distributions.predictive import AbstractNumericPrediction
from tacit.evaluation.calibration_verdict import Verdict, judge
from tacit.evaluation.pit_histogram import PitHistogram, pit_histogram
from tacit.evaluation.result import Result, mean_result
from tacit.evaluation.scores import observed, pinball, pit

WIDTHS = (0.5, 0.9)


@dataclass(frozen=True)
class Calibration:
    """How the predictions of n rows met what was observed.

    `coverage` holds a pair (nominal, share of rows inside the equal-tailed interval), `pinball` (level, loss in the
    units of y), `width` (nominal, mean width of the interval: how sharp the predictions are); `above_median` is the
    share of rows above the predicted median, `log_score` the mean log density in nats (higher is better), and
    `crps` is in the units of y (lower is better). Each figure has its standard error over rows, or over groups.
    """

    pit: PitHistogram
    coverage: tuple[tuple[float, Result], ...]
    above_median: Result
    crps: Result
    pinball: tuple[tuple[float, Result], ...]
    width: tuple[tuple[float, Result], ...]
    log_score: Result
    verdict: Verdict

    def __str__(self) -> str:
        pairs = (*self.coverage, *self.pinball, *self.width)
        figures = [self.log_score, self.crps, *(result for _, result in pairs)]
        return "\n".join([self.verdict.text, *map(str, figures)])

    def to_dict(self) -> dict[str, Any]:
        """The record as strict JSON: an infinite value is the text "inf" or "-inf"."""
        pairs = {name: _told(getattr(self, name)) for name in ("coverage", "pinball", "width")}
        single = {name: getattr(self, name).to_dict() for name in ("above_median", "crps", "log_score")}
        return {"verdict": self.verdict.to_dict(), "pit": self.pit.to_dict(), **pairs, **single}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_dict`; raises `UsageError` for unknown or missing keys."""
        odd = sorted(set(cls.__dataclass_fields__).symmetric_difference(record))
        if odd:
            raise UsageError(f"not a record of a calibration: unknown or missing keys {odd}.")
        return cls(
            pit=PitHistogram.from_dict(record["pit"]),
            verdict=Verdict(**record["verdict"]),
            coverage=_read(record["coverage"]),
            pinball=_read(record["pinball"]),
            width=_read(record["width"]),
            above_median=Result.from_dict(record["above_median"]),
            crps=Result.from_dict(record["crps"]),
            log_score=Result.from_dict(record["log_score"]),
        )


def calibrate(
    p: AbstractNumericPrediction,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    coverages: Sequence[float] = (0.5, 0.8, 0.9, 0.95),
    quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    units: str = "",
    reference: str = "",
    seed: int,
) -> Calibration:
    """Every figure of calibration of the predictions `p` of n rows, at the observed values `y` of shape (n,).

    The interval of coverage c holds y where (1 - c)/2 ≤ u ≤ (1 + c)/2, u the transform of `pit`. For a density this
    is the equal-tailed interval itself; where F jumps (counts, atoms), u is randomised with `seed`, so that
    correct predictions cover what they should, though whole-number intervals hold more.

    Args:
        p: predictions of rows that took no part in the fit.
        y: (n,) observed values.
        weight: (n,) how much a row counts; rows of weight 0 are left out.
        groups: (n,) rows that belong together: standard errors, and the test of the histogram, are over them.
        coverages: of the intervals that are counted, in (0, 1).
        quantiles: levels of the pinball losses, in (0, 1).
        units: of y, for the figures that have them.
        reference: what the density is over, as in `Result`.
        seed: of the randomised transforms.

    Raises `UsageError` for values that are not finite, for bad weights or levels, and where no row is left. Source:
    Gneiting, Balabdaoui and Raftery 2007.

    Example:
        >>> from tacit.distributions.predictive import NormalMixturePrediction
        >>> narrow = NormalMixturePrediction(np.zeros((900, 1)), np.zeros((900, 1)), np.full((900, 1), 0.7))
        >>> y = np.random.default_rng(0).standard_normal(900)
        >>> print(calibrate(narrow, y, coverages=[0.9], seed=0).verdict.text)
        90 % intervals hold 75.7 ± 1.4 %: too narrow. The PIT histogram is not flat (p < 0.001).
    """
    values = observed(p, y)
    if weight is not None:
        w = np.asarray(weight, np.float64)
        if w.shape != values.shape:
            raise UsageError("weights need one entry a row, shape (n,).")
        counted = np.flatnonzero(w != 0)  # rows that do not count draw no random number either
        groups = None if groups is None else np.asarray(groups)[counted]
        p, values, weight = p[counted], values[counted], w[counted]
    if not len(values):
        raise UsageError("no row is left to average.", where="calibration", mend="Give a row of positive weight.")
    _check_levels(coverages, quantiles)
    kind: Any = p.kind

    def mean(name: str, each: ArrayLike, unit: str = units, reference: str = "") -> Result:
        return mean_result(name, each, weight=weight, groups=groups, kind=kind, units=unit, reference=reference)

    u = pit(p, values, rng=np.random.default_rng(seed))
    histogram = pit_histogram(u, weight=weight, groups=groups)
    coverage = tuple(
        (float(c), mean(f"coverage of {100 * c:g} % intervals", np.abs(u - 0.5) <= c / 2, "of rows")) for c in coverages
    )
    above = mean("rows above the predicted median", u > 0.5, "of rows")
    ends = {c: (round((1 - c) / 2, 12), round((1 + c) / 2, 12)) for c in WIDTHS}
    levels = sorted({*map(float, quantiles), *(end for pair in ends.values() for end in pair)})
    at = dict(zip(levels, p.quantile(levels).T, strict=True))
    return Calibration(
        pit=histogram,
        coverage=coverage,
        above_median=above,
        crps=mean("CRPS", p.crps(values)),
        pinball=tuple((q, mean(f"pinball loss at {q:g}", pinball(values, at[q], q))) for q in map(float, quantiles)),
        width=tuple(
            (c, mean(f"mean width of {100 * c:g} % intervals", at[high] - at[low])) for c, (low, high) in ends.items()
        ),
        log_score=mean("log score", p.log_prob(values), "nats a row", reference),
        verdict=judge(coverage, above, histogram),
    )


def _check_levels(*all_levels: Sequence[float]) -> None:
    for levels in all_levels:
        if not len(levels) or not all(0 < level < 1 for level in levels):
            raise UsageError(f"levels {list(levels)} are not all between 0 and 1.", mend="Use for example 0.5 and 0.9.")


def _told(pairs: tuple[tuple[float, Result], ...]) -> list[dict[str, Any]]:
    return [{"level": level, "result": result.to_dict()} for level, result in pairs]


def _read(pairs: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, Result], ...]:
    return tuple((float(pair["level"]), Result.from_dict(pair["result"])) for pair in pairs)
