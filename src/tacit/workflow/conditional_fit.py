"""The conditional job: read the targets, choose and train, say what the fit is worth on rows that took no part."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from tacit._errors import DataError, UsageError
from tacit.data.column import Column, fit_column
from tacit.data.covariates import Covariates
from tacit.data.encode import Rows as Events
from tacit.data.encode import encode
from tacit.data.findings import Finding
from tacit.data.row_roles import group_codes, row_weights, time_order
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.data.table import Table
from tacit.inference.fit import Progress, quiet
from tacit.models import BernoulliFamily, CategoricalFamily, DiagonalFamily, FullFamily, PoissonFamily
from tacit.models.components import AbstractFamily
from tacit.networks import Fixed
from tacit.workflow.conditional_members import Members, Rows, train_members
from tacit.workflow.conditional_plan import Candidate, Plan
from tacit.workflow.conditional_table import ConditionalTable

Support = Literal["auto", "positive", "real"]
CONTINUOUS = ("real", "positive")


@dataclass(frozen=True)
class Task:
    """A table cut into covariates and targets, ready for training: targets that are missing are left out."""

    table: Table
    schema: Schema  # of the targets
    inputs: Schema  # of the covariates
    counted: np.ndarray  # places of the rows whose targets are all there and whose weight is not 0
    weight: np.ndarray
    group: np.ndarray | None
    time: np.ndarray | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class FittedConditional:
    """The model that is kept, the members it is made of, and the places of the rows that trained and that judge."""

    model: ConditionalTable
    members: Members
    train: np.ndarray
    heldout: np.ndarray
    judged: ConditionalTable | None  # the model of the training rows, where the kept one is of all rows
    seconds: float


def cut(table: Table, schema: Schema, targets: tuple[str, ...], *, support: Support = "auto") -> Task:
    """The task of predicting `targets` from the other modelled columns.

    Raises `UsageError` for a target that is not there, and for targets of kinds that have no joint family; `DataError`
    for targets that are constant, or missing in all rows.
    """
    for name in targets:
        if name not in table.names:
            known = ", ".join(table.names)
            raise UsageError(f"there is no column {name!r}.", where="target", mend=f"The columns are {known}.")
    chosen = tuple(_target(table, schema, name, support) for name in targets)
    numeric = [column.kind in CONTINUOUS for column in chosen]
    if len(chosen) > 1 and not all(numeric):
        kinds = ", ".join(f"{column.name} is {column.kind}" for column in chosen)
        raise UsageError(f"several targets must be real or positive: {kinds}.", mend="Fit one model for each target.")
    target_schema = Schema(chosen)
    others = Schema(tuple(column for column in schema.columns if column.name not in targets))
    others.check_modelled(table.source)
    events = encode(target_schema, table, roles=False)
    weight = row_weights(schema, table)
    holes = np.isnan(events.y).any(axis=1)
    findings = _about_targets(table, target_schema, holes)
    counted = np.flatnonzero(~holes & (weight > 0))
    if not len(counted):
        raise DataError("No row has its target and a weight above 0.", where=table.source, mend="Fill in the target.")
    return Task(
        table, target_schema, others, counted, weight, group_codes(schema, table), time_order(schema, table), findings
    )


def _target(table: Table, schema: Schema, name: str, support: Support) -> Column:
    """How a target is read; zero-inflated ones and those chosen to be are real."""
    column = next((one for one in schema.columns if one.name == name), None)
    kind = None if column is None or column.kind == "id" else column.kind
    if support != "auto" and kind in (*CONTINUOUS, "zero-inflated", "count"):
        kind = support
    elif kind == "zero-inflated":
        kind = "real"
    if column is None or kind is None:
        if column is not None and "constant" in column.why:
            raise DataError("has one value in all rows.", where=table.where(column=name), mend="Choose another target.")
        why = "" if column is None else f" ({column.why})"
        raise DataError(
            f"cannot be a target as it is read{why}.",
            where=table.where(column=name),
            mend=f"Say what it holds with --type {name}=real, or choose another target.",
        )
    if kind == column.kind:
        return column
    return Schema.infer(table, types={name: kind})[name]


def _about_targets(table: Table, schema: Schema, holes: np.ndarray) -> tuple[Finding, ...]:
    findings = []
    if holes.any():
        message = f"{holes.sum()} of {len(holes)} rows lack a target and take no part."
        findings.append(Finding("warning", "missing-target", message))
    for column in schema.modelled:
        if column.kind not in CONTINUOUS:
            continue
        values = table.numbers(column.name)[~holes]
        distinct = len(np.unique(values))
        if distinct < 0.5 * len(values):
            unit = "of its logarithm " if column.kind == "positive" else ""
            message = (
                f"The target has {distinct} distinct values in {len(values)} rows; a density over so few is bounded by "
                f"the floor of its scale alone: the least s.d. {unit}is {column.floor:.3g}."
            )
            findings.append(Finding("warning", "few-distinct", message, column.name))
    return tuple(findings)


def make_family(schema: Schema, plan: Plan, mean: np.ndarray, candidate: Candidate) -> AbstractFamily:
    """The family of the targets' components; `mean` (d,) is that of the training rows."""
    first = schema.modelled[0]
    if first.kind == "count":
        return PoissonFamily(Fixed(jnp.log(jnp.maximum(jnp.asarray(mean, jnp.float32), 1e-3))))
    if first.kind == "binary":
        return BernoulliFamily()
    if first.kind == "categorical":
        return CategoricalFamily(len(first.levels))
    floor = [max(column.floor / column.scale, candidate.floor) for column in schema.modelled]
    kind = FullFamily if len(floor) > 1 and plan.covariance == "full" else DiagonalFamily
    return kind(Fixed(jnp.asarray(floor, jnp.float32)))


