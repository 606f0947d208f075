"""Result: one figure with its error, its label and what it is a figure of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacit._errors import UsageError

Kind = Literal["exact", "lower bound", "upper bound", "estimate"]
_PLAIN = 1e15  # larger values are not written out
_ERRORS = ("standard_error", "monte_carlo_error", "bias")


@dataclass(frozen=True)
class Result:
    """A figure that says how far it can be trusted.

    `standard_error` is over rows, or over groups where `n_groups` is given; `monte_carlo_error` is the
    noise of the evaluation itself; `bias` is the known or estimated systematic part. These are three
    different numbers, and `None` means not known. `reference` names what a density is over (schema, floors,
    dequantisation): figures with different references are not compared. Raises `UsageError` for an unknown
    kind or a value that is not a number.

    Example:
        >>> print(Result("held-out log-likelihood", -3.2142, standard_error=0.0211, n=1000))
        held-out log-likelihood  -3.214 ± 0.021 nats a row  (exact; standard error over 1,000 rows)
    """

    name: str
    value: float
    standard_error: float | None = None
    monte_carlo_error: float | None = None
    bias: float | None = None
    kind: Kind = "exact"
    n: int = 0
    n_groups: int | None = None
    units: str = "nats a row"
    reference: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"kind {self.kind!r} is not known.", where=self.name, mend=f"Use one of {get_args(Kind)}.")
        if math.isnan(self.value):
            raise UsageError("the value is not a number.", where=self.name, mend="Leave out undefined rows.")

    def __str__(self) -> str:
        shown = f"{self.value:.4g}"
        error = self.standard_error
        if error is not None and 0 < error < math.inf and abs(self.value) < _PLAIN:
            decimals = max(0, 1 - math.floor(math.log10(error)))  # two significant digits of the error
            shown = f"{self.value:,.{decimals}f} ± {error:,.{decimals}f}"
        elif error is not None:
            shown = f"{shown} ± {error:.2g}"
        over = f"{self.n:,} rows" if self.n_groups is None else f"{self.n_groups:,} groups of {self.n:,} rows"
        remarks = [self.kind, f"over {over}" if error is None else f"standard error over {over}"]
        if self.monte_carlo_error is not None:
            remarks.append(f"Monte Carlo error {self.monte_carlo_error:.2g}")
        if self.bias is not None:
            remarks.append(f"bias {self.bias:+.2g}")
        if self.note:
            remarks.append(self.note)
        return f"{self.name}  {shown} {self.units}".rstrip() + f"  ({'; '.join(remarks)})"

    def to_dict(self) -> dict[str, Any]:
        """The record as strict JSON: an infinite value is the text "inf" or "-inf"."""
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: str(v) if isinstance(v, float) and math.isinf(v) else v for key, v in record.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`; raises `UsageError` for unknown or missing keys."""
        known = {field.name for field in fields(cls)}
        odd = sorted(known.symmetric_difference(record))
        if odd:
            raise UsageError(f"not a record of a Result: unknown or missing keys {odd}.")
        numbers = {key: None if record[key] is None else float(record[key]) for key in _ERRORS}
        return cls(**{**record, **numbers, "value": float(record["value"])})


def mean_result(
    name: str,
    values: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    kind: Kind = "exact",
    monte_carlo_error: float | None = None,
    bias: float | None = None,
    units: str = "nats a row",
    reference: str = "",
    note: str = "",
) -> Result:
    """The weighted mean of one value a row, with its standard error over rows or over groups.

        m = Σ wᵢ vᵢ / W,   W = Σ wᵢ,   se² = G/(G-1) Σ_g ( Σ_{i in g} wᵢ (vᵢ - m) / W )²

    Without `groups` every row is its own group, which with equal weights is the usual s/√n. Weights say how
    much a row counts in the mean; rows of weight 0 are left out altogether. With one group, or an infinite
    mean, the standard error is not known (`None`). `values`, `weight` and `groups` have shape (n,). Source:
    the linearisation (sandwich) estimator of a ratio, Liang and Zeger 1986. Raises `UsageError` for values
    that are not numbers or have no mean, for bad weights, and where no row is left.

    Example:
        >>> print(mean_result("score", [1.0, 2.0, 3.0, 4.0], groups=["a", "a", "b", "b"]))
        score  2.5 ± 1.0 nats a row  (exact; standard error over 2 groups of 4 rows)
    """
    v, w, codes = _rows(name, values, weight, groups)
    share = w / w.max()
    share /= share.sum()
    infinite = v[np.isinf(v)]
    if infinite.size and infinite.min() != infinite.max():
        raise UsageError("the values hold both infinities and have no mean.", where=name)
    value = float(infinite[0]) if infinite.size else float(share @ v)
    n_clusters = v.size if codes is None else int(codes.max()) + 1
    error = None
    if not infinite.size and n_clusters > 1:
        influence = share * (v - value)
        totals = influence if codes is None else np.bincount(codes, influence)
        largest = float(np.abs(totals).max()) or 1.0  # squares of 1e200 would overflow
        error = largest * math.sqrt(n_clusters / (n_clusters - 1) * float(np.sum((totals / largest) ** 2)))
    return Result(
        name=name,
        value=value,
        standard_error=error,
        monte_carlo_error=monte_carlo_error,
        bias=bias,
        kind=kind,
        n=v.size,
        n_groups=None if codes is None else n_clusters,
        units=units,
        reference=reference,
        note=note,
    )


