"""Any column given any others, and odd rows, of a fitted deep model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_is_fitted

from tacit._errors import TacitWarning
from tacit.data.encode import Rows
from tacit.distributions.predictive import AbstractNumericPrediction, AbstractPrediction
from tacit.estimators._checks import check_rate, numeric
from tacit.workflow import anomalies as odd
from tacit.workflow.latent_anomalies import OddsOfLatent
from tacit.workflow.latent_predict import doubts
from tacit.workflow.latent_table import LatentTable


class LatentPredictions:
    """The questions that `Mixture` answers too, in its words; exact where the states of the latent can be listed."""

    model_: LatentTable
    _rows: Any

    def predict_distribution(self, X: Any, target: str, covariates: Any = None) -> AbstractPrediction:
        """The distribution of one column given the other present cells of every row.

            p(column | rest) = sum_z p(z | rest) p(column | z)

        It has `.mean .std .cdf .quantile .sample .log_prob .crps .to_frame` (of a column with levels,
        `.probabilities`) and can be indexed by rows. Its `.kind` is "exact" where the states of the latent can be
        listed; else z is drawn, half from q and half from the prior, and weighted: an "estimate", whose
        `.monte_carlo_error` (n,) is the standard error of its mean over the draws (of levels that of the most doubtful
        probability). The same at every call. Cells of the target in X are not looked at.
        """
        rows = self._rows(X, covariates=covariates, require="any")
        prediction = self.model_.predict(rows, target)
        for finding in doubts(prediction):
            warnings.warn(str(finding), TacitWarning, stacklevel=3)
        return prediction

    def predict_quantiles(
        self, X: Any, target: str, quantiles: Sequence[float] = (0.05, 0.5, 0.95), covariates: Any = None
    ) -> Float[np.ndarray, "n q"]:
        """Quantiles (n, q) of a numeric column given the rest of every row."""
        return self._numbers(X, target, covariates).quantile(list(quantiles))

    def predict_interval(
        self, X: Any, target: str, coverage: float = 0.9, covariates: Any = None
    ) -> Float[np.ndarray, "n 2"]:
        """Equal-tailed interval (n, 2) of a numeric column given the rest of every row."""
        return self._numbers(X, target, covariates).interval(coverage)

    def predict_region(
        self, X: Any, target: str, coverage: float = 0.9, covariates: Any = None
    ) -> list[Float[np.ndarray, "m 2"]]:
        """Highest-density region of a numeric column given the rest: for every row a union of intervals (m, 2)."""
        return self._numbers(X, target, covariates).region(coverage)

    def anomaly_pvalues(self, X: Any, covariates: Any = None) -> Float[np.ndarray, " n"]:
        """Probability (n,) of a lower density among rows of the model with the same cells present.

        By simulation with a fixed seed; rows with and without missing cells can be ranked together. Where densities are
        estimates, those of the rows of the model are too, by as many draws: a p-value is right whatever their error.
        Raises `UsageError` for a model of rows given covariates.
        """
        return odd.pvalues(*self._odds(X, covariates))

    def anomalies(self, X: Any, rate: float = 0.01, covariates: Any = None) -> list[odd.Anomaly]:
        """The rows odder than all but `rate` of the rows that the model draws, oddest first, and what makes them so.

        Raises `UsageError` for a model of rows given covariates.
        """
        check_rate(rate)
        return odd.anomalies(*self._odds(X, covariates), rate)

    def _odds(self, X: Any, covariates: Any) -> tuple[OddsOfLatent, Rows]:
        """What judges rows, and the rows."""
        check_is_fitted(self)
        return OddsOfLatent(self.model_), self._rows(X, covariates, "any")

    def _best(self, X: Any, target: str, covariates: Any = None) -> np.ndarray:
        """The best single value (n,) of a column: the mean, the median or the most probable level, as in `impute`."""
        prediction = self.predict_distribution(X, target, covariates)
        return self.model_.best(prediction, target)

    def _numbers(self, X: Any, target: str, covariates: Any) -> AbstractNumericPrediction:
        return numeric(self.predict_distribution(X, target, covariates), target)
