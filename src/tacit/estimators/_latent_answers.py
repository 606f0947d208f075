"""What a fitted deep latent-variable model of a table can be asked, whatever its latent."""

from __future__ import annotations

import abc
import os
import warnings
from numbers import Integral
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from tacit import persistence
from tacit._errors import TacitWarning, UsageError
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.estimators import _tables
from tacit.estimators._checks import check_code, check_weight
from tacit.estimators._random import seed_of
from tacit.evaluation.result import Result
from tacit.workflow.filling import filled
from tacit.workflow.latent_figures import judge_latent
from tacit.workflow.latent_points import best_columns
from tacit.workflow.latent_rows import encode_rows
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.latent_tiles import SAMPLES


class LatentAnswers(abc.ABC):
    """The questions. Rows may be any frame, dict or array; columns are found by name, those of an array by place."""

    schema_: Schema
    model_: LatentTable
    n_features_in_: int
    random_state: Any
    _kind: str
    _manifest: dict[str, Any]

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """Log density of the present cells of every row (n,), in nats and the units of the data.

        Exact where the states of the latent can be listed; else an estimate from importance samples, the same at
        every call. `evaluate` says which, with its errors.
        """
        rows = self._rows(X)
        return self.model_.log_prob(rows)

    def evaluate(
        self,
        X: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        n_mc_samples: int = SAMPLES,
    ) -> tuple[Result, ...]:
        """The mean log density and its parts, each labelled and with its errors; the log density first.

        log p = ELBO + gap, ELBO = -rate - distortion. Standard errors are over rows, or over `groups` (n,) of rows
        that belong together; where nothing can be listed, `n_mc_samples` draws a row estimate the figures.
        """
        if not isinstance(n_mc_samples, Integral) or n_mc_samples < 2:
            raise UsageError(f"{n_mc_samples} draws tell no error.", where="n_mc_samples", mend="Ask for two or more.")
        rows = self._rows(X)
        weight, labels = check_weight(sample_weight, len(rows)), None if groups is None else np.asarray(groups)
        return judge_latent(self.model_, rows, weight=weight, groups=labels, num_samples=int(n_mc_samples)).figures

    def _reference(self) -> str:
        return self.schema_.reference()

    def reconstruct(self, X: Any) -> Any:
        """X through the latent and back, as the kind of table that was fitted: every cell at its best single value.

        That is the mean of a real column, the median of a positive or count one, the most probable level; of a column
        of zeros and ones the probability of a one.
        """
        return self.inverse_transform(self._code(self._rows(X)))

    def inverse_transform(self, Z: ArrayLike) -> Any:
        """Rows from codes (n, ...) that `transform` gave, as the kind of table that was fitted.

        Raises `UsageError` for what is no code.
        """
        check_is_fitted(self)
        return self._as_table(best_columns(self.schema_, self.model_.moments(self._events(check_code(Z)))))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Rows drawn from the model, as the kind of table that was fitted.

        Columns that are not modelled are left out, or missing where the table is an array.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise UsageError(f"Invalid value for 'n_samples': {n_samples}.", mend="Ask for one row or more.")
        _, y = self.model_.sample(int(n_samples), seed_of(self.random_state if random_state is None else random_state))
        return self._as_table(self.model_.decode(y))

    def impute(self, X: Any, draws: int | None = None, random_state: Any = None) -> Any:
        """X with its missing cells filled, present cells untouched, as the same kind of table.

        Each cell gets its best single value given the present cells of its row, the latent averaged over `p(z | row)`
        (by importance samples where it cannot be listed). Of a positive column that is the exponential of the mean of
        its location, of a count the median at the mean rate: where states lie far apart neither is a median. With
        `draws`, a list of that many tables whose missing cells are drawn together instead.
        """
        table = self._table(X)
        rows = self._encoded(table, "any")
        if draws is None:
            return self._filled(X, table, self.model_.impute(rows))
        if not isinstance(draws, Integral) or draws < 1:
            raise UsageError(f"{draws} draws.", where="draws", mend="Ask for one or more.")
        events = self.model_.draw(rows, int(draws), seed_of(random_state))
        return [self._filled(X, table, events[:, s]) for s in range(draws)]

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a model file, which `tacit.load` and the command line read; it holds no rows.

        Raises `OutputError` where the file exists (without `force`) or cannot be written; the old file stays then.
        """
        check_is_fitted(self)
        persistence.save(self.model_, path, manifest=self._manifest, force=force)

    @abc.abstractmethod
    def _code(self, rows: Rows) -> Any:
        """What `reconstruct` decodes of every row."""

    @abc.abstractmethod
    def _events(self, Z: np.ndarray) -> np.ndarray:
        """Codes as latent events (n, ...); raises `UsageError` for another shape."""

    def _names(self) -> tuple[str, ...]:
        """The columns of the table that was fitted, in order."""
        known = getattr(self, "feature_names_in_", None)
        return tuple(f"x{j}" for j in range(self.n_features_in_)) if known is None else tuple(known)

    def _as_table(self, columns: dict[str, np.ndarray]) -> Any:
        return _tables.as_kind(_tables.arrow(columns), self._kind, names=self._names())

    def _table(self, X: Any) -> Table:
        check_is_fitted(self)
        return _tables.read(self, X, reset=False)

    def _rows(self, X: Any, require: Literal["all", "any"] = "all") -> Rows:
        return self._encoded(self._table(X), require)

    def _encoded(self, table: Table, require: Literal["all", "any"]) -> Rows:
        rows = encode_rows(self.schema_, table, require=require)
        for finding in rows.findings:
            if finding.code in ("unseen-level", "far-off"):
                warnings.warn(str(finding), TacitWarning, stacklevel=4)
        return rows

    def _filled(self, X: Any, table: Table, y: np.ndarray) -> Any:
        whole = filled(self.model_, table, y)
        index = getattr(X, "index", None) if _tables.kind_of(X) == "pandas" else None
        return _tables.as_kind(whole, _tables.kind_of(X), names=table.names, index=index)
