"""The record of a fit as plain JSON values: what the report shows and the model file keeps."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from tacit.data.check import CheckReport
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.data.table import Table
from tacit.evaluation.selection import Selection
from tacit.workflow.anomalies import anomalies
from tacit.workflow.describe import components
from tacit.workflow.findings import fit_findings
from tacit.workflow.fit_table import FittedTable, Job
from tacit.workflow.json_values import as_json
from tacit.workflow.made_by import made_by

_RANK = {"error": 0, "warning": 1, "note": 2}
_ODD_ROWS = 10
_ODD_COLUMNS = 3


def make_record(
    table: Table,
    checked: CheckReport,
    rows: Rows,
    job: Job,
    fitted: FittedTable,
    *,
    title: str,
    command: str | None = None,
    odd_rows: int = _ODD_ROWS,
) -> dict[str, Any]:
    """The record of a fit of `rows`, encoded from `table`; `command` is what repeats it.

    It names up to `odd_rows` anomalies, by their places and the columns that make them odd.
    """
    model, selection = fitted.model, fitted.selection
    odd = anomalies(model, rows, rate=min(odd_rows / len(rows), 1.0), seed=job.seed)[:odd_rows] if odd_rows else []
    found = [*fit_findings(fitted, job, rows), *found_in_table(checked)]
    found.sort(key=lambda finding: _RANK[finding.severity])
    record = {
        "title": title,
        "created": time.strftime("%Y-%m-%d"),
        "model": "mixture",
        "k": model.mixture.n_components,
        "verdict": verdict(fitted),
        "warnings": [as_warning(finding) for finding in found],
        "data": data_record(table, checked, rows, fitted, model.schema.with_role("group") is not None),
        "selection": choice(selection),
        "heldout": [figure.to_dict() for figure in fitted.figures],
        "differences": [figure.to_dict() for figure in fitted.differences],
        "restarts": _restarts(fitted, rows.take(fitted.train)),
        "components": components(model, rows.weight.sum()),
        "anomalies": [
            {
                "row": anomaly.row + 1,
                "p_value": anomaly.p_value,
                "columns": [{"column": name, "surprise": value} for name, value in anomaly.surprise[:_ODD_COLUMNS]],
            }
            for anomaly in odd
        ],
        "settings": settings(job),
        **made_by(),
        "seconds": fitted.seconds,
    }
    if fitted.agreement is not None:
        n = sum(fit.finished for fit in selection.candidate.starts)
        record["agreement"] = {"ari": fitted.agreement, "of": f"the {n} finished starts"}
    if command is not None:
        record["command"] = command
    clean: dict[str, Any] = as_json(record)
    return clean


def verdict(fitted: FittedTable) -> dict[str, str]:
    """How EM ended, in a word and in a sentence."""
    fit = fitted.fit
    text = ending(fit.verdict, fit.steps, fit.drop)
    if fitted.refitted:
        text += " The figures are those of the fit to the training rows; the model kept goes on from it over all rows."
    elif len(fitted.heldout):
        text += " The model kept is the one fitted to the training rows."
    return {"status": fit.verdict, "text": text}


def choice(selection: Selection) -> dict[str, Any]:
    """How the number of components was chosen, its rule as a sentence."""
    return {**selection.to_dict(), "rule": f"{selection.rule[0].upper()}{selection.rule[1:]}."}


def ending(status: str, steps: int, drop: float) -> str:
    """How EM ended, in a sentence; `drop` is the largest fall of its log-likelihood, nats a row."""
    return {
        "converged": f"EM converged after {steps} steps.",
        "ran out of steps": f"EM stopped after {steps} steps before it had converged.",
        "decreased": f"EM's log-likelihood fell by {drop:.2g} nats a row between two steps before it settled.",
        "non-finite": "EM met a step that is not finite.",
    }.get(status, f"EM {status} after {steps} steps.")


def settings(job: Job) -> dict[str, Any]:
    """Everything that was set, by name."""
    ks = str(job.ks[0]) if len(job.ks) == 1 else f"{min(job.ks)}:{max(job.ks)}"
    others = {name: value for name, value in asdict(job).items() if name not in ("ks", "settings")}
    return {"k": ks, **others, **asdict(job.settings)}


def found_in_table(checked: CheckReport) -> list[Finding]:
    """What was found in the table, with one note on all columns that lack some cells."""
    found = [finding for finding in checked.findings if (finding.severity, finding.code) != ("note", "missing")]
    holed = [column for column in checked.columns if column.role == "model" and column.kind != "id" and column.missing]
    if holed:
        message = (
            f"{sum(column.missing for column in holed):,} cells of {len(holed)} columns are missing. They are taken as "
            "missing at random: given the cells that are there, being missing says nothing about the value."
        )
        found.append(Finding("note", "missing-at-random", message))
    return found


def as_warning(finding: Finding) -> dict[str, Any]:
    """A finding as a report shows it."""
    severity = "note" if finding.severity == "note" else "warning"
    return {**finding.to_dict(), "severity": severity}


def data_record(table: Table, checked: CheckReport, rows: Rows, fitted: Any, grouped: bool) -> dict[str, Any]:
    """The table, its columns and how its rows were split; `fitted` has the places of `train` and `heldout`."""
    columns = [
        {
            "name": column.name,
            "kind": column.kind if column.role in ("model", "ignored") else column.role,
            "why": column.why,
            "missing": column.missing,
            "distinct": column.distinct,
            "summary": column.told,
            "floor": column.floor or None,
        }
        for column in checked.columns
    ]
    return {
        "source": checked.source,
        "rows": checked.n_rows,
        "rows_train": len(fitted.train),
        "rows_heldout": len(fitted.heldout),
        "split": "by group" if grouped else "at random" if rows.time is None else "by time",
        "n_groups": None if rows.group is None else len(np.unique(rows.group)),
        "fingerprint": table.fingerprint(),
        "columns": columns,
    }


def _restarts(fitted: FittedTable, train: Rows) -> list[dict[str, Any]]:
    """Every start of the chosen number of components, in nats a row and the user's units."""
    total, jacobian = train.weight.sum(), train.weight @ train.log_jacobian
    return [
        {
            "start": fit.start + 1,
            "k": fitted.selection.chosen,
            "stage": "finished" if fit.finished else "given up early",
            "log_likelihood": (fit.log_likelihood + jacobian) / total,
            "iterations": fit.steps,
            "verdict": fit.verdict,
        }
        for fit in fitted.selection.candidate.starts
    ]
