"""tacit fit of a linear-Gaussian model: probabilistic PCA or factor analysis of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tacit._errors import UsageError
from tacit.cli import options
from tacit.cli.console import watched
from tacit.cli.latent_plan import chosen
from tacit.cli.preparing import read_schema
from tacit.cli.tables import check_outputs, write_json

_YES = {"yes": True, "no": False}


def fit_and_tell(
    data: str,
    output: str,
    report: str | None,
    *,
    model: str,
    k: str,
    settings: Sequence[str],
    force: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Fit the columns of DATA, write the model file and the report, and print what it is worth."""
    check_outputs(output, report, force=force, stdout=False)
    pairs = dict(options.pairs(settings, "--set"))
    text = pairs.pop("standardise", "yes")
    if text not in _YES:
        raise UsageError(f"{text!r} is neither yes nor no.", where="--set standardise", mend="Write one of them.")
    estimator = chosen(model, pairs, k).set_params(standardise=_YES[text])
    record = _fit_and_write(data, output, report, estimator, force=force, **more)
    if as_json:
        write_json("fit", {"model": output, "report": report, "record": record})
        return
    from tacit.cli.linear_words import linear_in_words

    click.echo(linear_in_words(record))
    click.echo("")
    for path in filter(None, (output, report)):
        click.echo(f"wrote {path}")
    click.echo(f"try   tacit latent {output} {data}\n      tacit anomalies {output} {data}")


def _fit_and_write(
    data: str,
    output: str,
    report: str | None,
    estimator: Any,
    *,
    holdout: float,
    seed: int,
    refit: bool,
    force: bool,
    command_line: str,
    **reading: Any,
) -> dict[str, Any]:
    from tacit import persistence
    from tacit.data.check import check
    from tacit.data.encode import encode
    from tacit.data.table import read_table
    from tacit.estimators.linear_gaussian import job_of
    from tacit.workflow.linear_fit import fit_linear_table
    from tacit.workflow.linear_record import linear_record
    from tacit.workflow.linear_table import check_columns, numbers_as_real
    from tacit.workflow.model_file import linear_manifest

    estimator.set_params(random_state=seed)
    job = replace(job_of(estimator), holdout=holdout, refit=refit)
    table = read_table(data)
    schema = read_schema(table, **reading)
    if reading["schema"] is None:
        schema = numbers_as_real(table, schema)
    check_columns(schema, data)
    checked, rows = check(table, schema), encode(schema, table)
    with watched() as progress:
        fitted = fit_linear_table(schema, rows, job, progress=progress)
        progress("describing", 0, 1)
        record = linear_record(table, checked, rows, job, fitted, title=Path(data).name, command=command_line)
        progress("describing", 1, 1)
    names = [column.name for column in schema.columns]
    saved = {"kind": "dict", "names": names, "parameters": estimator._parameters(seed)}
    found = {**linear_manifest(fitted.model, record), "estimator": saved}
    persistence.save(fitted.model, output, manifest=found, force=force)
    if report is not None:
        from tacit.cli.pictures import pictures
        from tacit.report import write_report

        write_report(report, record, pictures(fitted.model, rows, seed), force=force)  # type: ignore[arg-type]
    return record
