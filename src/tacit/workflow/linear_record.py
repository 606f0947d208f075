"""The record of a linear-Gaussian fit as plain JSON values: what the report shows and the model file keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from tacit.data.check import CheckReport
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.data.table import Table
from tacit.workflow.anomalies import anomalies
from tacit.workflow.json_values import as_json
from tacit.workflow.linear_fit import LinearFitted
from tacit.workflow.linear_job import NAME, LinearJob
from tacit.workflow.linear_table import LinearTable
from tacit.workflow.made_by import made_by
from tacit.workflow.record import as_warning, data_record, found_in_table

_RANK = {"error": 0, "warning": 1, "note": 2}
_ODD_ROWS, _ODD_COLUMNS = 10, 3
_MOST_STEPS = 200  # points of a training curve
_MOST_LATENTS, _MOST_LOADINGS = 12, 6
_FEW_HELDOUT = 30
_NORMAL_95 = 1.96
_AT_FLOOR = 1.01
_NOTABLE_GAP = 0.01  # nats a row
_NOTABLE_DIFFERENCE = 0.01  # between starts, nats a row
_HOW = {
    "em": "expectation maximisation",
    "local": "variational parameters of every row",
    "amortised": "an encoder and the model in turn",
    "joint": "an encoder and the model together",
}


def linear_record(
    table: Table,
    checked: CheckReport,
    rows: Rows,
    job: LinearJob,
    fitted: LinearFitted,
    *,
    title: str,
    command: str | None = None,
    odd_rows: int = _ODD_ROWS,
) -> dict[str, Any]:
    """The record of a fit of `rows`, encoded from `table`; `command` is what repeats it."""
    model = fitted.model
    odd = anomalies(model, rows, rate=min(odd_rows / len(rows), 1.0), seed=job.seed)[:odd_rows] if odd_rows else []
    found = sorted([*findings(fitted), *found_in_table(checked)], key=lambda finding: _RANK[finding.severity])
    record = {
        "title": title,
        "created": time.strftime("%Y-%m-%d"),
        "model": NAME,
        "verdict": _verdict(fitted, job),
        "warnings": [as_warning(finding) for finding in found],
        "data": data_record(table, checked, rows, fitted, model.schema.with_role("group") is not None),
        "heldout": [figure.to_dict() for figure in fitted.figures],
        "differences": [figure.to_dict() for figure in fitted.differences],
        "loadings": loadings(model),
        "inference": {
            "name": job.inference,
            "log_likelihood": fitted.log_likelihood,
            "bound": fitted.bound,
            "gap": fitted.gap,
            "starts": list(fitted.starts),
        },
        "training": _training(fitted),
        "anomalies": [
            {
                "row": anomaly.row + 1,
                "p_value": anomaly.p_value,
                "columns": [{"column": name, "surprise": value} for name, value in anomaly.surprise[:_ODD_COLUMNS]],
            }
            for anomaly in odd
        ],
        "settings": {name: "none" if value is None else value for name, value in asdict(job).items()},
        **made_by(),
        "seconds": fitted.seconds,
    }
    if command is not None:
        record["command"] = command
    clean: dict[str, Any] = as_json(record)
    return clean


def loadings(model: LinearTable) -> list[dict[str, Any]]:
    """Of each latent its share of the variance of all columns, and the columns that load most on it.

    A loading is the correlation of column and latent, so columns in any units can be compared.
    """
    variance = model.noise + np.sum(model.loadings**2, axis=0)
    correlations = model.loadings / np.sqrt(variance)
    names = model.schema.layout.normal
    return [
        {
            "latent": number,
            "share": float(np.mean(row**2)),
            "columns": [
                {"column": names[j], "correlation": float(row[j])} for j in np.argsort(-np.abs(row))[:_MOST_LOADINGS]
            ],
        }
        for number, row in enumerate(correlations[:_MOST_LATENTS], start=1)
    ]


def findings(fitted: LinearFitted) -> Iterator[Finding]:
    """What a person should know about the fit."""
    apart = max(fitted.starts, default=0.0) - min(fitted.starts, default=0.0)
    if apart > _NOTABLE_DIFFERENCE:
        more = 4 * len(fitted.starts)
        message = f"{len(fitted.starts)} starts ended up to {apart:.2g} nats a row apart; the best was kept."
        yield Finding("note", "starts-differ", message, mend=f"Look further: n_init={more} (--set n_init={more}).")
    for gap in fitted.differences:
        least = _NORMAL_95 * (gap.standard_error or 0.0)
        if gap.value <= least:
            worse = "clearly worse" if gap.value < -least else "not clearly better"
            message = f"On held-out rows the model is {worse} than the plain baseline ({gap.name})."
            yield Finding("warning", "no-better", message, mend="Ask for another number of latents.")
    if 0 < len(fitted.heldout) < _FEW_HELDOUT:
        message = f"The held-out figures rest on {len(fitted.heldout)} rows only."
        yield Finding("warning", "few-heldout", message, mend="Give more rows.")
    if fitted.gap > _NOTABLE_GAP:
        message = f"The trained q costs {fitted.gap:.2g} nats a row: that far is its bound below the log-likelihood."
        mend = "Figures are exact all the same; the model may be better with inference='em', or more steps."
        yield Finding("note", "gap", message, mend=mend)
    schema = fitted.model.schema
    floors = np.array([schema[name].floor for name in schema.layout.normal])
    held = np.flatnonzero(fitted.model.noise <= _AT_FLOOR * floors**2)
    if len(held):
        names = ", ".join(schema.layout.normal[j] for j in held[:4])
        message = f"The noise of {len(held)} columns is held up by the floor ({names}): latents say all of them."
        yield Finding("warning", "noise-floor", message, mend="Ask for fewer latents, or leave repeated columns out.")


def _verdict(fitted: LinearFitted, job: LinearJob) -> dict[str, str]:
    """How the fit ended, in a word and in a sentence."""
    text = f"Fitted by {_HOW[job.inference]}, {len(fitted.bounds):,} steps over the rows."
    if fitted.status == "stalled":
        text += f" No step raises the bound any more, and it is {fitted.gap:.2g} nats a row below the log-likelihood:"
        text += " the columns nearly determine each other. Expectation maximisation comes further (inference=em)."
    elif fitted.status != "converged":
        text += f" The bound was still rising: more may be had with max_iter={2 * job.steps}."
    kept = ""
    if fitted.refitted:
        kept = "The figures are those of the model of the training rows; the one kept has seen all rows."
    elif len(fitted.heldout):
        kept = "The model kept is the one of the training rows."
    return {"status": fitted.status, "text": text, "kept": kept}


def _training(fitted: LinearFitted) -> dict[str, Any]:
    """The mean bound of each step, in nats a row, at up to 200 steps."""
    steps = len(fitted.bounds)
    places = np.unique(np.linspace(0, steps - 1, min(steps, _MOST_STEPS)).round().astype(int))
    return {"epoch": places + 1, "training": np.asarray(fitted.bounds, float)[places]}
