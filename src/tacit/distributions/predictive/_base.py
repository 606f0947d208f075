"""What every prediction of one column, for n rows at once, can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacit._errors import UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AbstractPrediction(ABC):
    """The distribution of one column given others, one row of the table each; `p[0]`, `p[2:5]` take rows.

    Exact, or an estimate from draws: then `monte_carlo_error` (n,) is the standard error of its mean over them (of
    levels that of the most doubtful probability).
    """

    monte_carlo_error: Floats | None = field(default=None, kw_only=True)

    _row_fields: ClassVar[tuple[str, ...]]

    @property
    def kind(self) -> str:
        """ "exact" or "estimate"."""
        return "exact" if self.monte_carlo_error is None else "estimate"

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def log_prob(self, value: Any) -> Floats:
        """Log density or log probability of one value a row, in nats and in the units of the user."""

    @abstractmethod
    def mode(self) -> NDArray[Any]:
        """The most probable value, shape (n,)."""

    @abstractmethod
    def sample(self, n_samples: int, rng: np.random.Generator) -> NDArray[Any]:
        """Independent draws, shape (n, n_samples)."""

    @abstractmethod
    def to_frame(self) -> dict[str, NDArray[Any]]:
        """Columns of a table, one entry a row."""

    def __getitem__(self, rows: int | slice | Sequence[int] | NDArray[Any]) -> Self:
        """The prediction of some rows: one row stays a prediction, of length 1."""
        index = np.atleast_1d(np.arange(len(self))[rows])
        rows_of = {name: getattr(self, name)[index] for name in self._row_fields}
        error = self.monte_carlo_error
        return replace(self, **rows_of, monte_carlo_error=None if error is None else error[index])

    def _and_error(self, columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Columns of a table, with that of the error where there is one."""
        error = self.monte_carlo_error
        return columns if error is None else {**columns, "monte_carlo_error": error}


class AbstractNumericPrediction(AbstractPrediction):
    """A prediction of numbers.

    Values are a scalar, one value a row of shape (n,), or a grid of shape (n, g) or (1, g); answers have
    shape (n,), (n,) and (n, g). Raises `UsageError` for values that are NaN or of another shape.
    """

    @abstractmethod
    def mean(self) -> Floats:
        """Expected value, shape (n,)."""

    @abstractmethod
    def std(self) -> Floats:
        """Standard deviation, shape (n,)."""

    @abstractmethod
    def region(self, coverage: float) -> list[NDArray[Any]]:
        """The smallest set that holds `coverage`: for every row a union of intervals, shape (m, 2), in order."""

    @abstractmethod
    def _cdf(self, value: Floats) -> Floats: ...

    @abstractmethod
    def _log_prob(self, value: Floats) -> Floats: ...

    @abstractmethod
    def _crps(self, value: Floats) -> Floats: ...

    @abstractmethod
    def _quantile(self, level: Floats) -> NDArray[Any]: ...

    def cdf(self, value: ArrayLike) -> Floats:
        """P(Y ≤ value)."""
        grid, shape = self._grid(value)
        return self._cdf(grid).reshape(shape)

    def log_prob(self, value: ArrayLike) -> Floats:
        """Log density (for counts: log probability) in nats, in the user's units, Jacobian included."""
        grid, shape = self._grid(value)
        return self._log_prob(grid).reshape(shape)

    def crps(self, value: ArrayLike) -> Floats:
        """Continuous ranked probability score, ∫ (F(t) - 1[value ≤ t])² dt, in the user's units; lower is better.

        Source: Gneiting and Raftery 2007. Raises `UsageError` for values that are not finite.
        """
        grid, shape = self._grid(value)
        if not np.all(np.isfinite(grid)):
            raise UsageError("the score needs finite values.")
        return self._crps(grid).reshape(shape)

    def quantile(self, q: ArrayLike) -> NDArray[Any]:
        """The smallest value whose cdf is at least q: shape (n,) for a scalar q, (n, g) for g levels.

        Raises `UsageError` for levels outside (0, 1).
        """
        levels = np.asarray(q, np.float64)
        if levels.ndim > 1 or not np.all((levels > 0) & (levels < 1)):
            raise UsageError(f"quantile levels {q!r} are not between 0 and 1.", mend="Use for example 0.05, 0.95.")
        found = self._quantile(np.broadcast_to(levels, (len(self), levels.size)))
        return found.reshape((len(self), *levels.shape))

    def interval(self, coverage: float) -> NDArray[Any]:
        """Equal-tailed interval, shape (n, 2); raises `UsageError` for a coverage outside (0, 1)."""
        tail = (1.0 - checked_coverage(coverage)) / 2
        return self.quantile([tail, 1.0 - tail])

    def to_frame(self, quantiles: Sequence[float] = (0.05, 0.5, 0.95)) -> dict[str, NDArray[Any]]:
        """Columns of a table: mean, sd, and a column q<level> for every quantile; the error of an estimate."""
        found = self.quantile(quantiles)
        levels = {f"q{level:g}": found[:, j] for j, level in enumerate(quantiles)}
        return self._and_error({"mean": self.mean(), "sd": self.std(), **levels})

    def _grid(self, value: ArrayLike) -> tuple[Floats, tuple[int, ...]]:
        """Values as (n, g), and the shape of the answer."""
        array, n = np.asarray(value, np.float64), len(self)
        if np.any(np.isnan(array)):
            raise UsageError("values are missing (NaN).", mend="Leave out the rows without a value.")
        if array.ndim == 0:
            return np.broadcast_to(array, (n, 1)), (n,)
        if array.shape == (n,):
            return array[:, None], (n,)
        if array.ndim == 2 and array.shape[0] in (1, n):
            return np.broadcast_to(array, (n, array.shape[1])), (n, array.shape[1])
        raise UsageError(f"values of shape {array.shape} do not fit {n} rows.", mend="Give one value a row.")


def checked_coverage(coverage: float) -> float:
    """The coverage; raises `UsageError` outside (0, 1)."""
    if not 0 < coverage < 1:
        raise UsageError(f"coverage {coverage} is not between 0 and 1.", mend="Use for example 0.9.")
    return float(coverage)


def mixture_fields(log_weights: ArrayLike, *others: ArrayLike) -> tuple[Floats, ...]:
    """Normalised log-weights and parameters, all float64 of one shape (n, k); raises `UsageError` otherwise."""
    weights, *parameters = (np.asarray(a, np.float64) for a in (log_weights, *others))
    if weights.ndim != 2 or weights.shape[1] == 0 or any(p.shape != weights.shape for p in parameters):
        raise UsageError("weights and parameters of a mixture need one shape, (rows, components).")
    largest = weights.max(axis=1, keepdims=True)
    if not np.all(np.isfinite(largest)) or not all(np.all(np.isfinite(p)) for p in parameters):
        raise UsageError("every row of a mixture needs finite parameters and a component of positive weight.")
    shifted = weights - largest
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), *parameters)


def draw_components(log_weights: Floats, n_samples: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Component numbers, shape (n, n_samples), by inversion; components of weight zero are never drawn."""
    if n_samples < 0:
        raise UsageError(f"n_samples is {n_samples}.", mend="Use 0 or more.")
    total = np.cumsum(np.exp(log_weights), axis=1)
    total /= total[:, -1:]
    uniform = rng.random((len(log_weights), n_samples))
    chosen = np.zeros(uniform.shape, np.intp)
    for j in range(total.shape[1]):
        chosen += total[:, j, None] <= uniform
    return chosen
