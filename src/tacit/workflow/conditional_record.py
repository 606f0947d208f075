"""The record of a conditional fit as plain JSON values: what the report shows and the model file keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tacit.data.check import CheckReport
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.workflow.calibration_record import calibration_record
from tacit.workflow.conditional_findings import of_training
from tacit.workflow.conditional_fit import FittedConditional, Task
from tacit.workflow.conditional_job import NAME, ConditionalJob, Worth
from tacit.workflow.conditional_pictures import prediction_record
from tacit.workflow.conditional_plan import Candidate, Plan
from tacit.workflow.json_values import as_json
from tacit.workflow.made_by import made_by

_RANK = {"error": 0, "warning": 1, "note": 2}
_ABOUT_JOINT = ("missing", "tied")  # findings of a table that matter where all its columns are modelled
_NORMAL_95 = 1.96
_FEW_HELDOUT = 30
_COMPETING = ("candidates", "of_many")  # told of in the table of candidates
_MOST_EPOCHS = 200  # points of a training curve


def conditional_record(
    task: Task,
    schema: Schema,
    checked: CheckReport,
    job: ConditionalJob,
    fitted: FittedConditional,
    worth: Worth,
    *,
    title: str,
    command: str | None = None,
    pictures: bool = True,
) -> dict[str, Any]:
    """The record of a conditional fit; `schema` is that of the whole table, `command` what repeats it."""
    model, chosen = fitted.model, fitted.members.chosen
    heldout = [replace(one, message=f"Held-out rows: {one.message}") for one in worth.findings]
    found = [
        *_findings(fitted, worth),
        *of_training(fitted, job.plan),
        *model.covariates.findings,
        *heldout,
        *checked.findings,
    ]
    unique = {(one.code, one.column, one.message): one for one in found if one.code not in _ABOUT_JOINT}
    ranked = sorted(unique.values(), key=lambda finding: _RANK[finding.severity])
    drawn = prediction_record(model, task.table.take(task.counted), seed=job.seed) if pictures else None
    record = {
        "title": title,
        "created": time.strftime("%Y-%m-%d"),
        "model": NAME,
        "latent": _latent(job.plan),
        "targets": list(model.targets),
        "covariates": [covariate.column.name for covariate in model.covariates.columns],
        "k": chosen.k,
        "n_members": fitted.members.training.shape[1],
        "spread": model.spread,
        "verdict": _verdict(fitted, job),
        "warnings": [{**one.to_dict(), "severity": "note" if one.severity == "note" else "warning"} for one in ranked],
        "data": _data(task, schema, checked, fitted),
        "candidates": _candidates(fitted),
        **worth_record(worth),
        "training": _training(fitted),
        "settings": settings(job, chosen),
        **made_by(),
        "seconds": fitted.seconds,
    }
    if drawn is not None:
        record["prediction"] = drawn
    if command is not None:
        record["command"] = command
    clean: dict[str, Any] = as_json(record)
    return clean


def worth_record(worth: Worth) -> dict[str, Any]:
    """Figures, differences, the four numbers and the calibration of each numeric target."""
    found: dict[str, Any] = {
        "heldout": [figure.to_dict() for figure in worth.figures],
        "differences": [figure.to_dict() for figure in worth.differences],
    }
    if worth.numbers:
        found["numbers"] = [figure.to_dict() for figure in worth.numbers]
    told = [calibration_record(calibration, target=name) for name, calibration in worth.calibrations.items()]
    if told:
        found["calibration"] = told[0]
        found["more_calibration"] = told[1:]
    return found


def settings(job: ConditionalJob, chosen: Candidate) -> dict[str, Any]:
    """Everything that was set, by name, and the settings that were chosen."""
    plan = {name: getattr(job.plan, name) for name in Plan.__dataclass_fields__ if name not in _COMPETING}
    texts = {
        name: value if isinstance(value, int | float | str | None) else "default" if value is None else str(value)
        for name, value in plan.items()
    }
    asked = {
        "holdout": job.holdout,
        "search": job.search,
        "target_support": job.support,
        "dequantise": job.dequantise,
        "refit": job.refit,
    }
    return {**asked, **texts, **asdict(chosen), "seed": job.seed}


def _latent(plan: Plan) -> str:
    """What is summed out, in words."""
    if plan.latent == "concrete":
        return f"Concrete latent, {plan.relaxation} relaxation"
    return "categorical latent, summed out" if plan.inference == "exact" else "categorical latent, amortised"


def _verdict(fitted: FittedConditional, job: ConditionalJob) -> dict[str, str]:
    """How training ended, in a word and in a sentence."""
    judged = next(one for one in fitted.members.judged if one.candidate == fitted.members.chosen)
    words = set(judged.verdicts)
    status = next((one for one in ("non-finite", "ran out of steps") if one in words), "converged")
    epochs, members = max(judged.epochs), fitted.members.training.shape[1]
    text = f"EM took {epochs:,} steps."
    if job.plan.inference != "em":
        many = f"{members} networks" if members > 1 else "One network"
        text = f"{many} trained for {epochs:,} epochs; of each the best epoch, on rows it set aside, was kept."
    if status == "ran out of steps":
        text += " The figure was still rising at the end"
        more = f"max_iter={2 * epochs} (--set max_epochs={2 * epochs})"
        text += "." if job.plan.inference == "em" else f": more may be had with {more}."
    kept = ""
    if fitted.judged is not None:
        kept = "The figures are those of the model of the training rows; the one kept has seen all rows."
    elif len(fitted.heldout):
        kept = "The model kept is the one of the training rows."
    return {"status": status, "text": text, "kept": kept}


def _findings(fitted: FittedConditional, worth: Worth) -> Iterator[Finding]:
    """What a person should know about the fit, those that touch the figures most first."""
    for figure, gap in zip(worth.figures[1:], worth.differences, strict=True):
        least = _NORMAL_95 * (gap.standard_error or 0.0)
        if gap.value > least:
            continue
        worse = "clearly worse" if gap.value < -least else "not clearly better"
        message = f"On held-out rows the model is {worse} than the plain baseline, {figure.name}."
        mend = "Train longer, or be content with the baseline." if gap.value < -least else "Give more rows."
        yield Finding("warning", "no-better", message, mend=mend)
    for name, calibration in worth.calibrations.items():
        if calibration.verdict.status == "miscalibrated":
            yield Finding("warning", "miscalibrated", calibration.verdict.text, name)
    if 0 < len(fitted.heldout) < _FEW_HELDOUT:
        message = f"The held-out figures rest on {len(fitted.heldout)} rows only."
        yield Finding("warning", "few-heldout", message, mend="Give more rows.")


def _data(task: Task, schema: Schema, checked: CheckReport, fitted: FittedConditional) -> dict[str, Any]:
    least, greatest = (
        {} if scales is None else dict(zip(fitted.model.targets, scales.tolist(), strict=True))
        for scales in (fitted.model.floors(), fitted.model.ceilings())
    )
    columns = [
        {
            "name": column.name,
            "kind": column.kind if column.role in ("model", "ignored") else column.role,
            "target": column.name in task.schema.names,
            "why": column.why,
            "missing": column.missing,
            "distinct": column.distinct,
            "summary": column.told,
            "floor": least.get(column.name),
            "ceiling": greatest.get(column.name),
        }
        for column in checked.columns
    ]
    columns.sort(key=lambda column: not column["target"])
    return {
        "source": checked.source,
        "rows": checked.n_rows,
        "rows_train": len(fitted.train),
        "rows_heldout": len(fitted.heldout),
        "split": "by group" if task.group is not None else "at random" if task.time is None else "by time",
        "n_groups": None if task.group is None else len(np.unique(task.group)),
        "fingerprint": task.table.fingerprint(),
        "columns": columns,
    }


def _candidates(fitted: FittedConditional) -> dict[str, Any]:
    """Every candidate with its figure, the best first; `varied` names the settings in which they differ."""
    judged = sorted(fitted.members.judged, key=lambda one: -one.figure.value)
    rows = [asdict(one.candidate) for one in judged]
    varied = [name for name in rows[0] if len({row[name] for row in rows}) > 1]
    best = max(judged, key=lambda one: one.figure.value)
    return {
        "varied": varied,
        "figure": f"log-likelihood {best.figure.name}",
        "table": [
            {
                "settings": row,
                "label": ", ".join(f"{_SHORT.get(name, name)} {row[name]:g}" for name in varied) or "as given",
                "figure": one.figure.to_dict(),
                "chosen": one.candidate == fitted.members.chosen,
            }
            for row, one in zip(rows, judged, strict=True)
        ],
    }


_SHORT = {"weight_decay": "decay", "learning_rate": "rate", "floor": "scale floor"}


def _training(fitted: FittedConditional) -> dict[str, Any]:
    """The mean bound of each epoch, averaged over the members, at up to 200 epochs."""
    bounds = {"training": fitted.members.training, "validation": fitted.members.validation}
    epochs = len(fitted.members.training)
    places = np.unique(np.linspace(0, epochs - 1, min(epochs, _MOST_EPOCHS)).round().astype(int))
    found: dict[str, Any] = {"epoch": places + 1}
    for name, values in bounds.items():
        kept = np.asarray(values, float)[places]
        finite = np.isfinite(kept)
        if finite.any():
            counts = finite.sum(axis=1)
            sums = np.where(finite, kept, 0.0).sum(axis=1)
            found[name] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found
