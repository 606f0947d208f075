"""Gaussian mixtures by exact EM, with the parameters, attributes and methods of scikit-learn's, and more."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, DensityMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import check_is_fitted

from tacit._errors import DataError, FitError, UsageError
from tacit.data.split import folds
from tacit.estimators import _findings
from tacit.estimators._checks import check_rows, check_weight
from tacit.estimators._covariances import COVARIANCES, Covariance
from tacit.estimators._given import Given
from tacit.estimators._units import ModelRows, Units
from tacit.evaluation import selection
from tacit.evaluation.result import Result, mean_result
from tacit.inference import em, rows, stepwise
from tacit.inference.population import Fit, Settings, quiet, refine
from tacit.inference.source import Source
from tacit.inference.starts import template
from tacit.models import FiniteMixture

LARGEST_AUTO = 10  # components that "auto" tries
FINISHED_STARTS = 3
COLLAPSED = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance (for instance "
    "caused by singleton or collapsed samples). Try to decrease the number of components, increase reg_covar, or "
    "scale the input data."
)


class CollapsedError(FitError, ValueError):
    """Every start ended on a covariance that is singular; a ValueError, as in scikit-learn."""


class GaussianMixture(DensityMixin, BaseEstimator):
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
        n_init: starts; all take 10 steps, and the best 3 are finished.
        init_params: "k-means++" (soft labels of the nearest seed), "kmeans", "random_from_data" or "random".
        weights_init, means_init, precisions_init: take the place of that part of every start. With all three there
            is one start, and EM goes through the same parameters as scikit-learn's.
        warm_start: go on from the last fit, in the units chosen then.
        verbose: 1 prints the stages, 2 also every `verbose_interval`-th lower bound of the best start.
        cv: folds that choose among several numbers of components: how many, dealt at random, or a splitter or list
            of splits whose test parts are disjoint and together all rows.
        select: "density" (the fewest components within one standard error of the best cross-validated
            log-likelihood) or "segments" (the smallest ICL).

    Attributes:
        n_components_: number of components of the fit.
        selection_: how it was chosen: every candidate with its cross-validated log-likelihood, AIC, BIC and ICL.
        restarts_: one dict a start: start, k, stage, log_likelihood (total, nats), iterations, verdict.
        verdict_: converged, ran out of steps, decreased or non-finite.
        findings_: what a person should know about the data and the fit.

    Raises `DataError` and `UsageError` (both ValueErrors) for rows and settings it cannot use, and `FitError` where
    every start collapses. Source: Dempster, Laird and Rubin 1977; missing cells, Little and Rubin 2002, ch. 11.

    >>> import numpy as np
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, np.nan], [10, 0]])
    >>> mixture = GaussianMixture(n_components=2, covariance_type="diag", random_state=0).fit(X)
    >>> np.sort(mixture.means_[:, 0]).round(6).tolist()
    [1.0, 10.0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), "array-like"],
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions({"k-means++", "kmeans", "random", "random_from_data"})],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split", "get_n_splits"]), "array-like"],
        "select": [StrOptions({"density", "segments"})],
    }

    def __init__(
        self,
        n_components: int | str | Sequence[int] = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-5,
        reg_covar: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 10,
        init_params: str = "k-means++",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        cv: Any = 5,
        select: str = "density",
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
        X, weight = self._training_rows(X, sample_weight, fewest=2)
        n, d = X.shape
        ks = self._numbers(n, d)
        random = check_random_state(self.random_state)
        fold = self._folds(n, random) if len(ks) > 1 and self.select == "density" else None
        kind = COVARIANCES[self.covariance_type]
        goes_on = self.warm_start and hasattr(self, "_model")
        if goes_on and (len(ks) > 1 or self._model.components.loc.shape != (ks[0], d) or self._kind is not kind):
            raise UsageError("the last fit has another shape.", where="warm_start", mend="Set warm_start=False.")
        names = self._column_names()
        floor = np.sqrt(self.reg_covar)
        units = self._units if goes_on else Units.of(X, names, floor=floor, common=kind.one_scale)
        offset = units.log_jacobian(X)
        shift = float(np.average(offset, weights=weight))
        settings = Settings(self.n_init, FINISHED_STARTS, self.init_params, self.max_iter, self.tol)
        regularise = self.reg_covar / units.scale**2
        model_rows: Any = ModelRows(X, units)
        family = kind.template(d)

        if goes_on or (given := self._given(units, kind, ks)).all:
            with jax.enable_x64(True):
                source = Source(
                    model_rows,
                    None if weight is None else weight[:, None],
                    pattern_columns=family.pattern_columns,
                )
                begin = _population(self._model) if goes_on else given.adjust(_blank(family, ks[0]))
                bound = self.lower_bound_ - shift if goes_on else -np.inf
                starts = refine(source, begin, regularise, settings, bound=bound, progress=self._progress)
            chosen = selection.fixed(source, starts, weight=weight, offset=offset)
        else:
            try:
                chosen = selection.sweep(
                    model_rows,
                    family,
                    ks,
                    regularise,
                    settings,
                    key=jax.random.key(random.randint(2**31 - 1)),
                    weight=weight,
                    folds=fold,
                    method=self.select,
                    offset=offset,
                    adjust=given.adjust,
                    progress=self._progress,
                )
            except FitError as error:
                raise CollapsedError(COLLAPSED) from error

        total = float(n if weight is None else weight.sum())
        starts, fit = chosen.candidate.starts, chosen.fit
        if fit.status == em.NON_FINITE:
            raise CollapsedError(COLLAPSED)
        self._kind, self._units, self._stream = kind, units, None
        self.selection_ = chosen
        self.restarts_ = [_restart(fit, total * shift) for c in chosen.candidates for fit in c.starts]
        self.verdict_, self.converged_ = fit.verdict, fit.converged
        self.n_iter_ = fit.steps
        self.lower_bounds_ = [float(bound) + shift for bound in fit.bounds]
        self.lower_bound_ = self.lower_bounds_[-1] if self.lower_bounds_ else -np.inf
        self._publish(fit.mixture)
        self.findings_ = [
            *_findings.of_columns(X, names),
            *_findings.of_fit(starts, self.max_iter),
            *_findings.of_components(kind, self.weights_, self.covariances_, rows=total, floor=self.reg_covar),
        ]
        self._report(fit)
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
        and sets the parameters that are best under S. Source: Cappe and Moulines 2009.
        """
        if getattr(self, "_stream", None) is None:
            if not isinstance(self.n_components, Integral):
                raise UsageError("partial_fit needs a number.", where="n_components", mend="Give n_components=3, say.")
            self.fit(X, sample_weight=sample_weight)
            X, weight = self._training_rows(X, sample_weight, fewest=1)
            _, self._stream = self._absorb(X, weight)
            return self
        X, weight = self._training_rows(X, sample_weight, fewest=1, reset=False)
        model, self._stream = self._absorb(X, weight)
        self.n_iter_ += 1
        self._publish(model)
        return self

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """Log density of the present cells of every row (n,), in nats; of a row with none, 0."""
        joints, offset = self._log_joints(X)
        return logsumexp(joints, axis=1) + offset

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Mean log density, nats a row. `evaluate` gives it with its standard error."""
        log_probs = self.score_samples(X)
        return float(np.average(log_probs, weights=check_weight(sample_weight, len(log_probs))))

    def evaluate(self, X: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None) -> Result:
        """Mean log density with its standard error over rows, or over `groups` (n,) of rows that belong together."""
        log_probs = self.score_samples(X)
        return mean_result(
            "mean log density",
            log_probs,
            weight=check_weight(sample_weight, len(log_probs)),
            groups=groups,
            reference=f"{self.n_features_in_} real columns, variance floor {self.reg_covar:g}",
        )

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

    def _validate_params(self) -> None:
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            raise UsageError(str(error)) from error

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _training_rows(
        self, X: Any, sample_weight: ArrayLike | None, *, fewest: int, reset: bool = True
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"] | None]:
        """Rows with a positive weight, and the weights (None where all are 1)."""
        X = check_rows(self, X, reset=reset, fewest=fewest)
        weight = check_weight(sample_weight, len(X))
        if weight is not None and not weight.all():
            X, weight = X[weight > 0], weight[weight > 0]
            if len(X) < fewest:
                raise DataError(f"{len(X)} row has a positive weight.", where="sample_weight", mend="Give more rows.")
        return X, weight

    def _numbers(self, n: int, d: int) -> list[int]:
        """The numbers of components to try for n rows."""
        if isinstance(self.n_components, str):
            ks = list(range(1, min(LARGEST_AUTO, max(1, n // (d + 1))) + 1))
        else:
            ks = sorted({int(k) for k in np.atleast_1d(self.n_components)})
        if not ks or ks[0] < 1:
            raise UsageError(f"{ks} are not numbers of components.", where="n_components", mend="Give 1 or more.")
        if n < ks[-1]:
            raise DataError(
                f"Expected n_samples >= n_components but got n_components = {ks[-1]}, n_samples = {n}.",
                where="X",
                mend="Ask for fewer components.",
            )
        return ks

    def _folds(self, n: int, random: np.random.RandomState) -> Int[np.ndarray, " n"]:
        """The fold of every row."""
        if isinstance(self.cv, Integral):
            return folds(n, int(self.cv), seed=random.randint(2**31 - 1))
        fold = np.full(n, -1)
        splits = [test for _, test in check_cv(self.cv).split(np.empty((n, 1)))]
        for number, test in enumerate(splits):
            fold[test] = number
        if np.any(fold < 0) or sum(map(len, splits)) != n:
            raise UsageError("some rows are not in exactly one test part.", where="cv", mend="Use KFold, say.")
        return fold

    def _given(self, units: Units, kind: Covariance, ks: list[int]) -> Given:
        given = self.weights_init, self.means_init, self.precisions_init
        if len(ks) > 1 and any(part is not None for part in given):
            raise UsageError("starts are given for one number of components.", where="n_components", mend="Give it.")
        return Given.of(*given, kind=kind, name=self.covariance_type, units=units, k=ks[0])

    def _column_names(self) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return [f"column {j}" for j in range(self.n_features_in_)] if names is None else list(names)

    def _publish(self, model: FiniteMixture) -> None:
        """Set the fitted attributes, in the user's units."""
        self._model = model
        self.n_components_ = model.n_components
        self.weights_ = softmax(np.asarray(model.log_weights))
        self.means_ = self._units.to_user(np.asarray(model.components.loc))
        published = self._kind.publish(model.components, self._units.scale)
        self.covariances_, self.precisions_, self.precisions_cholesky_ = published

    def _absorb(self, X: np.ndarray, weight: np.ndarray | None) -> tuple[FiniteMixture, em.Summary]:
        """A step of stepwise EM: the model after it, and the statistics so far."""
        with jax.enable_x64(True):
            source = Source(
                self._units.to_model(X),
                None if weight is None else weight[:, None],
                pattern_columns=self._model.components.pattern_columns,
            )
            population = _population(self._model)
            summary = stepwise.expect(population, source)
            if self._stream is not None:
                summary = stepwise.blend(self._stream, summary)
            better = stepwise.maximise(population, summary, self.reg_covar / self._units.scale**2)
            log_weights, stack, summary = jax.tree.map(
                np.asarray, (better.log_weights[0], jax.tree.map(lambda a: a[0], better.components), summary)
            )
        return FiniteMixture.of(log_weights, stack), summary

    def _log_joints(self, X: Any) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " n"]]:
        """Log joints of rows and components in model units, and what lacks to the user's."""
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        return rows.log_joints(self._model, self._units.to_model(X)), self._units.log_jacobian(X)

    def _progress(self, stage: str, done: int, total: int) -> None:
        show = print if self.verbose else quiet
        show(f"{stage}: {done} of {total}") if self.verbose else show(stage, done, total)

    def _report(self, fit: Fit) -> None:
        """Print and warn as asked."""
        if self.verbose > 1:
            step = self.verbose_interval
            for i, bound in list(enumerate(self.lower_bounds_, 1))[step - 1 :: step]:
                print(f"step {i}: {bound:.5f} nats a row")
        if self.verbose:
            print(f"{fit.verdict} after {fit.steps} steps")
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(
                "Best performing initialization did not converge. Try different init parameters, or increase "
                "max_iter, tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=3,
            )


def _population(model: FiniteMixture) -> em.Population:
    """A mixture as a population of one."""
    stack = jax.tree.map(lambda a: np.asarray(a)[None], model.components)
    return em.Population(np.asarray(model.log_weights)[None], stack, np.zeros(1, int))


def _blank(family: Any, k: int) -> em.Population:
    """The shapes of a population of one mixture of k components."""
    return template(family, jnp.array([k]), jnp.array([0]), k)


def _restart(fit: Fit, shift: float) -> dict[str, Any]:
    """A start as a record, its log-likelihood in the user's units."""
    return {
        "start": fit.start,
        "k": fit.mixture.n_components,
        "stage": "finished" if fit.finished else f"given up after {fit.steps} steps",
        "log_likelihood": fit.log_likelihood + shift,
        "iterations": fit.steps,
        "verdict": fit.verdict,
    }
