"""tacit fit with a target: the conditional density of some columns given the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tacit.cli.checkpoints import check_trained, checkpoints
from tacit.cli.conditional_plan import with_plan
from tacit.cli.console import announce, watched
from tacit.cli.preparing import read_schema
from tacit.cli.tables import check_outputs, write_json


def fit_and_tell(
    data: str,
    output: str,
    report: str | None,
    *,
    targets: Sequence[str],
    k: str,
    holdout: float,
    seed: int,
    settings: Sequence[str],
    refit: bool,
    force: bool,
    as_json: bool,
    command_line: str,
    checkpoint_every: str | None,
    resume: bool,
    **reading: Any,
) -> None:
    """Fit p(targets | the other columns), write the model file and the report, and print what it is worth."""
    from tacit.workflow.conditional_job import ConditionalJob

    check_outputs(output, report, force=force, stdout=False)
    job = with_plan(ConditionalJob(tuple(targets), holdout=holdout, seed=seed, refit=refit), settings, k)
    if job.plan.inference == "em":
        check_trained(checkpoint_every, resume, "a mixture of regressions")
    kept = checkpoints(output, checkpoint_every, resume)
    job = replace(job, plan=replace(job.plan, kept=kept))
    record = _fit_and_write(data, output, report, job, force=force, command_line=command_line, **reading)
    if kept is not None:
        kept.remove()
    if as_json:
        write_json("fit", {"model": output, "report": report, "record": record})
        return
    from tacit.cli.conditional_words import conditional_in_words

    click.echo(conditional_in_words(record))
    click.echo("")
    for path in filter(None, (output, report)):
        click.echo(f"wrote {path}")
    click.echo(
        f"try   tacit predict {output} {data} --quantiles 0.05,0.5,0.95\n      tacit sample {output} {data} -n 5"
    )


def _fit_and_write(
    data: str, output: str, report: str | None, job: Any, *, force: bool, command_line: str, **reading: Any
) -> dict[str, Any]:
    from tacit.data.check import check
    from tacit.data.table import read_table
    from tacit.workflow.conditional_estimate import conditional_estimate
    from tacit.workflow.conditional_file import save_conditional
    from tacit.workflow.conditional_fit import cut
    from tacit.workflow.conditional_job import run
    from tacit.workflow.conditional_record import conditional_record

    table = read_table(data)
    schema = read_schema(table, **reading)
    task = cut(table, schema, job.targets, support=job.support)
    checked = check(table, schema)
    announce(*conditional_estimate(len(task.counted), len(task.inputs.names), len(job.targets), job))
    with watched() as progress:
        fitted, worth = run(task, job, progress=progress)
        progress("describing", 0, 1)
        record = conditional_record(
            task, schema, checked, job, fitted, worth, title=Path(data).name, command=command_line
        )
        progress("describing", 1, 1)
    save_conditional(fitted.model, record, schema, output, force=force)
    if report is not None:
        from tacit.report import write_report

        write_report(report, record, force=force)  # type: ignore[arg-type]
    return record
