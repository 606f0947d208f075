"""A conditional model on rows of another table: its record with fresh figures and calibration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacit.workflow.conditional_table import ConditionalTable


def judged_again(model: ConditionalTable, manifest: dict[str, Any], data: str) -> dict[str, Any]:
    """The record of the fit with figures, calibration and warnings of the rows of DATA in place of its own.

    Baselines are left out: they were fitted to rows that are not at hand.
    """
    from tacit.data.findings import Finding
    from tacit.data.schema import Schema
    from tacit.data.table import read_table
    from tacit.workflow.conditional_job import part_in, worth_of
    from tacit.workflow.conditional_record import worth_record
    from tacit.workflow.json_values import as_json

    record = manifest["record"]
    table = read_table(data)
    part, _ = part_in(model, table, Schema.from_dict(manifest["schema"]))
    worth = worth_of(model, part, seed=int(record["settings"]["seed"]))
    findings = list(worth.findings)
    if table.fingerprint() == record["data"]["fingerprint"]:
        message = "These are the rows that the model was fitted on: figures and calibration are too good."
        findings.append(Finding("warning", "same-rows", message, mend="Give rows that took no part in the fit."))
    kept = {
        key: value
        for key, value in record.items()
        if key not in ("heldout", "differences", "numbers", "calibration", "more_calibration")
    }
    fresh = {
        **kept,
        **worth_record(worth),
        "judged_on": Path(data).name if data != "-" else "standard input",
        "verdict": {**record["verdict"], "kept": ""},
        "warnings": [finding.to_dict() for finding in findings],
    }
    clean: dict[str, Any] = as_json(fresh)
    return clean
