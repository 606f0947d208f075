"""The conditional job with its worth: fit, then judge on the held-out rows beside plain baselines on the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tacit._errors import DataError
from tacit.data.covariates import Encoded
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.data.row_roles import group_codes, row_weights
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.distributions.predictive import (
    AbstractNumericPrediction,
    AbstractPrediction,
    LogNormalMixturePrediction,
    NormalMixturePrediction,
)
from tacit.evaluation.calibration import Calibration, calibrate
from tacit.evaluation.result import Result, mean_result, paired_difference
from tacit.inference.fit import Progress, quiet
from tacit.workflow.baselines import Baseline, baselines
from tacit.workflow.conditional_figures import Judgement, is_relaxed, judge
from tacit.workflow.conditional_fit import FittedConditional, Support, Task, fit_conditional
from tacit.workflow.conditional_plan import Plan
from tacit.workflow.conditional_table import ConditionalTable
from tacit.workflow.dequantise import dequantised

NAME = "conditional mixture"
COVERAGES = (0.5, 0.8, 0.9, 0.95)
LEVELS = tuple(round(0.05 * j, 2) for j in range(1, 20))  # of pinball losses
MOST_DRAWS = 200


@dataclass(frozen=True)
class ConditionalJob:
    """What was asked: the targets, the plan with its candidates, what share to hold out, and the seed."""

    targets: tuple[str, ...]
    plan: Plan = field(default_factory=Plan)
    search: str = "none"
    holdout: float = 0.2
    seed: int = 0
    refit: bool = True
    support: Support = "auto"
    dequantise: bool = False


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a task as a model reads them: covariates, targets, weights and groups."""

    table: Table
    covariates: Encoded
    rows: Rows
    weight: np.ndarray
    group: np.ndarray | None

    @property
    def x(self) -> np.ndarray:
        """The covariates (n, p)."""
        return self.covariates.x

    @property
    def over(self) -> dict[str, Any]:
        """What averages are taken over."""
        return {"weight": self.weight, "groups": self.group}


@dataclass(frozen=True, eq=False)
class Worth:
    """What a conditional model is worth on some rows: figures, differences from baselines, calibration, findings.

    `figures` has the model's first; `numbers` are the four of a relaxed model, else empty; `calibrations` has one of
    each numeric target.
    """

    figures: list[Result]
    differences: list[Result]
    numbers: list[Result]
    calibrations: dict[str, Calibration]
    findings: tuple[Finding, ...]
    judgement: Judgement | None = None


NOTHING = Worth([], [], [], {}, ())


def part_of(model: ConditionalTable, task: Task, places: np.ndarray) -> Part:
    """The rows at these places of the task's table, as the model reads them."""
    table = task.table.take(places)
    group = None if task.group is None else task.group[places]
    return Part(table, model.covariates.encode(table), model.encode(table), task.weight[places], group)


def part_in(model: ConditionalTable, table: Table, schema: Schema) -> tuple[Part, np.ndarray]:
    """The rows of any table that have their targets, and their places.

    Weights and groups are read by `schema`, that of the whole table of the fit, where the table has those columns.
    Raises `DataError` where it lacks a target or a covariate, or no row is left.
    """
    lacking = [name for name in model.targets if name not in table.names]
    if lacking:
        mend = "Give rows with the target; tacit predict needs none."
        raise DataError(f"The table lacks the target {lacking[0]!r}.", where=table.source, mend=mend)
    held = [column.name for column in schema.columns if column.role in ("weight", "group")]
    weight, group = np.ones(len(table)), None
    if all(name in table.names for name in held):
        weight, group = row_weights(schema, table), group_codes(schema, table)
    rows = model.encode(table)
    places = np.flatnonzero(~np.isnan(rows.y).any(axis=1))
    if not len(places):
        raise DataError("No row has its target.", where=table.source, mend="Fill in the target.")
    part = table.take(places)
    taken = None if group is None else group[places]
    return Part(part, model.covariates.encode(part), rows.take(places), weight[places], taken), places


def run(task: Task, job: ConditionalJob, *, progress: Progress = quiet) -> tuple[FittedConditional, Worth]:
    """Fit the model and say what it is worth; a relaxed model is held against the same networks trained exactly."""
    learned_from = dequantised(task, seed=job.seed) if job.dequantise else task
    fitted = fit_conditional(
        learned_from,
        job.plan,
        holdout=job.holdout,
        refit=job.refit,
        seed=job.seed,
        progress=staged(progress, "training"),
    )
    if not len(fitted.heldout):
        return fitted, NOTHING
    model = fitted.judged or fitted.model
    exact = _exact_twin(learned_from, job, fitted, progress) if is_relaxed(model) else None
    part, train = (part_of(model, task, places) for places in (fitted.heldout, fitted.train))
    return fitted, worth_of(model, part, train, exact=exact, seed=job.seed)


