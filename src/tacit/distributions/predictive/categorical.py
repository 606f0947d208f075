"""The prediction of a categorical or binary column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacit._errors import UsageError
from tacit.distributions.predictive._base import AbstractPrediction, Floats, draw_components


@dataclass(frozen=True, eq=False)
class CategoricalPrediction(AbstractPrediction):
    """Probabilities (n, L) of the levels of a column; a binary column has two levels.

    Raises `UsageError` where the probabilities are negative, do not sum to one, or do not match the levels.

    Example:
        >>> p = CategoricalPrediction(("Adelie", "Gentoo"), [[0.9, 0.1], [0.2, 0.8]])
        >>> p.mode().tolist(), p.log_prob("Adelie").round(4).tolist()
        (['Adelie', 'Gentoo'], [-0.1054, -1.6094])
    """

    levels: tuple[Any, ...]
    probabilities: Floats

    _row_fields = ("probabilities",)

    def __post_init__(self) -> None:
        p = np.asarray(self.probabilities, np.float64)
        if p.ndim != 2 or p.shape[1] != len(self.levels) or len(set(self.levels)) != len(self.levels):
            raise UsageError("a categorical prediction needs one column a level, and levels that differ.")
        if not (np.all(p >= 0) and np.allclose(p.sum(axis=1), 1.0, atol=1e-6)):
            raise UsageError("the probabilities of a row must not be negative and must sum to one.")
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "probabilities", p / p.sum(axis=1, keepdims=True))

    def __len__(self) -> int:
        return len(self.probabilities)

    def mode(self) -> NDArray[Any]:
        """The most probable level (of equals the first), shape (n,)."""
        return self._labels[self.probabilities.argmax(axis=1)]

    def log_prob(self, value: Any) -> Floats:
        """Log probability of a level, or of one level a row, shape (n,); `UsageError` for an unknown level."""
        code = {level: j for j, level in enumerate(self.levels)}
        given = value if isinstance(value, list | tuple | np.ndarray) else [value] * len(self)
        if len(given) != len(self):
            raise UsageError(f"{len(given)} levels do not fit {len(self)} rows.", mend="Give one a row.")
        unknown = [level for level in given if level not in code]
        if unknown:
            raise UsageError(f"the level {unknown[0]!r} is not known.", mend=f"Use one of {self.levels[:20]}.")
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities[np.arange(len(self)), [code[level] for level in given]])

    def sample(self, n_samples: int, rng: np.random.Generator) -> NDArray[Any]:
        """Independent draws, shape (n, n_samples)."""
        with np.errstate(divide="ignore"):
            return self._labels[draw_components(np.log(self.probabilities), n_samples, rng)]

    def to_frame(self) -> dict[str, NDArray[Any]]:
        """Columns of a table: the probability of every level, P(level), and the most probable one."""
        columns: dict[str, NDArray[Any]] = {
            f"P({level})": self.probabilities[:, j] for j, level in enumerate(self.levels)
        }
        return self._and_error({**columns, "most_probable": self.mode()})

    @property
    def _labels(self) -> NDArray[Any]:
        labels = np.empty(len(self.levels), object)
        labels[:] = self.levels
        return labels
