"""What a fitted conditional mixture can be asked: the distribution of its targets given x."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from tacit._errors import DataError, TacitWarning, UsageError
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.distributions.predictive import AbstractNumericPrediction, AbstractPrediction, CategoricalPrediction
from tacit.estimators import _tables
from tacit.estimators._checks import check_weight
from tacit.estimators._random import seed_of
from tacit.estimators._targets import read_targets
from tacit.evaluation.calibration import Calibration, calibrate
from tacit.evaluation.result import Result
from tacit.workflow.conditional_draws import draws
from tacit.workflow.conditional_figures import TRAINED_EXACTLY, is_relaxed, judge
from tacit.workflow.conditional_gap import gap
from tacit.workflow.conditional_table import ConditionalTable


class ConditionalAnswers:
    """The questions. X may be any frame, dict or array; columns are found by name, those of an array by place.

    Where a row lies far outside the training range, where a category was never seen, or where cells are missing that
    never were, a `TacitWarning` says so beside the answer.
    """

    model_: ConditionalTable
    exact_: ConditionalTable | None
    compare_exact: bool
    n_features_in_: int

    def predict(self, X: Any) -> np.ndarray:
        """The best single value of each target, (n,), or (n, t) for several.

        That is the mean for a real target, the median for a positive or count one, the most probable level for others.
        """
        x = self._covariates(X)
        found = [self._best(self.model_.predict(x, name), name) for name in self.model_.targets]
        return found[0] if len(found) == 1 else np.stack(found, axis=1)

    def predict_distribution(self, X: Any, target: str | None = None) -> AbstractPrediction:
        """The distribution of one target given each row; `target` names it where there are several.

        It has `.mean .std .cdf .quantile .sample .log_prob .crps .to_frame` (of a target with levels,
        `.probabilities`) and can be indexed by rows.
        """
        return self.model_.predict(self._covariates(X), self._one(target))

    def predict_quantiles(
        self, X: Any, quantiles: Sequence[float] = (0.05, 0.5, 0.95), target: str | None = None
    ) -> Float[np.ndarray, "n q"]:
        """Quantiles (n, q) of a numeric target."""
        return self._numbers(X, target).quantile(list(quantiles))

    def predict_interval(self, X: Any, coverage: float = 0.9, target: str | None = None) -> Float[np.ndarray, "n 2"]:
        """Equal-tailed interval (n, 2) of a numeric target."""
        return self._numbers(X, target).interval(coverage)

    def predict_region(
        self, X: Any, coverage: float = 0.9, target: str | None = None
    ) -> list[Float[np.ndarray, "m 2"]]:
        """Highest-density region of a numeric target: for every row a union of intervals (m, 2)."""
        return self._numbers(X, target).region(coverage)

    def sample(self, X: Any, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draws of the targets given each row, (n, n_samples), or (n, n_samples, t) for several."""
        if n_samples < 1:
            raise UsageError(f"Invalid value for 'n_samples': {n_samples}.", mend="Ask for one or more.")
        return draws(self.model_, self._covariates(X), n_samples, seed=seed_of(random_state))

    def responsibilities(self, X: Any, y: Any = None) -> Float[np.ndarray, "n c"]:
        """Probability (n, c) of every component of every member, in the order of `component_labels_`.

        Given x alone these are the weights of the mixture; with y, what the targets say about the component. Raises
        `UsageError` for the *moments* and *network* relaxations, which blend their components.
        """
        x = self._covariates(X)
        if not self.model_.exact:
            mend = 'Use relaxation="mixture".'
            raise UsageError("components that are blended are not responsible for rows.", where="relaxation", mend=mend)
        if y is None:
            return np.exp(self.model_.mixtures(x)[0])
        return self.model_.responsibilities(x, self._events(y, len(x)))

    def score_samples(self, X: Any, y: Any) -> Float[np.ndarray, " n"]:
        """Log density `log p(y | x)` of every row (n,), in nats and the units of the targets.

        Exact, except for the *moments* and *network* relaxations, where it is an estimate (see `evaluate`). A level
        that no training row had has probability 0. Raises `DataError` where a row lacks a target.
        """
        x = self._covariates(X)
        events = self._events(y, len(x))
        return self._log_prob(x, events)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Mean log density, nats a row (never R2). `evaluate` gives it with its standard error."""
        log_probs = self.score_samples(X, y)
        return float(np.average(log_probs, weights=check_weight(sample_weight, len(log_probs))))

    def evaluate(
        self, X: Any, y: Any, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> list[Result]:
        """What the model is worth on these rows: mean log density, with its error over rows, or over `groups`.

        A Concrete latent has four numbers: the bound that training maximised, the log-likelihood of the relaxed
        model, that of the model whose category is put at the corners of the simplex, and that of the same networks
        trained exactly on the same rows. The last is there after `ConditionalMixture(compare_exact=True)`.
        """
        x = self._covariates(X)
        events = self._events(y, len(x))
        over: dict[str, Any] = {"weight": check_weight(sample_weight, len(x)), "groups": groups}
        if np.isnan(events.y).any():
            mend = "Leave those rows out; their log density is -inf."
            raise DataError("some rows have a level that no training row had.", where="y", mend=mend)
        figures = list(judge(self.model_, x, events, **over).figures)
        if self.exact_ is not None:
            twin = judge(self.exact_, x, events, **over).log_likelihood
            return [*figures, replace(twin, name=TRAINED_EXACTLY)]
        if is_relaxed(self.model_):
            how = "is not kept in model files" if self.compare_exact else "needs a fit with compare_exact=True"
            note = f"{TRAINED_EXACTLY}: {how}"
            figures[-1] = replace(figures[-1], note=note)
        return figures

    def gap(
        self, X: Any, y: Any, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> list[Result]:
        """What the approximate posterior of inference="amortised" costs: log p, ELBO and KL(q || posterior).

        The three add up, log p = ELBO + KL, for every member on every row; the figures are means over both. Raises
        `UsageError` for a model without an approximate posterior of a category.
        """
        x = self._covariates(X)
        return list(gap(self.model_, x, self._events(y, len(x)), check_weight(sample_weight, len(x)), groups))

    def calibration(
        self,
        X: Any,
        y: Any,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        target: str | None = None,
    ) -> Calibration:
        """How the predictions of a numeric target met what was observed: PIT, coverage, CRPS, pinball loss, widths."""
        name = self._one(target)
        observed = read_targets(self, y, names=self.model_.targets).numbers(name)
        over: dict[str, Any] = {"weight": check_weight(sample_weight, len(observed)), "groups": groups}
        return calibrate(self._numbers(X, name), observed, reference=self.model_.schema.reference(), seed=0, **over)

    def far(self, X: Any) -> Bool[np.ndarray, " n"]:
        """Which rows have a covariate far outside the training range: more than one s.d. beyond it."""
        table = self._features(X)
        return self.model_.covariates.encode(table).far

    def _features(self, X: Any) -> Any:
        check_is_fitted(self)
        return _tables.read(self, X, reset=False)

    def _covariates(self, X: Any) -> Float[np.ndarray, "n p"]:
        table = self._features(X)
        encoded = self.model_.covariates.encode(table)
        _warn(encoded.findings)
        return encoded.x

    def _events(self, y: Any, n: int) -> Rows:
        """Targets as events; NaN where a level is unknown."""
        model = self.model_
        table = read_targets(self, y, names=model.targets)
        if len(table) != n:
            raise DataError(f"{len(table)} targets for {n} rows.", where="y", mend="Give one a row.")
        for name in model.targets:
            present = table.present(name)
            if not present.all():
                where = table.where(int(np.argmin(present)), name)
                raise DataError("the target is missing.", where=where, mend="Leave out rows without a target.")
        rows = model.encode(table)
        _warn(tuple(finding for finding in rows.findings if finding.code in ("unseen-level", "far-off")))
        return rows

    def _log_prob(self, x: Float[np.ndarray, "n p"], rows: Rows) -> Float[np.ndarray, " n"]:
        known = ~np.isnan(rows.y).any(axis=1)
        found = np.full(len(x), -np.inf)
        if known.any():
            found[known] = self.model_.log_prob(x[known], rows.take(known))
        return found

    def _one(self, target: str | None) -> str:
        """The target that is asked about."""
        check_is_fitted(self)
        targets = self.model_.targets
        if target is None and len(targets) > 1:
            raise UsageError(f"the targets are {', '.join(targets)}.", where="target", mend="Name one of them.")
        return targets[0] if target is None else target

    def _numbers(self, X: Any, target: str | None) -> AbstractNumericPrediction:
        return _numeric(self.predict_distribution(X, target))

    def _best(self, prediction: AbstractPrediction, name: str) -> np.ndarray:
        if isinstance(prediction, CategoricalPrediction):
            return np.array(prediction.levels)[prediction.probabilities.argmax(axis=1)]
        numbers = _numeric(prediction)
        return numbers.mean() if self.model_.schema[name].kind == "real" else numbers.quantile(0.5)


def _numeric(prediction: AbstractPrediction) -> AbstractNumericPrediction:
    """The prediction of numbers, or UsageError."""
    if not isinstance(prediction, AbstractNumericPrediction):
        mend = "Ask predict_distribution(X).probabilities."
        raise UsageError("the target holds levels, which have no order.", where="target", mend=mend)
    return prediction


def _warn(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        if finding.severity == "warning":
            warnings.warn(str(finding), TacitWarning, stacklevel=4)
