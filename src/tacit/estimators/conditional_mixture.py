"""The conditional density of one or several targets, behind scikit-learn's interface."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from tacit import persistence
from tacit._errors import DataError, TacitWarning
from tacit.data.check import check
from tacit.estimators import _tables
from tacit.estimators._checks import check_weight, group_labels
from tacit.estimators._conditional_answers import ConditionalAnswers
from tacit.estimators._conditional_settings import CONDITIONAL_MIXTURE, plan_of
from tacit.estimators._density import CheckedEstimator
from tacit.estimators._random import seed_of
from tacit.estimators._targets import joined, read_targets, schema_of
from tacit.evaluation.result import Result
from tacit.inference.fit import quiet
from tacit.workflow.conditional_aside import Judged
from tacit.workflow.conditional_figures import is_relaxed
from tacit.workflow.conditional_file import conditional_manifest
from tacit.workflow.conditional_findings import of_training
from tacit.workflow.conditional_fit import FittedConditional, cut, fit_conditional
from tacit.workflow.conditional_job import NOTHING, ConditionalJob, exactly
from tacit.workflow.conditional_plan import Candidate, Plan
from tacit.workflow.conditional_record import conditional_record
from tacit.workflow.conditional_table import ConditionalTable
from tacit.workflow.dequantise import dequantised

WORST_FIRST = ("non-finite", "decreased", "ran out of steps", "stopped early")


class ConditionalMixture(ConditionalAnswers, RegressorMixin, CheckedEstimator):
    """A whole distribution for each row, `p(y | x)`: a mixture whose weights, means and scales depend on x.

        log p(y | x) = log 1/m sum_members sum_z p(z | x) p(y | z, x)

    in nats a row and the units of y. The latent z is a category that is summed out exactly, or a Concrete (relaxed)
    category. Networks give the weights and the components; an ensemble of them, each of which set rows aside to judge
    its epochs, answers as one mixture. Settings that are left open compete on those rows (`search`).

    X may be a pandas, polars or Arrow frame, a dict of arrays, or an array (n, d), with missing cells and columns of
    categories; y (n,), (n, t), a Series, frame or dict. A real or positive target has normal components (of its
    logarithm), a count Poisson ones, a binary or categorical one Bernoulli or categorical ones. Rows without a target
    take no part in `fit`, with a `TacitWarning`.

    Parameters:
        n_components: a number, a list of them that compete, or "auto".
        latent: "categorical" or "concrete".
        components: "conditional" (they depend on x) or "shared" (only the weights do).
        relaxation: of a Concrete latent: *mixture* (components in the proportions z), *moments* (their means and
            variances averaged by z) or *network* (a network of z and x).
        inference: of a category: "exact", "amortised" (a network gives q(z | y, x)), or "em" (linear regressions
            with constant weights; no networks).
        gradient: of inference="amortised": "enumeration" by default, or an object of `tacit.gradients`.
        covariance: of several targets in a component: "full" or "diagonal".
        n_members: networks in the ensemble.
        search: "small", or None for the default settings.
        preset: "fast" for tests: one member, few steps, no search.
        hidden_layer_sizes: equal widths, () for a linear model; None leaves the width to the search.
        activation: by name: silu, relu, leaky_relu, gelu, tanh, identity.
        learning_rate, weight_decay, input_noise, target_noise, scale_floor, batch_size: None for the default or the
            search. The noises are s.d. of what training adds to standardised covariates and targets; `scale_floor`
            is the least scale of a component in s.d. of the target.
        optimizer: "adam", "sgd", "momentum", "rmsprop", "lion", or an object of Optax.
        max_iter: epochs; None for the default number of steps.
        validation_fraction: share of the rows that each member sets aside.
        n_iter_no_change: epochs without a better one after which a member stops; None for none.
        calibrate: widen or narrow all normal components by one factor, `spread_`, which the rows set aside tell. Not
            of shared components, nor with inference="em" or "amortised", nor of a Concrete latent.
        prior_temperature, posterior_temperature: of a Concrete latent; the second is learned where None.
        anneal: multiples of the prior temperature to train at before the last training, which is at it.
        objective: "elbo" or "iwae", where the latent is sampled; kl: "closed", "sampled", or "auto" (closed for the
            ELBO); n_mc_samples: draws of it a row and step.
        compare_exact: train the networks of a Concrete latent exactly as well, for `evaluate`.
        target_support: "auto", "positive" or "real", for a numeric target.
        dequantise: train with uniform noise of the smallest gap between distinct values of the target, and give
            densities of cells of that width: for a target that was rounded.
        types: kinds of columns by name ("real", "positive", "count", "binary", "categorical").
        random_state: seed; verbose: 1 prints the stages.

    Attributes:
        model_: the density itself; target_names_: of the targets.
        members_: one dict a candidate: its settings, its figure on the rows set aside, verdicts and epochs.
        selection_: the settings that were chosen; n_components_: their number of components.
        component_labels_: the member and the component of each column of `responsibilities`.
        verdict_, converged_, n_iter_: how training ended, and the most epochs of a member.
        scale_floor_, scale_ceiling_: least and greatest s.d. (t,) of a component, in the units of the targets (of the
            logarithm if positive); None for targets without a scale, the second also for inference="em".
        spread_: the factor that `calibrate` put on all scales; 1 where it put none.
        findings_: what a person should know about the table and the fit.
        n_features_in_, feature_names_in_: of X.

    Raises `DataError` and `UsageError` (both ValueErrors) for rows and settings it cannot use. `score` is a mean log
    density, never R2. Three of scikit-learn's checks of estimators cannot hold: two call `score_samples(X)`, and a
    log density of y needs y; with weights, equal rows are not the same as one row of a larger weight, since rows are
    dealt to batches and set aside one by one.

    >>> x = np.linspace(-1, 1, 60)[:, None]
    >>> y = 2 * x[:, 0] + np.tile([0.1, -0.1, 0.0], 20)
    >>> model = ConditionalMixture(1, hidden_layer_sizes=(), preset="fast", random_state=0).fit(x, y)
    >>> model.predict([[-0.5], [0.5]]).round(0)
    array([-1.,  1.])
    >>> model.predict_quantiles([[0.5]], quantiles=[0.05, 0.5, 0.95]).shape
    (1, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONDITIONAL_MIXTURE

    def __init__(
        self,
        n_components: int | str | Sequence[int] = "auto",
        *,
        latent: str = "categorical",
        components: str = "conditional",
        relaxation: str = "mixture",
        inference: str = "exact",
        gradient: Any = None,
        covariance: str = "full",
        n_members: int = 5,
        search: str | None = "small",
        preset: str | None = None,
        hidden_layer_sizes: Sequence[int] | None = None,
        activation: str = "silu",
        learning_rate: float | None = None,
        optimizer: Any = "adam",
        batch_size: int | None = None,
        max_iter: int | None = None,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        calibrate: bool = True,
        weight_decay: float | None = None,
        input_noise: float | None = None,
        target_noise: float | None = None,
        scale_floor: float | None = None,
        prior_temperature: float = 0.5,
        posterior_temperature: float | None = None,
        anneal: Sequence[float] = (),
        objective: str = "elbo",
        kl: str = "auto",
        n_mc_samples: int = 1,
        compare_exact: bool = False,
        target_support: str = "auto",
        dequantise: bool = False,
        types: Mapping[str, str] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.latent = latent
        self.components = components
        self.relaxation = relaxation
        self.inference = inference
        self.gradient = gradient
        self.covariance = covariance
        self.n_members = n_members
        self.search = search
        self.preset = preset
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.calibrate = calibrate
        self.weight_decay = weight_decay
        self.input_noise = input_noise
        self.target_noise = target_noise
        self.scale_floor = scale_floor
        self.prior_temperature = prior_temperature
        self.posterior_temperature = posterior_temperature
        self.anneal = anneal
        self.objective = objective
        self.kl = kl
        self.n_mc_samples = n_mc_samples
        self.compare_exact = compare_exact
        self.target_support = target_support
        self.dequantise = dequantise
        self.types = types
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Fit to rows and their targets.

        `sample_weight` (n,) counts a row as so many (0 leaves it out); rows of equal `groups` (n,) are set aside
        together.
        """
        plan, seed = plan_of(self), seed_of(self.random_state)
        features = _tables.read(self, X, reset=True)
        targets = read_targets(self, y, taken=features.names)
        table = joined(features, targets)
        weight = check_weight(sample_weight, len(table))
        labels = None if groups is None else group_labels(groups, len(table))
        if weight is not None and not weight.all():
            counted = np.flatnonzero(weight)
            table, weight = table.take(counted), weight[counted]
            labels = None if labels is None else labels[counted]
        if len(table) < 2:
            raise DataError("one row is too few to learn from.", where="X", mend="Give two rows or more.")
        schema = schema_of(table, targets.names, self.types)
        task = cut(table, schema, targets.names, support=self.target_support)  # type: ignore[arg-type]
        task = replace(task, weight=np.ones(len(table)) if weight is None else weight, group=labels)
        if self.dequantise:
            task = dequantised(task, seed=seed)
        fitted = fit_conditional(task, plan, seed=seed, progress=_print if self.verbose else quiet)
        self.exact_, chosen = None, fitted.members.chosen
        if self.compare_exact and is_relaxed(fitted.model):
            self.exact_ = fit_conditional(task, exactly(plan.only(chosen)), seed=seed).model
        job = ConditionalJob(
            targets.names,
            plan,
            search=str(self.search).lower(),
            holdout=0.0,
            seed=seed,
            support=self.target_support,  # type: ignore[arg-type]
            dequantise=self.dequantise,
        )
        self._publish(fitted, plan)
        checked = check(table, schema)
        self.findings_ += [finding for finding in checked.findings if finding.code == "constant"]
        self.record_ = conditional_record(
            task, schema, checked, job, fitted, NOTHING, title=table.source, pictures=False
        )
        self._manifest = {
            **conditional_manifest(fitted.model, self.record_, schema),
            "estimator": {
                "names": list(features.names),
                "array": not hasattr(self, "feature_names_in_"),
                "parameters": {name: _plain(value) for name, value in self._parameters(seed).items()},
            },
        }
        for finding in fitted.findings:
            if finding.severity == "warning":
                warnings.warn(str(finding), TacitWarning, stacklevel=3)
        judged = np.isfinite(fitted.members.validation).any()
        if judged and self.verdict_ == "ran out of steps" and self.preset != "fast":
            message = "training ended while the held-out log density still rose; raise max_iter or learning_rate."
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        return self

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a model file, which `tacit.load` and the command line read; it holds no rows.

        Raises `OutputError` where the file exists (without `force`) or cannot be written; the old file stays then.
        """
        check_is_fitted(self)
        persistence.save(self.model_, path, manifest=self._manifest, force=force)

    def _publish(self, fitted: FittedConditional, plan: Plan) -> None:
        members, model = fitted.members, fitted.model
        self._answer_with(model)
        self.members_ = [_told(one) for one in members.judged]
        self.selection_, self.n_components_ = members.chosen, members.chosen.k
        chosen = next(one for one in members.judged if one.candidate == members.chosen)
        words = set(chosen.verdicts)
        self.verdict_ = next((word for word in WORST_FIRST if word in words), "converged")
        self.converged_, self.n_iter_ = self.verdict_ == "converged", max(chosen.epochs)
        self.findings_ = [*model.covariates.findings, *of_training(fitted, plan)]

    def _answer_with(self, model: ConditionalTable) -> None:
        self.model_, self.target_names_ = model, list(model.targets)
        self.scale_floor_, self.scale_ceiling_, self.spread_ = model.floors(), model.ceilings(), model.spread
        self.component_labels_ = model.component_labels()

    def _parameters(self, seed: int) -> dict[str, Any]:
        """The parameters that JSON can hold."""
        parameters = {**self.get_params(deep=False), "random_state": seed}
        return {name: value for name, value in parameters.items() if _is_plain(value)}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # `score` is a log density, which knows no 1
        return tags


def _told(judged: Judged) -> dict[str, Any]:
    """A candidate as a row of a table."""
    settings = asdict(judged.candidate)
    return {**settings, "figure": judged.figure, "verdicts": list(judged.verdicts), "epochs": list(judged.epochs)}


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold a parameter."""
    if isinstance(value, Mapping):
        return all(isinstance(one, str) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return all(isinstance(one, int | float) for one in value)
    return value is None or isinstance(value, str | int | float)


def _plain(value: Any) -> Any:
    """A parameter as JSON holds it."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def from_file(model: ConditionalTable, found: dict[str, Any]) -> ConditionalMixture:
    """The estimator of a model file's model and manifest; raises what a manifest that is not one of ours raises."""
    record = found["record"]
    inputs = [column["name"] for column in found["schema"]["columns"] if column["name"] not in model.targets]
    saved = found.get("estimator", {"names": inputs, "array": False, "parameters": {}})
    estimator = ConditionalMixture(**saved["parameters"])
    estimator._manifest = {key: value for key, value in found.items() if key not in ("format", "tacit", "class")}
    estimator.n_features_in_ = len(saved["names"])
    if not saved["array"]:
        estimator.feature_names_in_ = np.array(saved["names"], dtype=object)
    estimator.record_, estimator.exact_ = record, None
    settings = {name: record["settings"][name] for name in Candidate.__dataclass_fields__}
    estimator.selection_, estimator.n_components_ = Candidate(**settings), int(record["k"])
    estimator.members_ = [
        {**row["settings"], "figure": Result.from_dict(row["figure"])} for row in record["candidates"]["table"]
    ]
    estimator.verdict_ = record["verdict"]["status"]
    estimator.converged_ = estimator.verdict_ == "converged"
    estimator.n_iter_ = int(record["training"]["epoch"][-1])
    estimator._answer_with(model)
    return estimator


def _print(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total}")
