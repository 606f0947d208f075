"""How the estimators of deep latent-variable models are fitted, and taken from files, whatever their latent."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning

from tacit._errors import TacitWarning
from tacit.data.check import check
from tacit.data.findings import Finding
from tacit.data.table import Table
from tacit.estimators import _tables
from tacit.estimators._checks import check_weight, group_labels
from tacit.estimators._latent_answers import LatentAnswers
from tacit.estimators._latent_covariates import inputs_of, read_covariates
from tacit.estimators._random import seed_of
from tacit.inference.fit import quiet
from tacit.workflow.latent_file import latent_manifest
from tacit.workflow.latent_fit import FittedLatent, fit_latent, founding_findings
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.latent_record import latent_record
from tacit.workflow.latent_rows import BITS, encode_rows, read_columns
from tacit.workflow.latent_table import LatentTable


class LatentFitting(LatentAnswers):
    """Fitting to a table by a plan, and what is kept of it."""

    likelihood: str
    types: Mapping[str, str] | None
    preset: str | None
    verbose: int
    hidden_layer_sizes: Sequence[int]

    def _fit(
        self,
        X: Any,
        plan: LatentPlan,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        covariates: Any = None,
    ) -> tuple[FittedLatent, Any]:
        """The fit of a plan to the rows of X, with all attributes set; and the rows it was fitted to."""
        seed = seed_of(self.random_state)
        self._kind, table = _tables.kind_of(X), _tables.read(self, X, reset=True)
        weight = check_weight(sample_weight, len(table))
        labels = None if groups is None else group_labels(groups, len(table))
        beside = None if covariates is None else read_covariates(covariates, len(table))
        if weight is not None and not weight.all():
            counted = np.flatnonzero(weight)
            table, weight = table.take(counted), weight[counted]
            labels = None if labels is None else labels[counted]
            beside = None if beside is None else beside.take(counted)
        self._covariate_names = () if beside is None else beside.names
        types = dict(self.types or {})
        told = {name: types.pop(name) for name in self._covariate_names if name in types}
        schema = plan.units(read_columns(table, plan.likelihood(self.likelihood), types))
        inputs = None if beside is None else inputs_of(beside, table.names, told)
        rows = encode_rows(schema, table)
        if weight is not None:
            rows = replace(rows, weight=weight)
        if labels is not None:
            rows = replace(rows, group=np.unique(labels, return_inverse=True)[1].reshape(-1))
        empty = [finding for one in (table, beside) if one is not None for finding in _about_empty(one)]
        known = (*empty, *founding_findings(plan, schema, rows))
        _warn(known, stacklevel=4)
        fitted = fit_latent(schema, rows, plan, inputs=inputs, seed=seed, progress=_print if self.verbose else quiet)
        fitted = replace(fitted, findings=(*known, *(one for one in fitted.findings if one not in known)))
        plain = all(one.levels == BITS or one.grey for one in schema.columns)  # nothing to check, and they are many
        checked = None if plain else check(table, schema)
        asked = {"likelihood": self.likelihood, "seed": seed}
        self.record_ = latent_record(table, checked, rows, plan, fitted, None, asked=asked, title=table.source)
        self._publish(fitted)
        self._manifest = {
            **latent_manifest(fitted.model, self.record_),
            "estimator": {
                "kind": self._kind,
                "names": list(table.names),
                "covariates": list(self._covariate_names),
                "parameters": self._parameters(seed),
            },
        }
        self._tell(known)
        return fitted, rows

    def _publish(self, fitted: FittedLatent) -> None:
        self.model_, self.schema_ = fitted.model, fitted.model.schema
        self.kl_per_latent_ = fitted.diagnosis.kl
        trained = fitted.trained
        self.history_ = {"training": trained.training, "validation": trained.validation}
        self.verdict_, self.n_iter_ = str(trained.verdict), int(trained.epochs)
        self.converged_ = self.verdict_ == "converged"
        self.findings_: list[Finding] = list(fitted.findings)

    def _tell(self, known: Sequence[Finding]) -> None:
        """Warn of what a person should know, and was not told before training."""
        _warn([finding for finding in self.findings_ if finding not in known], stacklevel=5)
        judged = np.isfinite(self.history_["validation"]).any()
        if judged and self.verdict_ == "ran out of steps" and self.preset != "fast":
            message = "training ended while the bound on the rows set aside still rose; raise max_iter."
            warnings.warn(message, ConvergenceWarning, stacklevel=4)

    def _parameters(self, seed: int) -> dict[str, Any]:
        """The parameters as JSON; objects are left out."""
        given = {**self.get_params(deep=False), "random_state": seed}  # type: ignore[attr-defined]
        given["hidden_layer_sizes"] = [int(width) for width in self.hidden_layer_sizes]
        given["image"] = None if given["image"] is None else [int(side) for side in given["image"]]
        given["types"] = None if self.types is None else dict(self.types)
        return {
            name: value for name, value in given.items() if isinstance(value, str | int | float | list | dict | None)
        }

    def _from_file(self, model: LatentTable, found: dict[str, Any]) -> None:
        """The attributes of a model file; raises what a manifest that is not one of ours raises."""
        record, saved = found["record"], saved_parameters(model, found)
        if saved["kind"] not in _tables.KINDS:
            raise KeyError(saved["kind"])
        self._manifest = {key: value for key, value in found.items() if key not in ("format", "tacit", "class")}
        self._kind, self.n_features_in_ = saved["kind"], len(saved["names"])
        if saved["kind"] != "numpy":
            self.feature_names_in_ = np.array(saved["names"], dtype=object)
        self.record_, self.model_, self.schema_ = record, model, model.schema
        self._covariate_names = tuple(map(str, saved.get("covariates", ())))
        self.kl_per_latent_ = np.array(record["code"]["rates"], float)
        training = record["training"]
        self.history_ = {
            name: np.array(training[name], float) for name in ("training", "validation") if name in training
        }
        self.verdict_ = record["verdict"]["status"]
        self.converged_, self.n_iter_ = self.verdict_ == "converged", int(training["epoch"][-1])


def saved_parameters(model: LatentTable, found: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of the estimator: the kind of its tables, their columns, and its parameters."""
    columns = [column.name for column in model.schema.columns]
    beside = [one.column.name for one in model.covariates.columns] if model.covariates else []
    plain = {"kind": "dict", "names": columns, "covariates": beside, "parameters": {}}
    saved: dict[str, Any] = found.get("estimator", plain)
    parameters = dict(saved["parameters"])
    if "hidden_layer_sizes" in parameters:
        parameters["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    return {**saved, "parameters": parameters}


def _about_empty(table: Table) -> tuple[Finding, ...]:
    """A warning of columns without any value, which are of no use."""
    empty = [name for name in table.names if not table.present(name).any()]
    mend = "Leave the column out, or see why it is empty."
    return tuple(Finding("warning", "empty", "No cell has a value: nothing is learned of it.", e, mend) for e in empty)


def _warn(findings: Iterable[Finding], *, stacklevel: int) -> None:
    for finding in findings:
        if finding.severity == "warning":
            warnings.warn(str(finding), TacitWarning, stacklevel=stacklevel)


def _print(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total}")