def fit_conditional(
    task: Task, plan: Plan, *, holdout: float = 0.0, refit: bool = True, seed: int = 0, progress: Progress = quiet
) -> FittedConditional:
    """Train on all rows but a share that is held out; then, with `refit`, train the chosen settings on all rows."""
    began = time.perf_counter()
    train = counted = task.counted
    heldout = counted[:0]
    if holdout:
        group, moment = (None if a is None else a[counted] for a in (task.group, task.time))
        inner, outer = hold_out(len(counted), holdout, seed=seed, group=group, time=moment)
        train, heldout = counted[inner], counted[outer]
    model, members = _fit(task, plan, train, seed, progress)
    judged = None
    if len(heldout) and refit:
        judged = model
        model, members = _fit(task, replace(plan, candidates=(members.chosen,)), counted, seed, progress, members)
    return FittedConditional(model, members, train, heldout, judged, time.perf_counter() - began)


def _fit(
    task: Task, plan: Plan, places: np.ndarray, seed: int, progress: Progress, chosen: Members | None = None
) -> tuple[ConditionalTable, Members]:
    """One training, on the rows at these places: nothing is measured on others."""
    part = task.table.take(places)
    schema = _measured(task.schema, part)
    covariates = Covariates.fit(task.inputs, part)
    events: Events = encode(schema, part, roles=False)
    group, moment = (None if a is None else a[places] for a in (task.group, task.time))
    rows = Rows(covariates.encode(part).x, events.y, task.weight[places], group, moment)
    mean = np.average(events.y, axis=0, weights=rows.weight)

    def family(candidate: Candidate) -> Any:
        return make_family(schema, plan, mean, candidate)

    members = train_members(rows, replace(plan, seed=seed), family, key=jax.random.key(seed), progress=progress)
    if chosen is not None:
        members = replace(members, judged=chosen.judged)
    return ConditionalTable(schema, covariates, members.models, members.posteriors), members


def _measured(schema: Schema, part: Table) -> Schema:
    """The targets' schema with centres, scales and floors of these rows, levels as they were."""
    return Schema(
        tuple(
            fit_column(part, column.name, column.kind, column.why) if column.kind in CONTINUOUS else column
            for column in schema.columns
        )
    )
