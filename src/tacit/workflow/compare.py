"""Conditional models and plain baselines on the same held-out rows, with the differences row by row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from tacit._errors import UsageError
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.distributions.predictive import AbstractNumericPrediction, AbstractPrediction
from tacit.evaluation.result import Kind, Result, mean_result, paired_difference
from tacit.evaluation.scores import pinball
from tacit.inference.fit import Progress, quiet
from tacit.workflow.conditional_figures import judge
from tacit.workflow.conditional_fit import CONTINUOUS, FittedConditional, Task, fit_conditional
from tacit.workflow.conditional_job import LEVELS, ConditionalJob, Part, part_of, plain, predicted, staged
from tacit.workflow.conditional_plan import Candidate, Plan
from tacit.workflow.conditional_search import candidates_for
from tacit.workflow.fit_table import Job
from tacit.workflow.peers import Peer, boosted_normal, boosted_quantiles, has_ngboost, joint_mixture

LEAST_RELAXED = 3  # components of a relaxed model where one was the best choice
_EDGES = (LEVELS.index(0.05), LEVELS.index(0.95))


@dataclass(frozen=True, eq=False)
class Compared:
    """One model on the held-out rows; a figure is None where the model does not give it."""

    name: str
    plain: bool
    log_likelihood: Result | None
    crps: Result | None = None
    pinball: Result | None = None
    coverage: Result | None = None
    width: Result | None = None
    difference: Result | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON."""
        return {key: value.to_dict() if isinstance(value, Result) else value for key, value in self.__dict__.items()}


@dataclass(frozen=True, eq=False)
class Answer:
    """A peer with the label of its density; `plain` marks a baseline."""

    peer: Peer
    kind: Kind = "exact"
    plain: bool = False


def compare(
    task: Task, schema: Schema, job: ConditionalJob, ks: tuple[int, ...], *, progress: Progress = quiet
) -> tuple[list[Compared], str | None]:
    """Every model that fits the targets, trained on the same rows and judged on the same others, the best first.

    The exact conditional mixture chooses its settings; relaxed ones take them over, with three components where it
    chose one, and note their bound and the figure of their corners: with the exact one these are the four numbers of a
    relaxed latent. `schema` is that of the whole table, `ks` the numbers of components that the joint mixture
    chooses from. Differences of log density, row by row, are to the better of the two plain baselines, whose name is
    given too. Raises `UsageError` without a held-out part.
    """
    if job.plan.latent != "categorical" or job.plan.inference != "exact" or job.dequantise:
        mend = "Leave out --set latent, inference and dequantise; tacit fit has them."
        raise UsageError("every latent is compared, on the values as they are.", where="compare", mend=mend)
    if not job.holdout:
        raise UsageError("models are compared on held-out rows.", where="--holdout", mend="Choose a share such as 0.2.")
    counted = task.counted
    group, moment = (None if a is None else a[counted] for a in (task.group, task.time))
    inner, outer = hold_out(len(counted), job.holdout, seed=job.seed, group=group, time=moment)
    train, heldout = counted[inner], counted[outer]
    learned = replace(task, counted=train)
    answers, fitted = _conditional(learned, job, heldout, progress)
    part, known = part_of(fitted.model, task, heldout), part_of(fitted.model, task, train)
    for other in plain(fitted.model, known, part):
        peer = Peer(other.name, other.log_prob + part.rows.log_jacobian, other.prediction)
        answers.append(Answer(peer, plain=True))
    joint = Job(ks=ks, holdout=0.0, seed=job.seed, refit=False)
    answers.append(Answer(joint_mixture(task, schema, train, heldout, joint, progress)))
    column = task.schema.modelled[0]
    if len(job.targets) == 1 and not column.levels:
        answers.append(Answer(boosted_quantiles(known, part, column.name, job.seed, progress)))
        if has_ngboost() and column.kind in CONTINUOUS:
            answers.append(Answer(boosted_normal(fitted.model.schema.modelled[0], known, part, job.seed)))
    return tabulate(answers, part, job.targets)


