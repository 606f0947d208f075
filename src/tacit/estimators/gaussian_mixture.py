"""Gaussian mixtures by exact EM, with the parameters, attributes and methods of scikit-learn's, and more."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Self

import jax
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.special import logsumexp, softmax
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tacit import persistence
from tacit._errors import UsageError
from tacit.data.findings import Finding
from tacit.data.row_roles import few_by_weight
from tacit.estimators import _findings, _training
from tacit.estimators._candidates import fold_of_rows, numbers
from tacit.estimators._checks import check_rows, training_rows
from tacit.estimators._covariances import COVARIANCES, Covariance
from tacit.estimators._density import DensityEstimator
from tacit.estimators._given import Given
from tacit.estimators._mixture_file import (
    STREAMING,
    Fitted,
    check_names,
    fitted,
    manifest_of,
    of_manifest,
    parts_of,
    table_of,
    with_chunk,
)
from tacit.estimators._parameters import GAUSSIAN_MIXTURE
from tacit.estimators._units import Units
from tacit.evaluation.selection import Selection
from tacit.inference.fit import Settings, quiet
from tacit.inference.rows import log_joints
from tacit.models import FiniteMixture
from tacit.workflow.table_mixture import TableMixture

FINISHED_STARTS = 3


class GaussianMixture(DensityEstimator):
    """A mixture of normals, fitted by exact EM in float64.

        log p(y) = log sum_k w_k N(y | m_k, S_k)        nats a row, in the units of the data

    NaN is a missing cell, in `fit` and everywhere else: it is integrated out exactly, which is right where cells are
    missing at random given those present. Parameters, attributes and methods are those of scikit-learn's
    `GaussianMixture`; what differs or is added is listed here.

    Parameters:
        n_components: a number, a range or list of them, or "auto" (1 to 10); of several one is chosen by `select`.
        covariance_type: "full", "tied", "diag" or "spherical".
        tol: EM stops when the lower bound changes by less, in nats a row.
        reg_covar: added to every variance, in the units of the data squared: the variance floor.
        n_init: starts; all take 10 steps, and the best 3 are finished. Folds have 5, of which 2 are finished.
        init_params: "k-means++" (soft labels of the nearest seed), "kmeans", "random_from_data" or "random".
        weights_init, means_init, precisions_init: take the place of that part of every start. With all three there
            is one start, and EM goes through the same parameters as scikit-learn's.
        warm_start: go on from the last fit, in the units chosen then.
        verbose: 1 prints the stages, 2 also every `verbose_interval`-th lower bound of the best start.
        cv: folds that choose among several numbers of components: how many, dealt at random, or a splitter or list
            of splits whose test parts are disjoint and together all rows.
        select: "density" (the fewest components within one standard error of the best cross-validated
            log-likelihood) or "segments" (components by the smallest BIC).

    Attributes:
        n_components_: number of components of the fit.
        selection_: how it was chosen: every candidate with its cross-validated log-likelihood, AIC, BIC and ICL.
        restarts_: one dict a start: start, k, stage, log_likelihood (total, nats), iterations, verdict.
        verdict_: converged, ran out of steps or decreased; streaming after a second `partial_fit`.
        findings_: what a person should know about the data and the fit; record_: the fit as plain JSON values.

    Raises `DataError` and `UsageError` (both ValueErrors) for rows and settings it cannot use, and `FitError` where
    every start collapses. Source: Dempster, Laird and Rubin 1977; missing cells, Little and Rubin 2002, ch. 11.

    >>> import numpy as np
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, np.nan], [10, 0]])
    >>> mixture = GaussianMixture(n_components=2, covariance_type="diag", random_state=0).fit(X)
    >>> np.sort(mixture.means_[:, 0]).round(6).tolist()
    [1.0, 10.0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = GAUSSIAN_MIXTURE
    _units: Units
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list[float]
    covariances_: np.ndarray
    _fitted: Fitted
    _manifest: dict[str, Any] | None

    def __init__(
        self,
        n_components: int | str | Sequence[int] = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-5,
        reg_covar: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 30,
        init_params: str = "k-means++",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        cv: Any = 5,
        select: Any = "density",
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.cv = cv
        self.select = select

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to rows X (n, d), NaN where missing; `y` is ignored, `sample_weight` (n,) counts a row as so many."""
        X, weight = training_rows(self, X, sample_weight, fewest=2, reset=True)
        ks = numbers(self.n_components, *X.shape)
        kind = COVARIANCES[self.covariance_type]
        settings = Settings(self.n_init, FINISHED_STARTS, self.init_params, self.max_iter, self.tol)
        progress = self._print if self.verbose else quiet
        if self.warm_start and hasattr(self, "_model"):
            self._check_warm_start(ks, X.shape[1], kind)
            rows = _training.Rows(X, weight, self._units)
            begin = _training.population_of(self._model)
            bound = self.lower_bound_ - _mean(rows.offset(), weight)
            chosen = _training.improve(
                rows, kind, begin, self._floor(rows.units), settings, bound=bound, progress=progress
            )
        else:
            units = Units.of(X, self._column_names(), floor=np.sqrt(self.reg_covar), common=kind.one_scale)
            rows = _training.Rows(X, weight, units)
            chosen = self._first_fit(rows, kind, ks, settings)
        self._kind, self._units, self._stream = kind, rows.units, None
        self._fitted = fitted(self, X, rows.total)
        self._record(chosen, rows)
        self._report()
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Int[np.ndarray, " n"]:
        """Fit, and the most probable component of every row."""
        return self.fit(X, y, sample_weight=sample_weight).predict(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """One step of stepwise EM on a chunk of rows (n, d).

        The first call is a `fit` to its chunk, which needs `n_components` as a number and should hold rows of all
        components; it also begins anew after `fit`. Every later call averages the expected statistics of its chunk
        into those so far, `S <- (1 - g) S + g s` with `g = (weight of the chunk / weight so far, chunk included)^0.7`,
        and sets the parameters that are best under S; `lower_bound_` is then the mean log density of the chunk before
        the step. Source: Cappe and Moulines 2009.
        """
        if getattr(self, "_stream", None) is None:
            self._check_anew()
            if not isinstance(self.n_components, Integral):
                raise UsageError("partial_fit needs a number.", where="n_components", mend="Give n_components=3, say.")
            self.fit(X, sample_weight=sample_weight)
            self._fitted = replace(self._fitted, chunks=1)
            _, self._stream, _ = self._absorb(X, sample_weight)
            return self
        model, self._stream, self.lower_bound_ = self._absorb(X, sample_weight)
        self.lower_bounds_.append(self.lower_bound_)
        self.n_iter_ += 1
        self.verdict_, self.converged_ = STREAMING, False
        self._publish(model)
        return self

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a model file, which `tacit.load` and the command line read; it holds no rows.

        To the command line it is a mixture over real columns (x0, x1, ... where the rows had no names), so that any
        column can be asked given any others; it holds a matrix a component, also of "diag" and "spherical". Parameters
        are those of the fit; splits and a state of random numbers are not kept, nor the sums of a stream. Raises
        `OutputError` where the file exists (without `force`) or cannot be written, and the old file stays then, and
        `UsageError` where a column has a blank name.
        """
        check_is_fitted(self)
        check_names(self._fitted.names)
        persistence.save(self._table, path, manifest=self._described, force=force)

    @property
    def record_(self) -> dict[str, Any]:
        """The fit as plain JSON values, which `tacit report` reads."""
        record: dict[str, Any] = self._described["record"]
        return record

    @property
    def _table(self) -> TableMixture:
        check_is_fitted(self)
        return table_of(self._model, self._kind, self._units, self._fitted.names, self._fitted.floor)

    @property
    def _described(self) -> dict[str, Any]:
        """The manifest of its file."""
        table = self._table
        if self._manifest is None:
            self._manifest = manifest_of(self, table)
        return self._manifest

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """Log density of the present cells of every row (n,), in nats; of a row with none, 0."""
        joints, offset = self._log_joints(X)
        return logsumexp(joints, axis=1) + offset

    def _reference(self) -> str:
        names = ", ".join(self._column_names())
        return f"real columns {names}; variance floor {self.reg_covar:g}"

    def responsibilities(self, X: Any) -> Float[np.ndarray, "n k"]:
        """Posterior probability of every component given the present cells of every row."""
        return softmax(self._log_joints(X)[0], axis=1)

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n k"]:
        """`responsibilities`, by scikit-learn's name."""
        return self.responsibilities(X)

    def predict(self, X: Any) -> Int[np.ndarray, " n"]:
        """The most probable component of every row."""
        return np.argmax(self._log_joints(X)[0], axis=1)

    def sample(
        self, n_samples: int = 1, random_state: Any = None
    ) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
        """Rows drawn from the mixture and their components, in the order of the components."""
        check_is_fitted(self)
        if n_samples < 1:
            raise UsageError(f"Invalid value for 'n_samples': {n_samples}.", mend="Ask for one row or more.")
        random = check_random_state(self.random_state if random_state is None else random_state)
        counts = random.multinomial(n_samples, self.weights_)
        noise = random.standard_normal((n_samples, self.n_features_in_))
        stack = self._model.components
        parts = []
        for k, part in enumerate(np.split(noise, np.cumsum(counts)[:-1])):
            component = jax.tree.map(lambda a, k=k: a[k], stack)
            parts.append(component.loc + self._kind.colour(component, part))
        return self._units.to_user(np.concatenate(parts)), np.repeat(np.arange(len(counts)), counts)

    def bic(self, X: Any) -> float:
        """Bayesian information criterion on X: lower is better."""
        log_probs = self.score_samples(X)
        return float(-2 * log_probs.sum() + self._n_parameters() * np.log(len(log_probs)))

    def aic(self, X: Any) -> float:
        """Akaike information criterion on X: lower is better."""
        return float(-2 * self.score_samples(X).sum() + 2 * self._n_parameters())

    def _n_parameters(self) -> int:
        return self._model.n_parameters()

    def _check_anew(self) -> None:
        """Raise `UsageError` where a stream would begin anew that came from a file without its sums."""
        if hasattr(self, "_fitted") and self._fitted.chunks:
            mend = "Call fit first, or partial_fit of a new estimator."
            raise UsageError("a model file does not keep the sums of a stream.", where="partial_fit", mend=mend)

    def _check_warm_start(self, ks: list[int], d: int, kind: Covariance) -> None:
        if ks != [self.n_components_] or d != self.means_.shape[1] or kind is not self._kind:
            raise UsageError("the last fit has another shape.", where="warm_start", mend="Set warm_start=False.")

    def _first_fit(self, rows: _training.Rows, kind: Covariance, ks: list[int], settings: Settings) -> Selection:
        """A fit from starts of its own, or from one that is given whole."""
        parts = self.weights_init, self.means_init, self.precisions_init
        if len(ks) > 1 and any(part is not None for part in parts):
            raise UsageError("starts are given for one number of components.", where="n_components", mend="Give it.")
        given = Given.of(*parts, kind=kind, name=self.covariance_type, units=rows.units, k=ks[0])
        n, d = rows.X.shape
        floor, progress = self._floor(rows.units), self._print if self.verbose else quiet
        if given.all:
            begin = _training.population_at(given, kind, ks[0], d)
            return _training.improve(rows, kind, begin, floor, settings, bound=-np.inf, progress=progress)
        random = check_random_state(self.random_state)
        compares = len(ks) > 1 and self.select == "density"
        return _training.search(
            rows,
            kind,
            ks,
            floor,
            settings,
            given=given,
            key=jax.random.key(random.randint(2**31 - 1)),
            folds=fold_of_rows(self.cv, n, random) if compares else None,
            method=self.select,
            progress=progress,
        )

    def _floor(self, units: Units) -> Float[np.ndarray, " d"]:
        """The variance floor in model units."""
        with np.errstate(under="ignore"):
            return self.reg_covar / units.scale / units.scale

    def _column_names(self) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return [f"column {j}" for j in range(self.n_features_in_)] if names is None else list(names)

    def _record(self, chosen: Selection, rows: _training.Rows) -> None:
        """Set the fitted attributes."""
        fit, starts = chosen.fit, chosen.candidate.starts
        shift = _mean(rows.offset(), rows.weight)
        self.selection_ = chosen
        self.restarts_ = [_training.restart(start, rows.total * shift) for c in chosen.candidates for start in c.starts]
        self.verdict_, self.converged_ = fit.verdict, fit.converged
        self.n_iter_ = fit.steps
        self.lower_bounds_ = [float(bound) + shift for bound in fit.bounds]
        self.lower_bound_ = self.lower_bounds_[-1] if self.lower_bounds_ else -np.inf
        self._publish(fit.mixture)
        floor, components = self.reg_covar, (self.weights_, self.covariances_)
        self.findings_ = [
            *_findings.of_columns(rows.X, self._column_names()),
            *few_by_weight(rows.weight),
            *_findings.of_fit(starts, self.max_iter, fit.mended),
            *_findings.of_components(self._kind, *components, rows=rows.total, floor=floor),
        ]

    def _publish(self, model: FiniteMixture) -> None:
        """Set the parameters of the model, in the user's units."""
        self._model, self._manifest = model, None
        self.n_components_ = model.n_components
        self.weights_ = softmax(np.asarray(model.log_weights))
        self.means_ = self._units.to_user(np.asarray(model.components.loc))
        published = self._kind.publish(model.components, self._units.scale)
        self.covariances_, self.precisions_, self.precisions_cholesky_ = published

    def _absorb(self, X: Any, sample_weight: ArrayLike | None) -> tuple[FiniteMixture, Any, float]:
        """The model after a chunk, the statistics so far, and the mean log density of the chunk before the step."""
        X, weight = training_rows(self, X, sample_weight, fewest=1, reset=False)
        rows = _training.Rows(X, weight, self._units)
        floor = self._floor(self._units)
        model, stream, bound = _training.absorb(rows, self._kind, self._model, floor, self._stream)
        if self._stream is not None:
            self._fitted = with_chunk(self._fitted, X, rows.total)
        return model, stream, bound + _mean(rows.offset(), weight)

    def _log_joints(self, X: Any) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " n"]]:
        """Log joints of rows and components in model units, and the log Jacobian of every row."""
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        return log_joints(self._model, self._units.to_model(X)), self._units.log_jacobian(X)

    def _print(self, stage: str, done: int, total: int) -> None:
        print(f"{stage}: {done} of {total}")

    def _report(self) -> None:
        """Print and warn as asked."""
        if self.verbose > 1:
            step = self.verbose_interval
            for i, bound in list(enumerate(self.lower_bounds_, 1))[step - 1 :: step]:
                print(f"step {i}: {bound:.5f} nats a row")
        if self.verbose:
            print(f"{self.verdict_} after {self.n_iter_} steps")
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(
                "Best performing initialization did not converge. Try different init parameters, or increase "
                "max_iter, tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=4,
            )


