"""What a fitted mixture of table columns can be asked: its density, and any columns given any others."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from tacit._errors import TacitWarning
from tacit.data.encode import Rows, encode
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.distributions.predictive import AbstractNumericPrediction, AbstractPrediction
from tacit.estimators import _tables
from tacit.estimators._checks import check_rate, numeric
from tacit.estimators._condition import ConditionedMixture
from tacit.estimators._imputing import imputed
from tacit.estimators._roles import roles
from tacit.workflow import anomalies as odd
from tacit.workflow.table_mixture import TableMixture


class TableAnswers:
    """The questions. Rows may be any frame, dict or array; columns are found by name, those of an array by place."""

    schema_: Schema
    model_: TableMixture
    n_features_in_: int
    _kind: str

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """Log density of the present cells of every row (n,), in nats and the units of the data; exact."""
        rows = self._rows(X)
        return self.model_.log_prob(rows)

    def _reference(self) -> str:
        return self.schema_.reference()

    def _counted(
        self, X: Any, sample_weight: ArrayLike | None, groups: ArrayLike | None, n: int
    ) -> tuple[Float[np.ndarray, " n"] | None, Any]:
        return roles(self.schema_, self._table(X), sample_weight, groups)

    def predict_distribution(self, X: Any, target: str) -> AbstractPrediction:
        """The exact distribution of one column given the other present cells of every row.

        It has `.mean .std .cdf .quantile .sample .log_prob .crps .to_frame` (of a column with levels,
        `.probabilities`) and can be indexed by rows.
        """
        rows = self._rows(X, require="any")
        return self.model_.predict(rows, target)

    def predict_quantiles(
        self, X: Any, target: str, quantiles: Sequence[float] = (0.05, 0.5, 0.95)
    ) -> Float[np.ndarray, "n q"]:
        """Quantiles (n, q) of a numeric column given the rest of every row."""
        return self._numbers(X, target).quantile(list(quantiles))

    def predict_interval(self, X: Any, target: str, coverage: float = 0.9) -> Float[np.ndarray, "n 2"]:
        """Equal-tailed interval (n, 2) of a numeric column given the rest of every row."""
        return self._numbers(X, target).interval(coverage)

    def predict_region(self, X: Any, target: str, coverage: float = 0.9) -> list[Float[np.ndarray, "m 2"]]:
        """Highest-density region of a numeric column given the rest: for every row a union of intervals (m, 2)."""
        return self._numbers(X, target).region(coverage)

    def condition(self, given: Mapping[str, Any]) -> ConditionedMixture:
        """The mixture given values of some columns, by name: asked like this one about all the others."""
        check_is_fitted(self)
        return ConditionedMixture(self, given)

    def sample(self, n_samples: int = 1, random_state: Any = None, given: Mapping[str, Any] | None = None) -> Any:
        """Rows drawn from the model, `given` values of some columns, as the kind of table that was fitted.

        Columns that are not modelled are left out, or missing where the table is an array.
        """
        return self.condition(given or {}).sample(n_samples, random_state)

    def impute(self, X: Any, draws: int | None = None, random_state: Any = None) -> Any:
        """X with its missing cells filled, present cells untouched, as the same kind of table.

        Each cell gets its best single value given the present cells of its row, as in `predict`; with `draws`, a
        list of that many tables whose missing cells are drawn from their exact joint distribution instead.
        """
        table = self._table(X)
        rows = self._encoded(table, require="any")
        return imputed(self.model_, X, table, rows, draws, random_state)

    def anomaly_pvalues(self, X: Any) -> Float[np.ndarray, " n"]:
        """Probability (n,) of a lower density among rows of the model with the same cells present.

        By simulation with a fixed seed; rows with and without missing cells can be ranked together.
        """
        rows = self._rows(X, require="any")
        return odd.pvalues(self.model_, rows)

    def anomalies(self, X: Any, rate: float = 0.01) -> list[odd.Anomaly]:
        """The rows odder than all but `rate` of the training rows, oddest first, with the columns that make them so."""
        check_rate(rate)
        rows = self._rows(X, require="any")
        return odd.anomalies(self.model_, rows, rate)

    def _numbers(self, X: Any, target: str) -> AbstractNumericPrediction:
        return numeric(self.predict_distribution(X, target), target)

    def _names(self) -> tuple[str, ...]:
        """The columns of the table that was fitted, in order."""
        known = getattr(self, "feature_names_in_", None)
        return tuple(f"x{j}" for j in range(self.n_features_in_)) if known is None else tuple(known)

    def _table(self, X: Any) -> Table:
        check_is_fitted(self)
        return _tables.read(self, X, reset=False)

    def _rows(self, X: Any, require: Literal["all", "any"] = "all") -> Rows:
        return self._encoded(self._table(X), require)

    def _encoded(self, table: Table, require: Literal["all", "any"]) -> Rows:
        rows = encode(self.schema_, table, require=require, roles=False)
        for finding in rows.findings:
            if finding.code in ("unseen-level", "far-off"):
                warnings.warn(str(finding), TacitWarning, stacklevel=4)
        return rows


class ComponentAnswers(TableAnswers):
    """The questions about components too."""

    def responsibilities(self, X: Any) -> Float[np.ndarray, "n k"]:
        """Posterior probability of every component given the present cells of every row."""
        rows = self._rows(X, require="any")
        return np.exp(self.model_.log_responsibilities(rows))

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n k"]:
        """`responsibilities`, by scikit-learn's name."""
        return self.responsibilities(X)

    def predict(self, X: Any, target: str | None = None) -> np.ndarray:
        """The most probable component (n,); with a `target`, the best single value of that column.

        That is the mean for real columns, the median for positive, zero-inflated and count ones, the most probable
        level for the others. Cells of the target in X are not looked at.
        """
        if target is None:
            return self.responsibilities(X).argmax(axis=1)
        prediction = self.predict_distribution(X, target)
        return self.model_.best(prediction, target)
