"""The histogram of probability integral transforms, and whether chance alone explains its shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacit._errors import UsageError
from tacit.evaluation.result import mean_result

_FEW_ROWS = 500


@dataclass(frozen=True)
class PitHistogram:
    """Shares of rows in bins of equal width, and where chance holds 95 % of each share if predictions are right.

    `n_effective` is the number of independent rows that would be as uncertain: n for equal rows, (Σw)²/Σw² for
    weighted ones, and for rows in groups n over their design effect. `p_value` is that of the chi-square test of
    a flat histogram, `None` (with no band) where there is one group only. Raises `UsageError` for lists of
    different lengths.
    """

    edges: list[float]
    shares: list[float]
    low: list[float] | None
    high: list[float] | None
    n_effective: float | None
    statistic: float | None
    p_value: float | None

    def __post_init__(self) -> None:
        bands = [band for band in (self.low, self.high) if band is not None]
        if any(len(values) != len(self.edges) - 1 for values in (self.shares, *bands)):
            raise UsageError("the histogram needs one share a bin.", where="PIT histogram")

    def to_dict(self) -> dict[str, Any]:
        """The record, as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> PitHistogram:
        """The inverse of `to_dict`; raises `UsageError` for unknown or missing keys."""
        odd = sorted({field.name for field in fields(cls)}.symmetric_difference(record))
        if odd:
            raise UsageError(f"not a record of a PIT histogram: unknown or missing keys {odd}.")
        return cls(**record)


def pit_histogram(
    transforms: NDArray[np.float64], *, weight: ArrayLike | None = None, groups: ArrayLike | None = None
) -> PitHistogram:
    """The histogram of transforms u in [0, 1], shape (n,), with B = 10 bins, or 20 from 500 rows on.

        X² = n_eff B Σ_b (s_b - 1/B)²

    is compared with chi-square of B - 1 degrees of freedom, or for G groups X²/(B-1) with F of B - 1 and
    (B - 1)(G - 1). The design effect of groups, and with it n_eff, comes from the grouped variances of the shares.
    Source: Rao and Scott 1981; Thomas and Rao 1987.

    Example:
        >>> pit_histogram(np.linspace(0.005, 0.995, 100)).p_value
        1.0
    """
    from scipy import stats  # costly to import, and few commands need it

    n_bins = 10 if transforms.size < _FEW_ROWS else 20
    bins = np.minimum((transforms * n_bins).astype(np.intp), n_bins - 1)
    inside = [mean_result("share", bins == b, weight=weight, groups=groups) for b in range(n_bins)]
    shares = np.array([share.value for share in inside])
    edges = (np.arange(n_bins + 1) / n_bins).tolist()
    n_effective = _effective_rows(inside[0].n, [share.standard_error for share in inside], weight, groups)
    if n_effective is None:
        return PitHistogram(edges, shares.tolist(), None, None, None, None, None)
    statistic = n_effective * n_bins * float(np.sum((shares - 1 / n_bins) ** 2))
    n_groups = inside[0].n_groups
    freedom = n_bins - 1
    null = stats.chi2(freedom) if n_groups is None else stats.f(freedom, freedom * (n_groups - 1), scale=freedom)
    whole = max(1, round(n_effective))  # a binomial needs whole rows
    low, high = stats.binom(whole, 1 / n_bins).interval(0.95)
    return PitHistogram(
        edges=edges,
        shares=shares.tolist(),
        low=[float(low) / whole] * n_bins,
        high=[float(high) / whole] * n_bins,
        n_effective=n_effective,
        statistic=statistic,
        p_value=float(null.sf(statistic)),
    )


def _effective_rows(
    n: int, errors: list[float | None], weight: ArrayLike | None, groups: ArrayLike | None
) -> float | None:
    if any(error is None for error in errors):
        return None
    w = np.ones(n) if weight is None else np.asarray(weight, np.float64)
    share = w / w.max()
    alone = float(share.sum() ** 2 / np.sum(share**2))
    if groups is None:
        return alone
    n_bins = len(errors)
    variance = n_bins * math.fsum(float(error or 0.0) ** 2 for error in errors)  # independent rows: (B - 1)/n
    return min(alone, (n_bins - 1) / variance) if variance > 0 else alone
