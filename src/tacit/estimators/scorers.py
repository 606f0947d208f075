"""Scorers of predictive distributions, for scikit-learn's cross-validation and searches; greater is better."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from tacit._errors import UsageError
from tacit.distributions.predictive import AbstractNumericPrediction, AbstractPrediction
from tacit.evaluation.result import mean_result
from tacit.evaluation.scores import observed, pinball


@dataclass(frozen=True)
class AbstractScorer(ABC):
    """`scorer(estimator, X, y)`, the mean over rows of a score of `estimator.predict_distribution(X)` at y.

    The estimator may be the last step of a Pipeline, whose other steps transform X first, and either may be the best
    of a search. `sample_weight` (n,) weighs the rows of the mean; rows of weight 0 are left out. Raises `UsageError`
    where there is no `predict_distribution`, and for values of y that cannot be scored.
    """

    def __call__(self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        each = self._each(_distribution(estimator, X), np.asarray(y))
        return mean_result(repr(self), each, weight=sample_weight).value

    @abstractmethod
    def _each(self, p: AbstractPrediction, y: NDArray[Any]) -> Float[np.ndarray, " n"]:
        """The score of every row, greater is better."""


@dataclass(frozen=True, repr=False)
class LogDensityScorer(AbstractScorer):
    """Mean log density (of classes and counts: log probability) of y, nats a row, in the units of y."""

    def __repr__(self) -> str:
        return "log_density"

    def _each(self, p: AbstractPrediction, y: NDArray[Any]) -> Float[np.ndarray, " n"]:
        return p.log_prob(y)


@dataclass(frozen=True, repr=False)
class CrpsScorer(AbstractScorer):
    """The negative of the mean CRPS, in the units of y."""

    def __repr__(self) -> str:
        return "neg_crps"

    def _each(self, p: AbstractPrediction, y: NDArray[Any]) -> Float[np.ndarray, " n"]:
        numeric = _numeric(p)
        return -numeric.crps(observed(numeric, y))


@dataclass(frozen=True, repr=False)
class PinballScorer(AbstractScorer):
    """The negative of the mean pinball loss of the predicted quantile of `level`, in the units of y.

    Raises `UsageError` for a level outside (0, 1).

    Example:
        >>> PinballScorer(level=0.9)
        neg_pinball(0.9)
    """

    level: float = 0.5

    def __post_init__(self) -> None:
        pinball([], [], self.level)  # a wrong level is said now, not in the midst of a search

    def __repr__(self) -> str:
        return f"neg_pinball({self.level:g})"

    def _each(self, p: AbstractPrediction, y: NDArray[Any]) -> Float[np.ndarray, " n"]:
        numeric = _numeric(p)
        return -pinball(observed(numeric, y), numeric.quantile(self.level), self.level)


log_density_scorer = LogDensityScorer()
crps_scorer = CrpsScorer()
pinball_scorer = PinballScorer


def _distribution(estimator: Any, X: Any) -> AbstractPrediction:
    """The prediction of the rows of X, by way of searches and pipelines."""
    if hasattr(estimator, "best_estimator_"):
        return _distribution(estimator.best_estimator_, X)
    if isinstance(estimator, Pipeline):
        before = estimator[:-1].transform(X) if len(estimator) > 1 else X
        return _distribution(estimator[-1], before)
    if not hasattr(estimator, "predict_distribution"):
        raise UsageError(
            f"{type(estimator).__name__} has no predict_distribution.",
            where="scorer",
            mend="Score an estimator that predicts distributions, alone or as the last step of a Pipeline.",
        )
    prediction: AbstractPrediction = estimator.predict_distribution(X)
    return prediction


def _numeric(p: AbstractPrediction) -> AbstractNumericPrediction:
    if not isinstance(p, AbstractNumericPrediction):
        raise UsageError("this score needs predictions of numbers.", where="scorer", mend="Use log_density_scorer.")
    return p
