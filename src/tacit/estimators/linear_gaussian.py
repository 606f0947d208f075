"""Probabilistic PCA and factor analysis by four procedures, behind scikit-learn's interface."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tacit import persistence
from tacit._errors import UsageError
from tacit.data.check import check
from tacit.data.encode import encode
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.estimators import _tables
from tacit.estimators._answers import TableAnswers
from tacit.estimators._checks import check_code, check_weight, group_labels
from tacit.estimators._density import DensityEstimator
from tacit.estimators._random import seed_of
from tacit.inference.fit import Progress, quiet
from tacit.workflow.linear_fit import fit_linear_table
from tacit.workflow.linear_job import Inference, LinearJob, Noise
from tacit.workflow.linear_record import linear_record
from tacit.workflow.linear_table import LinearTable, numbers_as_real
from tacit.workflow.model_file import linear_manifest


class LinearGaussian(TableAnswers, ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityEstimator):
    """Every row is a linear map of a few independent normals plus noise: probabilistic PCA, or factor analysis.

        y = W z + b + e,   z ~ N(0, I),   e ~ N(0, s^2 I) or N(0, diag s^2),   log p(y) = log N(y | b, W W' + noise)

    in nats a row and the units of the data. Log-likelihood, posterior and conditionals are exact whichever procedure
    fits the model; cells that are missing at random are integrated out. It is the model on which every procedure of
    this package meets the exact answer: `bound_` and `gap_` say what the q of the fit costs.

    Rows may be a pandas, polars or Arrow frame, a dict of arrays, or an array (n, d); columns of numbers are read as
    real, unless `types` calls them positive (then y is the logarithm). Where a table comes back it is of the same kind.

    Parameters:
        n_latents: dimensions of z, fewer than the columns.
        noise: "isotropic", one s (probabilistic PCA), or "diagonal", one for each column (factor analysis).
        inference: "em", closed E- and M-steps (parameter-expanded, so they are few); "local", variational parameters
            of every row; "amortised", `phi_steps` steps of an encoder, then one of the model; "joint", both at once.
        n_init: starts with diagonal noise, of which the best is kept, as factor analysis has local optima: of "em",
            and of "joint" without draws. With isotropic noise there is one optimum.
        standardise: fit columns divided by their standard deviations, so that isotropic noise is the same share of
            each; else it is the same in the units of the data. Makes no difference to diagonal noise.
        n_mc_samples: draws of z a row and step, for inference other than "em"; None takes the expectations exactly.
        phi_steps: see `inference`.
        learning_rate: of Adam, falling along half a cosine, for inference other than "em".
        max_iter: most steps of EM (10,000), or epochs (2,000; "amortised" 4,000), where None. Of "joint" 4,000: without
            draws a quarter are of Adam, and at most the rest of L-BFGS, which ends at a maximum.
        tol: EM and L-BFGS stop where 32 steps together gain less than this, nats a row.
        types: "real" or "positive" by column name, or "id" for columns that are left out.
        holdout: share of the rows that is kept out of the fit to judge it in `fitted_.figures`; the kept model is then
            refitted to all rows.
        random_state: seed; verbose: 1 prints the stages.

    Attributes:
        components_: W' (n_latents, d), in the units of the data, turned so that latents are independent given a row.
        mean_, noise_variance_: b (d,) and the variances of e (d,).
        bound_, gap_: mean ELBO of the training rows with the q of the fit, and how far it is below log p.
        bounds_: mean bound at every step, nats a row.
        verdict_, converged_, n_iter_: how the fit ended: "converged", of "em" and "joint" without draws by `tol`, else
            where 32 steps of L-BFGS would add less than 1e-4 nats a row to the bound (1e-3 where z was drawn); "ran
            out of steps"; or "stalled", where no step of "joint" gains though q is not yet the posterior.
        findings_: what a person should know; fitted_, record_: all that came of the fit, and as plain JSON values.
        model_, schema_: the density itself, and how columns are read; n_features_in_, feature_names_in_: of the table.

    Raises `DataError` and `UsageError` (both ValueErrors) for rows and settings it cannot use. Sources: Tipping and
    Bishop 1999; Rubin and Thayer 1982; Lucas et al. 2019.

    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> model = LinearGaussian(2, noise="diagonal", random_state=0).fit(X)
    >>> model.transform(X).shape, bool(model.score(X) > LinearGaussian(1, noise="diagonal").fit(X).score(X))
    ((178, 2), True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "noise": [StrOptions(set(get_args(Noise)))],
        "inference": [StrOptions(set(get_args(Inference)))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "standardise": ["boolean"],
        "n_mc_samples": [Interval(Integral, 1, None, closed="left"), None],
        "phi_steps": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0.0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "types": [Mapping, None],
        "holdout": [Interval(Real, 0.0, 1.0, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    model_: LinearTable

    def __init__(
        self,
        n_latents: int = 1,
        *,
        noise: str = "isotropic",
        inference: str = "em",
        n_init: int = 5,
        standardise: bool = True,
        n_mc_samples: int | None = None,
        phi_steps: int = 1,
        learning_rate: float = 0.02,
        max_iter: int | None = None,
        tol: float = 1e-7,
        types: Mapping[str, str] | None = None,
        holdout: float = 0.0,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latents = n_latents
        self.noise = noise
        self.inference = inference
        self.n_init = n_init
        self.standardise = standardise
        self.n_mc_samples = n_mc_samples
        self.phi_steps = phi_steps
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.types = types
        self.holdout = holdout
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Fit to the rows of a table; `y` is ignored.

        `sample_weight` (n,) counts a row as so many (0 leaves it out); rows of equal `groups` (n,) are held out
        together.
        """
        kind, table = _tables.kind_of(X), _tables.read(self, X, reset=True)
        weight = check_weight(sample_weight, len(table))
        labels = None if groups is None else group_labels(groups, len(table))
        if weight is not None and not weight.all():
            counted = np.flatnonzero(weight)
            table, weight = table.take(counted), weight[counted]
            labels = None if labels is None else labels[counted]
        schema = numbers_as_real(table, Schema.infer(table, types=self.types))
        rows = encode(schema, table)
        if weight is not None:
            rows = replace(rows, weight=weight)
        if labels is not None:
            rows = replace(rows, group=np.unique(labels, return_inverse=True)[1].reshape(-1))
        job = job_of(self)
        fitted = fit_linear_table(schema, rows, job, progress=self._progress())
        self._kind = kind
        self.record_ = linear_record(table, check(table, schema), rows, job, fitted, title=table.source, odd_rows=0)
        self._publish(fitted.model)
        self.fitted_, self.bound_, self.gap_, self.bounds_ = fitted, fitted.bound, fitted.gap, fitted.bounds
        self.verdict_, self.n_iter_ = fitted.status, len(fitted.bounds)
        self.converged_ = self.verdict_ == "converged"
        self.findings_ = _findings(self.record_)
        shared = {"kind": kind, "names": list(table.names), "parameters": self._parameters(job.seed)}
        self._manifest = {**linear_manifest(fitted.model, self.record_), "estimator": shared}
        if not self.converged_:
            mend = "use inference='em'" if self.verdict_ == "stalled" else "raise max_iter"
            message = f"The fit {self.verdict_} after {self.n_iter_} steps; {mend}."
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        return self

    def transform(self, X: Any) -> Float[np.ndarray, "n l"]:
        """The mean of z given the present cells of every row (n, n_latents): exact."""
        rows = self._rows(X, require="any")
        return self.model_.latents(rows)[0]

    def latent_covariance(self, X: Any) -> Float[np.ndarray, "n l l"]:
        """The covariance of z given the present cells of every row (n, n_latents, n_latents): exact."""
        rows = self._rows(X, require="any")
        return self.model_.latents(rows)[1]

    def inverse_transform(self, Z: ArrayLike) -> Any:
        """The rows `W z + b` of latents Z (n, n_latents), as the kind of table that was fitted.

        Of a positive column, whose logarithm that is, it is the median given z.
        """
        check_is_fitted(self)
        z = check_code(Z)
        size = len(self.components_)
        if z.ndim != 2 or z.shape[1] != size:
            raise UsageError(f"shape {z.shape} is not (n, {size}).", where="Z", mend="Give what transform gave.")
        decoded = self.model_.decode(self.model_.events(z))
        return _tables.as_kind(_tables.arrow(decoded), self._kind, names=self._names())

    def reconstruct(self, X: Any) -> Any:
        """X through the latent and back, as the kind of table that was fitted."""
        return self.inverse_transform(self.transform(X))

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a model file, which `tacit.load` and the command line read; it holds no rows.

        Raises `OutputError` where the file exists (without `force`) or cannot be written; the old file stays then.
        """
        check_is_fitted(self)
        persistence.save(self.model_, path, manifest=self._manifest, force=force)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _parameters(self, seed: int) -> dict[str, Any]:
        types = None if self.types is None else dict(self.types)
        return {**self.get_params(deep=False), "types": types, "random_state": seed}

    def _publish(self, model: LinearTable) -> None:
        self.schema_, self.model_ = model.schema, model
        columns = [model.schema[name] for name in model.schema.layout.normal]
        scale, center = (np.array([getattr(column, name) for column in columns]) for name in ("scale", "center"))
        self.components_, self.noise_variance_ = model.loadings, model.noise
        self.mean_ = center + scale * model.linear.likelihood.bias

    def _progress(self) -> Progress:
        return _print if self.verbose else quiet

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True  # of columns that are numbers, or left out
        return tags


def job_of(given: Any) -> LinearJob:
    """The job that the parameters stand for; raises `UsageError` for combinations that make no sense."""
    return LinearJob(
        n_latents=int(given.n_latents),
        noise=given.noise,
        inference=given.inference,
        n_init=int(given.n_init),
        standardise=bool(given.standardise),
        n_mc_samples=given.n_mc_samples,
        phi_steps=int(given.phi_steps),
        learning_rate=float(given.learning_rate),
        max_iter=given.max_iter,
        tol=float(given.tol),
        holdout=float(given.holdout),
        seed=seed_of(given.random_state),
    )


def from_file(model: LinearTable, found: dict[str, Any]) -> LinearGaussian:
    """The estimator of a model file's model and manifest; raises what a manifest that is not one of ours raises."""
    columns = [column.name for column in model.schema.columns]
    size = model.linear.likelihood.weight.shape[1]
    saved = found.get("estimator", {"kind": "dict", "names": columns, "parameters": {"n_latents": size}})
    if saved["kind"] not in _tables.KINDS:
        raise KeyError(saved["kind"])
    estimator = LinearGaussian(**saved["parameters"])
    estimator._manifest = {key: value for key, value in found.items() if key not in ("format", "tacit", "class")}
    estimator._kind, estimator.n_features_in_ = saved["kind"], len(saved["names"])
    if saved["kind"] != "numpy":
        estimator.feature_names_in_ = np.array(saved["names"], dtype=object)
    record = found["record"]
    estimator.record_, estimator.findings_ = record, _findings(record)
    estimator.bound_, estimator.gap_ = float(record["inference"]["bound"]), float(record["inference"]["gap"])
    estimator.verdict_ = record["verdict"]["status"]
    estimator.converged_, estimator.n_iter_ = estimator.verdict_ == "converged", int(record["training"]["epoch"][-1])
    estimator._publish(model)
    return estimator


def _print(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total}")


def _findings(record: dict[str, Any]) -> list[Finding]:
    return [Finding(**told) for told in record["warnings"]]