def from_file(table: TableMixture, found: dict[str, Any]) -> GaussianMixture:
    """The estimator of a model file's model and manifest; raises what a manifest that is not one of ours raises."""
    of_fit, saved, record = of_manifest(found), found["estimator"], found["record"]
    mixture = GaussianMixture(**of_fit.parameters)
    mixture._validate_params()
    model, mixture._kind, mixture._units = parts_of(table, mixture.covariance_type)
    if of_fit.names != table.schema.names or of_fit.floor != table.schema.columns[0].floor:
        raise ValueError(of_fit.names)
    mixture._fitted, mixture._stream, mixture.n_features_in_ = of_fit, None, len(of_fit.names)
    if of_fit.named:
        mixture.feature_names_in_ = np.array(of_fit.names, dtype=object)
    mixture.n_iter_, mixture.lower_bound_ = saved["n_iter"], float(saved["lower_bound"])
    mixture.lower_bounds_ = [mixture.lower_bound_]
    mixture.findings_ = [Finding(**told) for told in record["warnings"]]
    mixture.verdict_ = record["verdict"]["status"]
    if type(mixture.n_iter_) is not int or type(mixture.verdict_) is not str:
        raise TypeError(mixture.n_iter_, mixture.verdict_)
    mixture.converged_ = mixture.verdict_ == "converged"
    mixture._publish(model)
    mixture._manifest = {key: value for key, value in found.items() if key not in ("format", "tacit", "class")}
    return mixture


def _mean(values: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"] | None) -> float:
    return float(np.average(values, weights=weight))