def paired_difference(
    name: str,
    a: ArrayLike,
    b: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    kinds: tuple[Kind, Kind] = ("exact", "exact"),
    references: tuple[str, str] = ("", ""),
    units: str = "nats a row",
    note: str = "",
) -> Result:
    """The mean of a - b over the same rows, whose standard error is that of the row-by-row differences.

    `a` and `b` have shape (n,); `weight` and `groups` as in `mean_result`; `kinds` and `references` are
    those of a and of b. Rows where a and b are the same infinity differ by nothing. Raises `UsageError`
    where the references differ, and as `mean_result` does.

    Example:
        >>> paired_difference("a - b", [1.0, 2.0, 3.0], [0.5, 1.5, 2.5]).standard_error
        0.0
    """
    reference = _common_reference(name, *references)
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise UsageError(f"shapes {first.shape} and {second.shape} differ.", where=name, mend="Pair the rows.")
    same = np.isinf(first) & (first == second)
    gap = np.subtract(first, second, out=np.zeros(first.shape), where=~same)
    kind = _kind_of_difference(*kinds)
    return mean_result(name, gap, weight=weight, groups=groups, kind=kind, units=units, reference=reference, note=note)


def difference(a: Result, b: Result) -> Result:
    """a - b for figures of *different* rows: errors add in quadrature.

    For the same rows `paired_difference` is sharper. An exact figure less a lower bound is an upper bound,
    and so on; two bounds of one side leave an estimate. Raises `UsageError` where references or units
    differ, or where both values are the same infinity.

    Example:
        >>> a, b = Result("a", -1.0, standard_error=0.3), Result("b", -2.0, standard_error=0.4)
        >>> print(difference(a, b))
        a - b  1.00 ± 0.50 nats a row  (exact; standard error over 0 rows)
    """
    name = f"{a.name} - {b.name}"
    reference = _common_reference(name, a.reference, b.reference)
    if a.units != b.units:
        raise UsageError(f"units {a.units!r} and {b.units!r} differ.", where=name)
    known = a.standard_error is not None and b.standard_error is not None
    noise = [e for e in (a.monte_carlo_error, b.monte_carlo_error) if e is not None]
    groups = [r.n_groups for r in (a, b) if r.n_groups is not None]
    return Result(
        name=name,
        value=a.value - b.value,
        standard_error=math.hypot(a.standard_error or 0.0, b.standard_error or 0.0) if known else None,
        monte_carlo_error=math.hypot(*noise) if noise else None,
        bias=None if a.bias is None and b.bias is None else (a.bias or 0.0) - (b.bias or 0.0),
        kind=_kind_of_difference(a.kind, b.kind),
        n=a.n + b.n,
        n_groups=sum(groups) if len(groups) == 2 else None,
        units=a.units,
        reference=reference,
    )


def _rows(
    name: str, values: ArrayLike, weight: ArrayLike | None, groups: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp] | None]:
    """Values, weights and group codes of the rows that count, checked."""
    v = np.asarray(values, np.float64)
    w = np.ones(v.shape) if weight is None else np.asarray(weight, np.float64)
    labels = None if groups is None else np.asarray(groups)
    if v.ndim != 1 or w.shape != v.shape or (labels is not None and labels.shape != v.shape):
        raise UsageError("values, weights and groups need one entry a row, shape (n,).", where=name)
    if not (np.all(np.isfinite(w)) and np.all(w >= 0)):
        raise UsageError("weights must be finite and not negative.", where=name)
    counted = w > 0
    v, w = v[counted], w[counted]
    if v.size == 0:
        raise UsageError("no row is left to average.", where=name, mend="Give a row of positive weight.")
    if np.any(np.isnan(v)):
        bad = int(np.flatnonzero(counted)[np.isnan(v)][0])
        raise UsageError(f"the value of row {bad} is not a number.", where=name, mend="Leave that row out.")
    return v, w, None if labels is None else np.unique(labels[counted], return_inverse=True)[1]


def _common_reference(name: str, a: str, b: str) -> str:
    if a != b:
        raise UsageError(
            "these densities are over different things and cannot be compared.",
            where=name,
            mend="Use the same schema, variance floors and dequantisation for both.",
        )
    return a


def _kind_of_difference(a: Kind, b: Kind) -> Kind:
    """The label of a - b: a bound survives where the other side is exact or bounds from the opposite side."""
    if a == b == "exact":
        return "exact"
    if a in ("exact", "lower bound") and b in ("exact", "upper bound"):
        return "lower bound"
    if a in ("exact", "upper bound") and b in ("exact", "lower bound"):
        return "upper bound"
    return "estimate"
