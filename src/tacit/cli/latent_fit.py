"""tacit fit of a deep latent-variable model: all columns by a code, or by continuous latents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tacit._errors import UsageError
from tacit.cli import options
from tacit.cli.console import watched
from tacit.cli.latent_plan import chosen, plan_for
from tacit.cli.preparing import read_schema
from tacit.cli.tables import check_outputs, write_json

if TYPE_CHECKING:
    from tacit.data.schema import Schema


def fit_and_tell(
    data: str,
    output: str,
    report: str | None,
    *,
    model: str,
    k: str,
    settings: Sequence[str],
    image: str | None,
    show_rows: bool,
    force: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Fit the columns of DATA by a deep model, write the model file and the report, and print what it is worth."""
    check_outputs(output, report, force=force, stdout=False)
    estimator = chosen(model, options.pairs(settings, "--set"), k)
    shape = None if image is None else options.image_shape(image)
    record = _fit_and_write(data, output, report, model, estimator, shape, show_rows=show_rows, force=force, **more)
    if as_json:
        write_json("fit", {"model": output, "report": report, "record": record})
        return
    from tacit.cli.latent_words import latent_in_words

    click.echo(latent_in_words(record))
    click.echo("")
    for path in filter(None, (output, report)):
        click.echo(f"wrote {path}")
    click.echo(f"try   tacit latent {output} {data}\n      tacit sample {output} -n 5")


def _fit_and_write(
    data: str,
    output: str,
    report: str | None,
    model: str,
    estimator: Any,
    image: tuple[int, int] | None,
    *,
    show_rows: bool,
    holdout: float,
    seed: int,
    refit: bool,
    force: bool,
    command_line: str,
    **reading: Any,
) -> dict[str, Any]:
    from tacit.data.check import check
    from tacit.data.encode import encode
    from tacit.data.table import read_table
    from tacit.workflow.latent_file import save_latent
    from tacit.workflow.latent_fit import fit_latent
    from tacit.workflow.latent_job import worth_of
    from tacit.workflow.latent_pictures import picture_record
    from tacit.workflow.latent_record import latent_record
    from tacit.workflow.latent_rows import with_likelihood

    plan = plan_for(model, estimator)
    table = read_table(data)
    schema = with_likelihood(table, read_schema(table, **reading), estimator.likelihood)
    check_image(image, schema)
    checked, rows = check(table, schema), encode(schema, table)
    with watched() as progress:
        fitted = fit_latent(schema, rows, plan, holdout=holdout, refit=refit, seed=seed, progress=progress)
        progress("judging", 0, 1)
        worth = worth_of(fitted, rows, model)
        progress("judging", 1, 1)
        progress("describing", 0, 1)
        pictures = picture_record(fitted, rows, table)
        progress("describing", 1, 1)
    asked = {"likelihood": estimator.likelihood, "holdout": holdout, "refit": refit, "seed": seed}
    told: dict[str, Any] = {"title": Path(data).name, "image": image, "command": command_line}
    record = latent_record(table, checked, rows, plan, fitted, worth, asked=asked, **told) | pictures
    names = [column.name for column in schema.columns]
    saved = {"kind": "dict", "names": names, "parameters": estimator._parameters(seed)}
    save_latent(fitted.model, record, output, force=force, estimator=saved)
    if report is not None:
        from tacit.cli.latent_pictures import latent_pictures
        from tacit.report import write_report

        shown = latent_pictures(fitted.model, rows, seed, record, show_rows=show_rows)
        write_report(report, record, shown, force=force)  # type: ignore[arg-type]
    return record


def check_image(image: tuple[int, int] | None, schema: Schema) -> None:
    """Raise `UsageError` where a row has not as many columns as the image has pixels."""
    d = len(schema.names)
    if image is not None and image[0] * image[1] != d:
        what = f"{image[0]} x {image[1]} pixels are not the {d} columns of a row."
        raise UsageError(what, where="--image", mend="Give height x width, and --drop columns that are no pixels.")
