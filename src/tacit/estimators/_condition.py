"""A mixture of table columns given the values of some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Float

from tacit._errors import DataError, UsageError
from tacit.data.encode import encode, given_row
from tacit.distributions.predictive import AbstractPrediction
from tacit.estimators import _tables
from tacit.estimators._random import seed_of
from tacit.workflow.anomalies import log_density
from tacit.workflow.filling import with_given


class ConditionedMixture:
    """`p(other columns | given)`, exact: what `Mixture.condition` returns. `mixture` is the fitted estimator.

    Raises `UsageError` for unknown columns and levels, `DataError` for values that do not suit their column.
    """

    def __init__(self, mixture: Any, given: Mapping[str, Any]) -> None:
        if not isinstance(given, Mapping):
            raise UsageError(f"{given!r} is not a dict.", where="given", mend='Give values by name: {"x": 1.5}.')
        self.mixture, self.given = mixture, dict(given)
        self._row = given_row(mixture.schema_, self.given)

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """`log p(present cells | given)` (n,) in nats and the units of the data; given columns of X are not read."""
        schema, model = self.mixture.schema_, self.mixture.model_
        table = self.mixture._table(X)
        others = [name for name in table.names if name not in self.given]
        if not set(others) & set(schema.names):
            raise DataError("X holds no column that is not given.", where=table.source, mend="Add one.")
        rows = encode(schema, replace(table, data=table.data.select(others)), require="any", roles=False)
        given = ~np.isnan(self._row.y[0])
        for name in self.given:
            given[list(schema.layout.places(name))] = True
        rows.y[:, given] = self._row.y[:, given]
        return log_density(model, rows.y) - log_density(model, self._row.y) + rows.log_jacobian

    def predict_distribution(self, target: str) -> AbstractPrediction:
        """The exact distribution of one column: a prediction of length 1."""
        if target in self.given:
            raise UsageError(f"{target!r} is given.", where="target", mend="Ask for another column.")
        return self.mixture.model_.predict(self._row, target)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Rows drawn, the given values in them, as the kind of table that was fitted.

        Columns that are not modelled are left out, or missing where the table is an array.
        """
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise UsageError(f"Invalid value for 'n_samples': {n_samples}.", mend="Ask for one row or more.")
        if random_state is None:
            random_state = self.mixture.random_state
        model = self.mixture.model_
        events, _ = model.sample(n_samples, seed_of(random_state), self.given)
        drawn = _tables.arrow(with_given(model, model.decode(events), self.given))
        return _tables.as_kind(drawn, self.mixture._kind, names=self.mixture._names())
