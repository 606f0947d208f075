"""A mixture over the mixed columns of a table, behind scikit-learn's interface."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tacit import persistence
from tacit._errors import DataError, UsageError
from tacit.data.check import check
from tacit.data.encode import Rows, encode
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.estimators import _tables
from tacit.estimators._answers import ComponentAnswers
from tacit.estimators._candidates import numbers
from tacit.estimators._checks import check_weight, group_labels
from tacit.estimators._density import TableDensity
from tacit.estimators._random import seed_of
from tacit.inference.fit import Progress, Settings, quiet
from tacit.workflow.bootstrap import Bootstrap, bootstrap
from tacit.workflow.findings import fit_findings
from tacit.workflow.fit_table import Job, fit_table
from tacit.workflow.model_file import manifest
from tacit.workflow.record import make_record
from tacit.workflow.table_mixture import TableMixture


class Mixture(ComponentAnswers, TableDensity):
    """The exact joint density of a table with columns of any kind: fit once, ask anything.

        log p(row) = log sum_k w_k N(real and positive columns | m_k, S_k) prod_j p(other column j | theta_kj)

    in nats a row and the units of the data: one full normal over real columns and the logarithms of positive ones, a
    Bernoulli, categorical or Poisson for each other column, and for zero-inflated ones both. Missing cells are
    integrated out exactly, in `fit` and in every answer, which is right where cells are missing at random: given the
    cells present, being missing says nothing about the value.

    Rows may be a pandas, polars or Arrow frame, a dict of arrays, or an array (n, d); where a table comes back it is
    of the same kind. Columns are found by name, and may come in any order.

    Parameters:
        n_components: a number, a range or list of them, or "auto" (1 to 10); of several one is chosen by `select`.
        schema: how columns are read, or the path of its TOML file; inferred from the rows in `fit` by default.
        types: kinds of columns by name ("real", "positive", "count", "binary", "categorical", "zero-inflated",
            "id"), where the inferred ones are not wanted.
        select: "density" (the fewest components within one standard error of the best cross-validated
            log-likelihood) or "segments" (the smallest BIC, merged into as many segments as the smallest ICL has).
        cv: number of folds; whole groups where `groups` are given to `fit`.
        n_init: starts; all take 10 steps, and the best 3 are finished.
        tol: EM stops when the log-likelihood changes by less, in nats a row.
        max_iter: most steps of EM.
        holdout: share of the rows that is kept out of choice and fit, to judge the model in `fitted_.figures` beside
            the plain baselines; the kept model is then refitted to all rows. 0 for none.
        random_state: seed of the starts, the folds and the rows held out.
        verbose: 1 prints the stages.

    Attributes:
        schema_, model_: how columns are read; the density itself, with the floors of its variances.
        n_components_, weights_: how many components, and their shares, largest first.
        selection_: how their number was chosen: every candidate with its figures.
        restarts_: one dict a start of the chosen number: start, k, stage, log_likelihood (nats
            a row), iterations, verdict.
        verdict_, converged_: how EM ended.
        findings_: what a person should know about the table and the fit.
        fitted_: all that came of the fit; record_: the same as plain JSON values, which `tacit.report` reads.
        n_features_in_, feature_names_in_: of the table.

    Raises `DataError` and `UsageError` (both ValueErrors) for rows and settings it cannot use. With weights, equal
    rows are not the same as one row of a larger weight: the schema reads kinds and variance floors off the rows
    (repeated values raise the floor), and folds deal rows.

    >>> random = np.random.default_rng(0)
    >>> big = random.random(120) < 0.4
    >>> table = {"size": 1 + 6 * big + random.normal(size=120), "name": np.where(big, "b", "a")}
    >>> mixture = Mixture(2, random_state=0).fit(table)
    >>> mixture.predict({"name": ["a", "b"]}, "size").round().tolist()
    [1.0, 7.0]
    >>> mixture.condition({"size": 7.5}).predict_distribution("name").mode().tolist()
    ['b']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), "array-like"],
        "schema": [Schema, str, os.PathLike, None],
        "types": [Mapping, None],
        "select": [StrOptions({"density", "segments"})],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "holdout": [Interval(Real, 0.0, 1.0, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int | str | Sequence[int] = "auto",
        *,
        schema: Schema | str | os.PathLike[str] | None = None,
        types: Mapping[str, str] | None = None,
        select: str = "density",
        cv: int = 5,
        n_init: int = 30,
        tol: float = 1e-5,
        max_iter: int = 1000,
        holdout: float = 0.0,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.schema = schema
        self.types = types
        self.select = select
        self.cv = cv
        self.n_init = n_init
        self.tol = tol
        self.max_iter = max_iter
        self.holdout = holdout
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Fit to the rows of a table; `y` is ignored.

        `sample_weight` (n,) counts a row as so many (0 leaves it out); rows of equal `groups` (n,) stay together in
        folds and in the part held out, and standard errors are then over groups. A schema's weight and group columns
        do the same.
        """
        kind, table = _tables.kind_of(X), _tables.read(self, X, reset=True)
        n = len(table)
        weight = check_weight(sample_weight, n)
        counted = np.arange(len(table)) if weight is None else np.flatnonzero(weight)
        table = table.take(counted) if len(counted) < len(table) else table
        schema = self._schema(table)
        rows = _weighted(encode(schema, table), weight, groups, counted, n)
        job = self._job(rows)
        fitted = fit_table(schema, rows, job, progress=self._progress())
        self._kind = kind
        self.fitted_, self.selection_ = fitted, fitted.selection
        self.verdict_, self.converged_ = fitted.fit.verdict, fitted.fit.converged
        self.n_iter_ = fitted.fit.steps
        checked = check(table, schema)
        self.findings_ = [*fit_findings(fitted, job, rows), *checked.findings]
        self.record_ = make_record(table, checked, rows, job, fitted, title=table.source, odd_rows=0)
        self.restarts_ = self.record_["restarts"]
        self._publish(fitted.model)
        shared = {"kind": kind, "names": list(table.names), "parameters": self._parameters(job.seed)}
        self._manifest = {**manifest(fitted, self.record_), "estimator": shared}
        if not self.converged_:
            message = f"EM {self.verdict_} after {self.n_iter_} steps; raise max_iter or tol."
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Int[np.ndarray, " n"]:
        """Fit, and the most probable component of every row."""
        return self.fit(X, y, sample_weight=sample_weight).predict(X)

    def bootstrap(
        self,
        X: Any,
        *,
        n_resamples: int = 100,
        coverage: float = 0.95,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        random_state: Any = None,
    ) -> Bootstrap:
        """Intervals for the weights and the parameters of all columns, from refits to resamples of the training rows.

        `X`, `sample_weight` and `groups` are those that were fitted: the rows are not kept with the model. Components
        are matched to those of the model. See `tacit.workflow.bootstrap`.
        """
        table = self._table(X)
        weight = check_weight(sample_weight, len(table))
        rows = _weighted(encode(self.schema_, table), weight, groups, np.arange(len(table)), len(table))
        settings = Settings(max_steps=self.max_iter, tolerance=self.tol)
        return bootstrap(
            self.model_,
            rows,
            n_resamples=n_resamples,
            coverage=coverage,
            seed=seed_of(random_state),
            settings=settings,
            progress=self._progress(),
        )

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a model file, which `tacit.load` and the command line read; it holds no rows.

        Raises `OutputError` where the file exists (without `force`) or cannot be written; the old file stays then.
        """
        check_is_fitted(self)
        persistence.save(self.model_, path, manifest=self._manifest, force=force)

    def _parameters(self, seed: int) -> dict[str, Any]:
        """The parameters as JSON; a model file has its own schema."""
        types = None if self.types is None else dict(self.types)
        given = {**self.get_params(deep=False), "schema": None, "types": types, "random_state": seed}
        return {**given, "n_components": np.asarray(self.n_components).tolist()}

    def _schema(self, table: Table) -> Schema:
        if self.schema is None:
            return Schema.infer(table, types=self.types)
        if self.types is not None:
            raise UsageError("A schema says it already.", where="types", mend="Leave types out, or edit the schema.")
        if isinstance(self.schema, Schema):
            return self.schema
        try:
            text = Path(self.schema).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"The schema cannot be read: {error}.", where=str(self.schema), mend="Check it.") from error
        return Schema.from_toml(text, table)

    def _job(self, rows: Rows) -> Job:
        n = int(np.sum(~np.isnan(rows.y).all(axis=1)))
        ks = numbers(self.n_components, n, rows.y.shape[1])
        if isinstance(self.n_components, str) and n < 2 * self.cv:
            ks = [1]  # too few rows to compare
        return Job(
            ks=tuple(ks),
            select=self.select,  # type: ignore[arg-type]
            holdout=self.holdout,
            n_folds=self.cv,
            seed=seed_of(self.random_state),
            settings=Settings(n_starts=self.n_init, max_steps=self.max_iter, tolerance=self.tol),
        )

    def _publish(self, model: TableMixture) -> None:
        self.schema_, self.model_ = model.schema, model
        log_weights = np.asarray(model.mixture.log_weights)
        self.n_components_ = len(log_weights)
        self.weights_ = np.exp(log_weights - np.logaddexp.reduce(log_weights))

    def _progress(self) -> Progress:
        return _print if self.verbose else quiet


def from_file(model: TableMixture, found: dict[str, Any]) -> Mixture:
    """The estimator of a model file's model and manifest; raises what a manifest that is not one of ours raises."""
    mixture = _described(model, found)
    mixture._publish(model)
    return mixture


def _described(model: TableMixture, found: dict[str, Any]) -> Mixture:
    """The estimator as the manifest says, without its density."""
    columns = [column.name for column in model.schema.columns]
    by_command_line = {"kind": "dict", "names": columns, "parameters": {"n_components": model.mixture.n_components}}
    saved = found.get("estimator", by_command_line)
    if saved["kind"] not in _tables.KINDS:
        raise KeyError(saved["kind"])
    mixture = Mixture(**saved["parameters"])
    mixture._manifest = {key: value for key, value in found.items() if key not in ("format", "tacit", "class")}
    mixture._kind, mixture.n_features_in_ = saved["kind"], len(saved["names"])
    if mixture._kind != "numpy":
        mixture.feature_names_in_ = np.array(saved["names"], dtype=object)
    mixture.record_ = found["record"]
    mixture.verdict_ = mixture.record_["verdict"]["status"]
    mixture.converged_ = mixture.verdict_ == "converged"
    return mixture


def _weighted(rows: Rows, weight: np.ndarray | None, groups: ArrayLike | None, counted: np.ndarray, n: int) -> Rows:
    """The rows with weights and groups that came beside a table of n; `counted` are the places of its rows in them."""
    if weight is not None:
        rows = replace(rows, weight=rows.weight * weight[counted])
    return rows if groups is None else replace(rows, group=group_labels(groups, n)[counted])


def _print(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total}")
