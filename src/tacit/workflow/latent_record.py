"""The record of a deep latent-variable fit as plain JSON values: what the report shows and the model file keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tacit.data.check import CheckReport
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.data.table import Table
from tacit.evaluation.result import Result
from tacit.models import AbstractLatent, FullNormalLatent, NormalLatent
from tacit.workflow.json_values import as_json
from tacit.workflow.latent_fit import FittedLatent
from tacit.workflow.latent_job import Worth
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.made_by import made_by

_RANK = {"error": 0, "warning": 1, "note": 2}
_MOST_EPOCHS = 200  # points of a training curve
_MOST_CODES = 64  # latents whose use is told one by one
_FEW_HELDOUT = 30
_HARMLESS = ("tied", "copy")  # findings of a table that do no harm to a likelihood of columns one by one
_NORMAL_95 = 1.96


def latent_record(
    table: Table,
    checked: CheckReport | None,
    rows: Rows,
    plan: LatentPlan,
    fitted: FittedLatent,
    worth: Worth | None,
    *,
    asked: dict[str, Any],
    title: str,
    image: tuple[int, int] | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """The record of a fit of `rows`, encoded from `table`; `asked` are the settings beside those of the plan.

    `worth` is that of the rows held out, None where there are none; `image` is the shape of a row's columns.
    """
    heldout, bounds, differences = (worth.figures, worth.bounds, worth.differences) if worth else ((), (), ())
    doubts = worth.findings if worth else ()
    found = [
        *_about_figures(fitted, differences),
        *doubts,
        *fitted.findings,
        *(checked.findings if checked is not None else ()),
    ]
    unique = {(one.code, one.column, one.message): one for one in found if one.code not in _HARMLESS}
    ranked = sorted(unique.values(), key=lambda finding: _RANK[finding.severity])
    record = {
        "title": title,
        "created": time.strftime("%Y-%m-%d"),
        "model": plan.name,
        "verdict": _verdict(fitted, plan),
        "warnings": [{**one.to_dict(), "severity": "note" if one.severity == "note" else "warning"} for one in ranked],
        "data": _data(table, checked, rows, fitted),
        "heldout": [figure.to_dict() for figure in heldout],
        "bounds": [figure.to_dict() for figure in bounds],
        "differences": [figure.to_dict() for figure in differences],
        "code": code_record(fitted),
        "training": _training(fitted),
        "settings": settings(plan, asked, fitted.n_rows),
        **made_by(),
        "seconds": fitted.seconds,
    }
    if image is not None:
        record["image"] = list(image)
    if command is not None:
        record["command"] = command
    clean: dict[str, Any] = as_json(record)
    return clean


def settings(plan: LatentPlan, asked: dict[str, Any], n: int) -> dict[str, Any]:
    """Everything that was set, by name; what depends on the n rows of training as it was used."""
    used = {"batch_size": plan.training.batch(n), "max_epochs": plan.training.epochs(n)}
    own = {**asdict(plan.training), **used, "scale": plan.scale, "scale_floor": plan.scale_floor}
    own |= {"latent": told_latent(plan.latent), "objective": plan.objective, "gradient": plan.gradient}
    own |= {"n_mc_samples": plan.num_samples, "prior": plan.prior, "decoder": plan.decoder, "kl_warm_up": plan.warm_up}
    if plan.prior == "mixture":
        own["prior_components"] = plan.prior_components
    own["network"] = plan.network if plan.image is None else f"{plan.network}, {plan.image[0]} x {plan.image[1]}"
    return {
        name: value if isinstance(value, int | float | str) else "none" if value is None else str(value)
        for name, value in (own | asked).items()
    }


def told_latent(latent: AbstractLatent) -> str:
    """What z is, in words: "3 latents of 2 states", "2 normal latents"."""
    d, k = getattr(latent, "d", 1), getattr(latent, "k", 2)
    latents = "1 latent" if d == 1 else f"{d} latents"
    if isinstance(latent, NormalLatent | FullNormalLatent):
        full = ", q with a full covariance" if isinstance(latent, FullNormalLatent) else ""
        return latents.replace(" ", " normal ") + full
    return f"{latents} of {k} states"


def code_record(fitted: FittedLatent) -> dict[str, Any]:
    """What the latent does: the rate of every part in nats, and the use of its states, of the first 64 parts."""
    told = fitted.diagnosis
    rates = np.zeros(0) if told.kl is None else told.kl
    found: dict[str, Any] = {
        "parts": len(told.active),
        "active": int(told.active.sum()),
        "rates": rates[:_MOST_CODES],
        "unused": len(told.unused),
    }
    if fitted.model.factorised:  # else the parts do not add up to the divergence of the whole
        found["rate"] = float(rates.sum())
    if told.usage is not None:
        found["usage"] = told.usage[:_MOST_CODES]
    return found


def _verdict(fitted: FittedLatent, plan: LatentPlan) -> dict[str, str]:
    """How training ended, in a word and in a sentence."""
    trained = fitted.trained
    status, epochs = str(trained.verdict), int(trained.epochs)
    text = f"Trained for {epochs:,} epochs; the parameters of epoch {int(trained.best_epoch):,} were kept."
    if status == "ran out of steps" and not np.isnan(trained.validation).all():
        text += f" The bound was still rising at the end: more may be had with max_iter={2 * epochs}."
    kept = ""
    if fitted.judged is not None:
        kept = "The figures are those of the model of the training rows; the one kept has seen all rows."
    elif len(fitted.heldout):
        kept = "The model kept is the one of the training rows."
    return {"status": status, "text": text, "kept": kept}


def _about_figures(fitted: FittedLatent, differences: Sequence[Result]) -> Iterator[Finding]:
    for gap in differences:
        least = _NORMAL_95 * (gap.standard_error or 0.0)
        if gap.value <= least:
            worse = "clearly worse" if gap.value < -least else "not clearly better"
            message = f"On held-out rows the model is {worse} than the plain baseline ({gap.name})."
            yield Finding("warning", "no-better", message, mend="Train longer, or be content with the baseline.")
    if 0 < len(fitted.heldout) < _FEW_HELDOUT:
        message = f"The held-out figures rest on {len(fitted.heldout)} rows only."
        yield Finding("warning", "few-heldout", message, mend="Give more rows.")


def _data(table: Table, checked: CheckReport | None, rows: Rows, fitted: FittedLatent) -> dict[str, Any]:
    known = {column.name: column for column in checked.columns} if checked is not None else {}
    columns = [
        {
            "name": column.name,
            "kind": column.kind if column.role in ("model", "ignored") else column.role,
            "why": column.why,
            **({"missing": known[column.name].missing, "distinct": known[column.name].distinct} if known else {}),
            **({"summary": known[column.name].told} if known else {}),
        }
        for column in fitted.model.schema.columns
    ]
    return {
        "source": table.source,
        "rows": len(table),
        "rows_train": len(fitted.train),
        "rows_heldout": len(fitted.heldout),
        "split": "by group" if rows.group is not None else "at random" if rows.time is None else "by time",
        "n_groups": None if rows.group is None else len(np.unique(rows.group)),
        "fingerprint": table.fingerprint(),
        "columns": columns,
        **({} if (given := fitted.model.covariates) is None else {"given": [c.column.name for c in given.columns]}),
    }


def _training(fitted: FittedLatent) -> dict[str, Any]:
    """The mean bound of each epoch, in nats a row of the standardised columns, at up to 200 epochs."""
    trained = fitted.trained
    epochs = len(trained.training)
    places = np.unique(np.linspace(0, epochs - 1, min(epochs, _MOST_EPOCHS)).round().astype(int))
    found: dict[str, Any] = {"epoch": places + 1, "training": np.asarray(trained.training, float)[places]}
    if np.isfinite(trained.validation).any():
        found["validation"] = np.asarray(trained.validation, float)[places]
    return found
