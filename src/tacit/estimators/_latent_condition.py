"""A deep model of a table's columns given the values of some of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from tacit._errors import TacitWarning, UsageError
from tacit.data.encode import given_row
from tacit.estimators import _tables
from tacit.estimators._random import seed_of
from tacit.evaluation.result import Kind
from tacit.workflow.filling import with_given
from tacit.workflow.latent_given import given_draws
from tacit.workflow.latent_table import hidden


class ConditionedLatent:
    """`p(other columns | given)` of a deep model: what `VAE.condition` and `DiscreteVAE.condition` return.

    `kind` says whether draws are "exact" (the states of z are listed) or an "estimate": z is chosen out of weighted
    draws of q, about modes and of the prior, and a normal one then moved by Metropolis steps. Raises `UsageError` for
    unknown columns and levels, `DataError` for values that do not suit their column.
    """

    def __init__(self, estimator: Any, given: Mapping[str, Any], x: np.ndarray | None) -> None:
        if not isinstance(given, Mapping):
            raise UsageError(f"{given!r} is not a dict.", where="given", mend='Give values by name: {"x": 1.5}.')
        self.estimator, self.given = estimator, dict(given)
        row = given_row(estimator.schema_, self.given)
        self._rows = row if x is None else replace(row.take(np.zeros(len(x), int)), x=x)

    @property
    def kind(self) -> Kind:
        """The label of what is drawn: "exact" or "estimate"."""
        kind: Kind = self.estimator.model_.kind
        return kind

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Rows drawn, the given values in them, as the kind of table that was fitted.

        With covariates `n_samples` for each row of these. A `TacitWarning` says where so few draws of z carry the
        weight that rows may be far off.
        """
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise UsageError(f"Invalid value for 'n_samples': {n_samples}.", mend="Ask for one row or more.")
        model, seed = self.estimator.model_, random_state
        seed = seed_of(self.estimator.random_state if seed is None else seed)
        found = given_draws(model, self._rows, int(n_samples), seed)
        if found.rough:
            message = (
                f"what is given is so unlikely, or so much, that {found.effective.min():.0f} of {found.weighted:,} "
                "draws of the latent carry the weight: the rows drawn are rough."
            )
            warnings.warn(message, TacitWarning, stacklevel=2)
        y = hidden(model.schema, found.y.reshape(-1, found.y.shape[2]))
        columns = with_given(model, model.decode(y), self.given)
        return _tables.as_kind(_tables.arrow(columns), self.estimator._kind, names=self.estimator._names())