def _conditional(
    learned: Task, job: ConditionalJob, heldout: np.ndarray, progress: Progress
) -> tuple[list[Answer], FittedConditional]:
    """The exact mixture, and relaxed ones with its settings; all from the same rows."""

    def fit(name: str, plan: Plan) -> tuple[Answer, FittedConditional]:
        fitted = fit_conditional(learned, plan, seed=job.seed, progress=staged(progress, name))
        part = part_of(fitted.model, learned, heldout)
        told = judge(fitted.model, part.x, part.rows, **part.over)
        single = predicted(fitted.model, part.x, job.targets[0]) if len(job.targets) == 1 else None
        others = [one for one in told.figures if one is not told.log_likelihood]
        note = "; ".join(f"{one.name} {one.value:.4g} ({one.kind})" for one in others)
        return Answer(Peer(name, told.log_prob, single, note=f"has the {note}" if note else ""), told.kind), fitted

    exact, first = fit("conditional mixture", job.plan)
    answers = [exact]
    continuous = learned.schema.modelled[0].kind in CONTINUOUS
    if continuous:
        lines, more = candidates_for("small", Candidate(), latent="categorical", inference="em")
        em = replace(job.plan, inference="em", components="conditional", candidates=lines, of_many=more)
        answers.append(fit("mixture of linear regressions", em)[0])
    chosen = relaxed_candidate(first.members.chosen)
    for relaxation in ("mixture", "moments", "network"):
        if relaxation == "moments" and not continuous:
            continue
        plan = replace(job.plan.only(chosen), latent="concrete", inference="exact", relaxation=relaxation)
        diagonal = relaxation == "moments" and len(job.targets) > 1
        plan = replace(plan, covariance="diagonal") if diagonal else plan
        answers.append(fit(f"Concrete, {relaxation}", plan)[0])
    return answers, first


def relaxed_candidate(chosen: Candidate) -> Candidate:
    """The settings with enough components to relax."""
    return chosen if chosen.k > 1 else replace(chosen, k=LEAST_RELAXED)


def tabulate(answers: list[Answer], part: Part, targets: tuple[str, ...]) -> tuple[list[Compared], str | None]:
    """A row for every answer about the rows of `part`, the best first, and the name of the best plain baseline."""
    over = part.over
    baseline = [answer for answer in answers if answer.plain]
    best = max(baseline, key=lambda one: _mean(one.peer, part), default=None)
    rows = []
    for answer in answers:
        peer = answer.peer
        figure = gap = None
        if peer.log_prob is not None:
            figure = mean_result("log-likelihood", peer.log_prob, kind=answer.kind, **over)
            if best is not None and best is not answer and best.peer.log_prob is not None:
                name = f"{peer.name} - {best.peer.name}"
                kinds = (answer.kind, best.kind)
                gap = paired_difference(name, peer.log_prob, best.peer.log_prob, kinds=kinds, **over)
        scores = _scores(peer, part, targets[0]) if len(targets) == 1 else {}
        rows.append(Compared(peer.name, answer.plain, figure, **scores, difference=gap, note=peer.note))
    rows.sort(key=lambda row: -np.inf if row.log_likelihood is None else row.log_likelihood.value, reverse=True)
    return rows, None if best is None else best.peer.name


def _mean(peer: Peer, part: Part) -> float:
    return -np.inf if peer.log_prob is None else float(np.average(peer.log_prob, weights=part.weight))


def _scores(peer: Peer, part: Part, target: str) -> dict[str, Any]:
    """CRPS, pinball loss over the 19 levels, what 90 % intervals hold and how wide they are."""
    at = _quantiles(peer.prediction) if peer.quantiles is None else peer.quantiles
    if at is None:
        return {}
    y, units = part.table.numbers(target), f"units of {target}"
    losses = np.mean([pinball(y, at[:, j], level) for j, level in enumerate(LEVELS)], axis=0)
    low, high = (at[:, place] for place in _EDGES)
    over: dict[str, Any] = {**part.over, "kind": "exact" if peer.prediction is None else peer.prediction.kind}
    found = {
        "pinball": mean_result("mean pinball loss", losses, units=units, **over),
        "coverage": mean_result("coverage of 90 % intervals", (low <= y) & (y <= high), units="of rows", **over),
        "width": mean_result("mean width of 90 % intervals", high - low, units=units, **over),
    }
    if isinstance(peer.prediction, AbstractNumericPrediction):
        found["crps"] = mean_result("CRPS", peer.prediction.crps(y), units=units, **over)
    return found


def _quantiles(prediction: AbstractPrediction | None) -> Float[np.ndarray, "n q"] | None:
    if not isinstance(prediction, AbstractNumericPrediction):
        return None
    return np.asarray(prediction.quantile(LEVELS), np.float64)
