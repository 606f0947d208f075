"""Where calibration fails, in a sentence, and only where chance does not explain it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

from tacit.evaluation.pit_histogram import PitHistogram
from tacit.evaluation.result import Result

_ALPHA = 0.05 / 3  # of each check, all its comparisons together (Bonferroni)


@dataclass(frozen=True)
class Verdict:
    """`status` says whether the rows contradict the predictions, and `text` where."""

    status: Literal["calibrated", "miscalibrated", "unknown"]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """The record, as JSON."""
        return asdict(self)


def judge(coverage: Sequence[tuple[float, Result]], above_median: Result, pit: PitHistogram) -> Verdict:
    """Three checks, at 5 % together: coverages against nominal, rows above the median against half, the PIT histogram.

    A share is compared with the larger of its standard error and that of a share that is as it should be,
    √(c (1 - c)/n_eff): where all rows are inside, the first is zero. "calibrated" means that these rows do not
    contradict the predictions, no more.

    Example:
        >>> flat = PitHistogram([0.0, 1.0], [1.0], [1.0], [1.0], 100.0, 0.0, 0.6)
        >>> half = Result("above", 0.5, standard_error=0.05, n=100)
        >>> print(judge([(0.9, Result("90 %", 1.0, standard_error=0.0, n=100))], half, flat).text)
        90 % intervals hold 100 %: too wide.
    """
    n = pit.n_effective
    if n is None or pit.p_value is None or above_median.standard_error is None:
        where = "one row" if above_median.n == 1 else "one group of rows"
        return Verdict("unknown", f"From {where} no error can be known, so calibration cannot be judged.")
    limit = NormalDist().inv_cdf(1 - _ALPHA / (2 * len(coverage)))
    off = [(c, share) for c, share in coverage if _distance(share, c, n) > limit]
    faults = [
        f"{held}: {word}."
        for word, held in (
            ("too narrow", _held([(c, share) for c, share in off if share.value < c])),
            ("too wide", _held([(c, share) for c, share in off if share.value > c])),
        )
        if held
    ]
    if _distance(above_median, 0.5, n) > NormalDist().inv_cdf(1 - _ALPHA / 2):
        word = "low" if above_median.value > 0.5 else "high"
        faults.append(f"{_share(above_median)} of rows lie above the predicted median: predicted too {word}.")
    p = f"p = {pit.p_value:.2g}" if pit.p_value >= 1e-3 else "p < 0.001"
    if pit.p_value < _ALPHA:
        faults.append(f"The PIT histogram is not flat ({p}).")
    if faults:
        return Verdict("miscalibrated", " ".join(faults))
    middle = min(coverage, key=lambda pair: abs(pair[0] - 0.9))
    over = f"{above_median.n:,} rows" if above_median.n_groups is None else f"{above_median.n_groups:,} groups of rows"
    return Verdict("calibrated", f"Calibrated as far as {over} can tell: {_held([middle])}; flat PIT histogram ({p}).")


def _distance(share: Result, expected: float, n: float) -> float:
    """From what is expected, in standard errors."""
    error = max(share.standard_error or 0.0, math.sqrt(expected * (1 - expected) / n))
    return abs(share.value - expected) / error


def _held(pairs: Sequence[tuple[float, Result]]) -> str:
    """What intervals hold: "50 % intervals hold 42.0 ± 1.6 %, 90 % intervals 82.1 ± 1.2 %"."""
    texts = [
        f"{100 * c:g} % intervals{' hold' if i == 0 else ''} {_share(share)}" for i, (c, share) in enumerate(pairs)
    ]
    return ", ".join(texts)


def _share(share: Result) -> str:
    """A share in per cent, with its error where it has one."""
    error = 100 * (share.standard_error or 0.0)
    if error < 1e-6:  # rounding: all rows are inside, or none
        return f"{100 * share.value:.4g} %"
    places = max(0, 1 - math.floor(math.log10(error)))
    return f"{100 * share.value:.{places}f} ± {error:.{places}f} %"