def worth_of(
    model: ConditionalTable,
    part: Part,
    train: Part | None = None,
    *,
    exact: ConditionalTable | None = None,
    seed: int,
) -> Worth:
    """The figures of the rows of `part`; with the training rows also those of the baselines fitted to them.

    `exact` is the same networks trained exactly, beside a relaxed model.
    """
    judged = judge(model, part.x, part.rows, name=NAME, exact=exact, **part.over)
    own = replace(judged.log_likelihood, name=NAME)
    figures, differences = [own], []
    for other in plain(model, train, part) if train is not None else ():
        density = _in_cells(model, other, part) if model.cell else other.log_prob + part.rows.log_jacobian
        reference = own.reference
        figures.append(mean_result(other.name, density, reference=reference, **part.over))
        differences.append(
            paired_difference(
                f"{NAME} - {other.name}",
                judged.log_prob,
                density,
                kinds=(judged.kind, "exact"),
                references=(reference, reference),
                **part.over,
            )
        )
    numbers = list(judged.figures) if len(judged.figures) > 1 else []
    said = (*part.covariates.findings, *part.rows.findings)
    findings = tuple(one for one in said if one.code != "extra-columns")
    return Worth(figures, differences, numbers, calibrations(model, part, seed=seed), findings, judged)


def calibrations(model: ConditionalTable, part: Part, *, seed: int) -> dict[str, Calibration]:
    """The calibration of every numeric target on these rows."""
    found = {}
    for name in model.targets:
        prediction = predicted(model, part.x, name)
        if isinstance(prediction, AbstractNumericPrediction):
            found[name] = calibrate(
                prediction,
                part.table.numbers(name),
                coverages=COVERAGES,
                units=f"units of {name}",
                seed=seed,
                **part.over,
            )
    return found


def predicted(model: ConditionalTable, x: np.ndarray, target: str) -> AbstractPrediction:
    """The prediction of a target; of a relaxed latent without a closed form by at most about 200 of its draws.

    Scores of pairs of components cost their square, and draws are alike: every so many serve.
    """
    found = model.predict(x, target)
    if model.exact or not isinstance(found, NormalMixturePrediction | LogNormalMixturePrediction):
        return found
    step = max(1, found.log_weights.shape[1] // MOST_DRAWS)
    kept = {name: getattr(found, name)[:, ::step] for name in ("log_weights", "means", "scales")}
    return replace(found, **kept)


def plain(model: ConditionalTable, train: Part, part: Part) -> tuple[Baseline, Baseline]:
    """The baselines fitted to `train` and judged on `part`, with the least scales of the model."""
    floors = model.floors()
    columns = model.schema.columns
    if floors is not None:
        columns = tuple(replace(one, floor=float(floor)) for one, floor in zip(columns, floors, strict=True))
    return baselines(Schema(columns), (train.x, train.rows.y, train.weight), (part.x, part.rows.y))


def _in_cells(model: ConditionalTable, baseline: Baseline, part: Part) -> np.ndarray:
    """The log density of a baseline over the cells that the values of the one target stand for."""
    values, half = part.table.numbers(model.targets[0]), model.cell / 2
    prediction: Any = baseline.prediction
    density: np.ndarray = prediction.log_mass(values - half, values + half) - np.log(model.cell)
    return density


def _exact_twin(task: Task, job: ConditionalJob, fitted: FittedConditional, progress: Progress) -> ConditionalTable:
    """The same networks with their latent summed out, trained on the same rows."""
    plan = exactly(job.plan.only(fitted.members.chosen))
    part = replace(task, counted=fitted.train)
    return fit_conditional(part, plan, seed=job.seed, progress=staged(progress, "training exactly")).model


def exactly(plan: Plan) -> Plan:
    """The plan with a categorical latent that is summed out, its scales as they were trained, like those beside it."""
    structure = replace(
        plan, latent="categorical", inference="exact", relaxation="mixture", gradient=None, calibrate=False
    )
    return replace(structure, objective="elbo", kl="closed", num_samples=1, anneal=())


def staged(progress: Progress, name: str) -> Progress:
    """Progress under another name for every new start of the count: training, then training on all rows."""
    starts = 0

    def report(stage: str, done: int, total: int) -> None:
        nonlocal starts
        starts += done == 0
        progress(name if starts < 2 else f"{name} ({starts})", done, total)

    return report
