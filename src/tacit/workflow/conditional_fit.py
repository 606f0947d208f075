"""The conditional job: read the targets, choose and train, say what the fit is worth on rows that took no part."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._device import placed
from tacit._errors import DataError, UsageError
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
from tacit.workflow.conditional_aside import Rows
from tacit.workflow.conditional_members import Members, train_members
from tacit.workflow.conditional_plan import Candidate, Plan
from tacit.workflow.conditional_regressions import train_regressions
from tacit.workflow.conditional_spread import has_spread, spread
from tacit.workflow.conditional_table import ConditionalTable
from tacit.workflow.conditional_targets import (
    CONTINUOUS,
    Support,
    about_targets,
    limits,
    measured,
    target_column,
    within_reach,
)


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
    cell: float = 0.0  # width of the noise that was added to the one target (`dequantised`)


@dataclass(frozen=True)
class FittedConditional:
    """The model that is kept, the members it is made of, and the places of the rows that trained and that judge.

    `findings` are of the targets as they were learned from, and of the training.
    """

    model: ConditionalTable
    members: Members
    train: np.ndarray
    heldout: np.ndarray
    judged: ConditionalTable | None  # the model of the training rows, where the kept one is of all rows
    seconds: float
    findings: tuple[Finding, ...] = ()


def cut(table: Table, schema: Schema, targets: tuple[str, ...], *, support: Support = "auto") -> Task:
    """The task of predicting `targets` from the other modelled columns.

    Raises `UsageError` for a target that is not there, and for targets of kinds that have no joint family; `DataError`
    for targets that are constant, or missing in all rows.
    """
    for name in targets:
        if name not in table.names:
            known = ", ".join(table.names)
            raise UsageError(f"there is no column {name!r}.", where="target", mend=f"The columns are {known}.")
    chosen = tuple(target_column(table, schema, name, support) for name in targets)
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
    findings = about_targets(table, target_schema, holes)
    counted = np.flatnonzero(~holes & (weight > 0))
    if not len(counted):
        raise DataError("No row has its target and a weight above 0.", where=table.source, mend="Fill in the target.")
    return Task(
        table, target_schema, others, counted, weight, group_codes(schema, table), time_order(schema, table), findings
    )


def make_family(schema: Schema, plan: Plan, rows: Rows, candidate: Candidate) -> AbstractFamily:
    """The family of the targets' components, as the training rows set it."""
    first = schema.modelled[0]
    if first.kind == "count":
        mean = np.average(rows.y, axis=0, weights=rows.weight)
        return PoissonFamily(Fixed(jnp.log(jnp.maximum(jnp.asarray(mean, jnp.float32), 1e-3))))
    if first.kind == "binary":
        return BernoulliFamily()
    if first.kind == "categorical":
        return CategoricalFamily(len(first.levels))
    floor = np.array([max(column.floor / column.scale, candidate.floor) for column in schema.modelled])
    kind = FullFamily if len(floor) > 1 and plan.covariance == "full" else DiagonalFamily
    if plan.inference == "em":  # whose scales are those of the training rows about lines
        return kind(_fixed(floor))
    ceiling, reach = limits(schema, rows.y)
    return kind(_fixed(floor), _fixed(np.maximum(ceiling, 2 * floor)), _fixed(reach))


def _fixed(values: np.ndarray) -> Fixed:
    return Fixed(placed(values, jnp.float32))


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
    model, members, findings = _fit(task, plan, train, seed, progress)
    judged = None
    if len(heldout) and refit:
        judged = model
        again = plan.only(members.chosen)
        model, members, findings = _fit(task, again, counted, seed, progress, members)
    return FittedConditional(
        model, members, train, heldout, judged, time.perf_counter() - began, (*task.findings, *findings)
    )


def _fit(
    task: Task, plan: Plan, places: np.ndarray, seed: int, progress: Progress, chosen: Members | None = None
) -> tuple[ConditionalTable, Members, tuple[Finding, ...]]:
    """One training, on the rows at these places: nothing is measured on others."""
    part = task.table.take(places)
    schema = measured(task.schema, part)
    covariates = Covariates.fit(task.inputs, part)
    events: Events = encode(schema, part, roles=False)
    group, moment = (None if a is None else a[places] for a in (task.group, task.time))
    y, findings = within_reach(schema, events)
    weight = task.weight[places] / np.mean(task.weight[places])  # only ratios matter; the networks' floats are short
    rows = Rows(covariates.encode(part).x, y, weight, group, moment)

    def family(candidate: Candidate) -> Any:
        return make_family(schema, plan, rows, candidate)

    learn = train_regressions if plan.inference == "em" else train_members
    members = learn(
        rows, replace(plan.for_rows(len(rows)), seed=seed), family, key=jax.random.key(seed), progress=progress
    )
    if chosen is not None:
        members = replace(members, judged=chosen.judged)
    model = ConditionalTable(schema, covariates, members.models, members.posteriors, task.cell)
    if has_spread(model, plan):
        model = replace(model, spread=spread(model, rows, members.held))
    return model, members, findings
