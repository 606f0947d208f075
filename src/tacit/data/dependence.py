"""Columns that are copies, sums or other linear combinations of columns before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-5
MAX_ROWS = 10_000
MAX_COLUMNS = 300


@dataclass(frozen=True)
class Dependence:
    """column = constant + sum of coefficient * other column, to within 1e-5 of its standard deviation."""

    column: str
    terms: tuple[tuple[str, float], ...]
    constant: float

    @property
    def sort(self) -> str:
        """A "copy", a "sum" (all coefficients one) or a "combination"."""
        if self.constant == 0.0 and all(coefficient == 1.0 for _, coefficient in self.terms):
            return "copy" if len(self.terms) == 1 else "sum"
        return "combination"

    def __str__(self) -> str:
        text = f"{self.column} ="
        for position, (name, coefficient) in enumerate(self.terms):
            sign = " -" if coefficient < 0 else " +" if position else ""
            factor = "" if abs(coefficient) == 1.0 else f"{abs(coefficient):.6g} "
            text += f"{sign} {factor}{name}"
        if self.constant:
            text += f" {'-' if self.constant < 0 else '+'} {abs(self.constant):.6g}"
        return text


def dependences(columns: dict[str, np.ndarray]) -> tuple[Dependence, ...]:
    """The columns (name to float64 (n,), NaN missing) that earlier ones determine exactly.

    Each column is regressed on the independent ones before it over rows without holes (about 10,000, evenly
    spaced; at most 300 columns, each at least half full): modified Gram-Schmidt finds whether anything is left,
    least squares the terms.

    Example:
        >>> a, b = np.array([1.0, 2.0, 5.0, 3.0, 0.0]), np.array([0.0, 1.0, -1.0, 4.0, 2.0])
        >>> [str(found) for found in dependences({"a": a, "b": b, "c": a + b})]
        ['c = a + b']
    """
    names = [name for name, values in columns.items() if np.isnan(values).mean() <= 0.5][:MAX_COLUMNS]
    if not names:
        return ()
    cells = np.column_stack([columns[name] for name in names])
    cells = cells[~np.isnan(cells).any(axis=1)]
    cells = cells[:: max(1, len(cells) // MAX_ROWS)]
    if len(cells) == 0:
        return ()
    size = np.maximum(np.abs(cells).max(axis=0), np.finfo(float).tiny)
    mean = (cells / size).mean(axis=0) * size
    centred = cells / size - mean / size
    norm = np.sqrt(np.mean(centred**2, axis=0))
    found: list[Dependence] = []
    basis: list[np.ndarray] = []
    used: list[int] = []
    for j, name in enumerate(names):
        if norm[j] < 1e-12 or len(used) >= len(cells) - 2:
            continue
        left = centred[:, j] / norm[j]
        for _ in range(2):  # once more against round-off
            for direction in basis:
                left = left - direction * (direction @ left)
        length = float(np.linalg.norm(left))
        if length > TOLERANCE * np.sqrt(len(cells)):
            basis.append(left / length)
            used.append(j)
            continue
        design = centred[:, used] / norm[used]
        slopes = np.linalg.lstsq(design, centred[:, j] / norm[j], rcond=None)[0]
        with np.errstate(over="ignore"):  # 1e200 beside 1e-200
            terms = [
                (i, _tidy(slope * (norm[j] / norm[i]) * (size[j] / size[i])))
                for i, slope in zip(used, slopes, strict=True)
                if abs(slope) > 10 * TOLERANCE
            ]
        constant = float(mean[j] - sum(coefficient * mean[i] for i, coefficient in terms))
        constant = 0.0 if abs(constant) < 10 * TOLERANCE * norm[j] * size[j] else constant
        found.append(Dependence(name, tuple((names[i], coefficient) for i, coefficient in terms), constant))
    return tuple(found)


def _tidy(coefficient: float) -> float:
    """The whole number that a coefficient is meant to be, where it is one but for rounding."""
    nearest = float(np.rint(coefficient))
    return nearest if nearest and abs(coefficient - nearest) < 10 * TOLERANCE * abs(nearest) else float(coefficient)
