"""What every density estimator has: a mean log density, with and without its error, and missing cells allowed."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils._param_validation import InvalidParameterError

from tacit._errors import UsageError
from tacit.estimators._checks import check_weight
from tacit.evaluation.result import Result, mean_result


class CheckedEstimator(BaseEstimator):
    """A scikit-learn estimator whose wrong parameters are `UsageError`s, and whose rows may have missing cells."""

    def _validate_params(self) -> None:
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            raise UsageError(_in_order(str(error))) from error

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class DensityEstimator(DensityMixin, CheckedEstimator):
    """A scikit-learn estimator whose answer is a density."""

    @abstractmethod
    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """Log density of every row, nats."""

    @abstractmethod
    def _reference(self) -> str:
        """What the density is over: figures with different references are not compared."""

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Mean log density, nats a row (never R2). `evaluate` gives it with its standard error."""
        log_probs = self.score_samples(X)
        weight, _ = self._counted(X, sample_weight, None, len(log_probs))
        return float(np.average(log_probs, weights=weight))

    def evaluate(self, X: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None) -> Result:
        """Mean log density with its standard error over rows, or over `groups` (n,) of rows that belong together.

        Weight and group columns that a schema names do the same where X has them.
        """
        log_probs = self.score_samples(X)
        weight, groups = self._counted(X, sample_weight, groups, len(log_probs))
        return mean_result("mean log density", log_probs, weight=weight, groups=groups, reference=self._reference())

    def _counted(
        self, X: Any, sample_weight: ArrayLike | None, groups: ArrayLike | None, n: int
    ) -> tuple[Float[np.ndarray, " n"] | None, Any]:
        """Weights and groups of the n rows of X."""
        return check_weight(sample_weight, n), groups


class TableDensity(DensityEstimator):
    """A density of a table, whose columns may hold text and categories."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _in_order(text: str) -> str:
    """A message of scikit-learn with the choices that it lists sorted: they come from a set, whose order changes."""
    return re.sub(r"\{([^{}]*)\}", lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", text)
