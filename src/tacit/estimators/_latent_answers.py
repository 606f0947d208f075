"""What a fitted deep latent-variable model of a table can be asked, whatever its latent."""

from __future__ import annotations

import abc
import os
import warnings
from collections.abc import Mapping
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
from tacit.estimators._checks import check_code
from tacit.estimators._imputing import imputed
from tacit.estimators._latent_condition import ConditionedLatent
from tacit.estimators._latent_covariates import encoded, with_covariates
from tacit.estimators._latent_predict import LatentPredictions
from tacit.estimators._random import seed_of
from tacit.estimators._roles import roles
from tacit.evaluation.pareto import LEAST
from tacit.evaluation.result import Result
from tacit.workflow.latent_cost import Cost, between_bounds, cost
from tacit.workflow.latent_figures import judge_latent
from tacit.workflow.latent_points import best_columns
from tacit.workflow.latent_rows import encode_rows
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.latent_tiles import SAMPLES


class LatentAnswers(LatentPredictions, abc.ABC):
    """The questions. Rows may be any frame, dict or array; columns are found by name, those of an array by place.

    A model that was fitted with `covariates` needs them with every question, one row of them for every row.
    """

    schema_: Schema
    model_: LatentTable
    n_features_in_: int
    random_state: Any
    _kind: str
    _covariate_names: tuple[str, ...]
    _manifest: dict[str, Any]

    def score_samples(self, X: Any, covariates: Any = None) -> Float[np.ndarray, " n"]:
        """Log density of the present cells of every row (n,), in nats and the units of the data.

        Exact where the states of the latent can be listed; of one or two normal latents by quadrature; else an
        estimate from importance weights, the same at every call. `evaluate` says which, with its errors.
        """
        rows = self._rows(X, covariates)
        return self.model_.log_prob(rows)

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, covariates: Any = None) -> float:
        """Mean log density, nats a row (never R2). `evaluate` gives it with its errors."""
        log_probs = self.score_samples(X, covariates)
        weight, _ = roles(self.schema_, self._table(X), sample_weight, None)
        return float(np.average(log_probs, weights=weight))

    def evaluate(
        self,
        X: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        covariates: Any = None,
        *,
        n_mc_samples: int = SAMPLES,
    ) -> tuple[Result, ...]:
        """The mean log density and its parts, each labelled and with its errors; the log density first.

        log p = ELBO + gap, ELBO = -rate - distortion. Standard errors are over rows, or over `groups` (n,) of rows
        that belong together. Where states can be listed all is exact; of one or two normal latents the log density is
        an integral; else `n_mc_samples` draws a row estimate it, with their noise, the bias that the jackknife leaves,
        and the bounds of all, half and a quarter of the draws. Warns where the weights of the draws are not to be
        trusted (Pareto k-hat above .7 on many rows).
        """
        if not isinstance(n_mc_samples, Integral) or n_mc_samples < LEAST:
            what = f"{n_mc_samples} draws tell no error that can be trusted."
            raise UsageError(what, where="n_mc_samples", mend=f"Ask for {LEAST} or more.")
        rows = self._rows(X, covariates)
        weight, labels = roles(self.schema_, self._table(X), sample_weight, groups)
        told = judge_latent(self.model_, rows, weight=weight, groups=labels, num_samples=int(n_mc_samples))
        for finding in told.findings:
            warnings.warn(str(finding), TacitWarning, stacklevel=2)
        return told.figures

    def cost(
        self, X: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None, covariates: Any = None
    ) -> Cost:
        """What it costs that q is approximate, means over rows in nats.

            log p = ELBO + amortisation gap + approximation gap

        Fields `log_likelihood`, `bound`, `amortisation`, `approximation`, each a `Result` of the same rows. The
        amortisation gap is what q gains when it is refined for every row alone, since one network serves them all:
        train longer, or with a larger encoder. The approximation gap is what the best q of its family still lacks:
        another posterior, or a simpler model. And `information`, the mutual information of row and z: how much the
        latent tells which of these rows it is of, so at most the log of their number. Of more than 500 rows so many,
        drawn at random, are looked at; the same at every call. Sources: Cremer et al. 2018; Hoffman and Johnson 2016.
        """
        rows = self._rows(X, covariates)
        weight, labels = roles(self.schema_, self._table(X), sample_weight, groups)
        return cost(self.model_, rows, weight=weight, groups=labels)

    def sandwich(
        self, n_samples: int = 200, random_state: Any = None, covariates: Any = None
    ) -> tuple[Result, Result, Result]:
        """The mean log-likelihood of rows that the model draws, from below and from above, and the difference.

        The latent that made a row is a draw of its exact posterior, so the second is an upper bound in expectation:
        together they tell how far to trust estimates by such draws as `score_samples` makes. In the units of the model,
        not of the data. With covariates one row is drawn for each row of them. Source: Grosse et al. 2015.
        """
        check_is_fitted(self)
        x = encoded(self.model_, self._covariate_names, covariates, None)
        if x is None and (not isinstance(n_samples, Integral) or n_samples < 1):
            raise UsageError(f"Invalid value for 'n_samples': {n_samples}.", mend="Ask for one row or more.")
        seed = seed_of(self.random_state if random_state is None else random_state)
        found = between_bounds(self.model_, int(n_samples) if x is None else len(x), seed, x)
        return found.lower, found.upper, found.gap

    def _reference(self) -> str:
        return self.schema_.reference()

    def reconstruct(self, X: Any, covariates: Any = None) -> Any:
        """X through the latent and back, as the kind of table that was fitted: every cell at its best single value.

        That is the mean of a real column, the median of a positive or count one, the most probable level; of a column
        of zeros and ones the probability of a one.
        """
        rows = self._rows(X, covariates)
        return self._decoded(check_code(self._code(rows)), rows.x)

    def inverse_transform(self, Z: ArrayLike, covariates: Any = None) -> Any:
        """Rows from codes (n, ...) that `transform` gave, as the kind of table that was fitted.

        Raises `UsageError` for what is no code.
        """
        check_is_fitted(self)
        code = check_code(Z)
        return self._decoded(code, encoded(self.model_, self._covariate_names, covariates, len(code)))

    def _decoded(self, code: np.ndarray, x: np.ndarray | None) -> Any:
        return self._as_table(best_columns(self.schema_, self.model_.moments(self._events(code), x)))

    def condition(self, given: Mapping[str, Any], covariates: Any = None) -> ConditionedLatent:
        """The model of the other columns given values of some by name, {"x": 1.5}: draw from it, with its label."""
        check_is_fitted(self)
        return ConditionedLatent(self, given, encoded(self.model_, self._covariate_names, covariates, None))

    def sample(
        self,
        n_samples: int = 1,
        random_state: Any = None,
        covariates: Any = None,
        given: Mapping[str, Any] | None = None,
    ) -> Any:
        """Rows drawn from the model, as the kind of table that was fitted.

        With `given`, values by column name, rows with these: see `condition`, which says whether that is exact or an
        estimate. With covariates `n_samples` rows are drawn for each row of them, one below another. Columns that are
        not modelled are left out, or missing where the table is an array.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise UsageError(f"Invalid value for 'n_samples': {n_samples}.", mend="Ask for one row or more.")
        if given is not None:
            return self.condition(given, covariates).sample(n_samples, random_state)
        n, x = int(n_samples), encoded(self.model_, self._covariate_names, covariates, None)
        if x is not None:
            n, x = n * len(x), np.repeat(x, n, axis=0)
        _, y = self.model_.sample(n, seed_of(self.random_state if random_state is None else random_state), x)
        return self._as_table(self.model_.decode(y))

    def impute(self, X: Any, draws: int | None = None, random_state: Any = None, covariates: Any = None) -> Any:
        """X with its missing cells filled, present cells untouched, as the same kind of table.

        Each cell gets its best single value given the present cells of its row, the latent averaged over `p(z | row)`
        (by weighted draws where it cannot be listed): the mean of a real column, the median of a positive,
        zero-inflated or count one, the most probable level. With `draws`, a list of that many tables whose missing
        cells are drawn together instead.
        """
        table = self._table(X)
        rows = self._encoded(table, covariates, "any")
        return imputed(self.model_, X, table, rows, draws, random_state)

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

    def _rows(self, X: Any, covariates: Any = None, require: Literal["all", "any"] = "all") -> Rows:
        return self._encoded(self._table(X), covariates, require)

    def _encoded(self, table: Table, covariates: Any, require: Literal["all", "any"]) -> Rows:
        rows = encode_rows(self.schema_, table, require=require)
        for finding in rows.findings:
            if finding.code in ("unseen-level", "far-off"):
                warnings.warn(str(finding), TacitWarning, stacklevel=4)
        return with_covariates(self.model_, self._covariate_names, rows, covariates)
