"""tacit fit of a deep latent-variable model: all columns by a code, or by continuous latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tacit._errors import UsageError
from tacit.cli import options
from tacit.cli.checkpoints import checkpoints
from tacit.cli.console import watched
from tacit.cli.failures import note
from tacit.cli.latent_plan import chosen, plan_for
from tacit.cli.preparing import read_schema
from tacit.cli.tables import check_outputs, write_json

if TYPE_CHECKING:
    from tacit.data.schema import Schema
    from tacit.training import Checkpoints


def fit_and_tell(
    data: str,
    output: str,
    report: str | None,
    *,
    model: str,
    k: str,
    settings: Sequence[str],
    image: str | None,
    targets: Sequence[str],
    show_rows: bool,
    checkpoint_every: str | None,
    resume: bool,
    force: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Fit the columns of DATA by a deep model, write the model file and the report, and print what it is worth."""
    check_outputs(output, report, force=force, stdout=False)
    estimator = chosen(model, options.pairs(settings, "--set"), k)
    shape = None if image is None else options.image_shape(image)
    estimator.set_params(image=shape)
    kept = checkpoints(output, checkpoint_every, resume)
    told: dict[str, Any] = {"targets": targets, "show_rows": show_rows, "force": force, "kept": kept, **more}
    record = _fit_and_write(data, output, report, model, estimator, shape, **told)
    if kept is not None:
        kept.remove()
    if as_json:
        write_json("fit", {"model": output, "report": report, "record": record})
        return
    from tacit.cli.latent_words import latent_in_words

    click.echo(latent_in_words(record))
    click.echo("")
    for path in filter(None, (output, report)):
        click.echo(f"wrote {path}")
    rows = f" {data}" if targets else ""
    click.echo(f"try   tacit latent {output} {data}\n      tacit sample {output}{rows} -n 5")


def _fit_and_write(
    data: str,
    output: str,
    report: str | None,
    model: str,
    estimator: Any,
    image: tuple[int, int] | None,
    *,
    targets: Sequence[str],
    show_rows: bool,
    kept: Checkpoints | None,
    holdout: float,
    seed: int,
    refit: bool,
    force: bool,
    command_line: str,
    **reading: Any,
) -> dict[str, Any]:
    from tacit.cli.words import finding_lines
    from tacit.data.check import check
    from tacit.data.encode import encode
    from tacit.data.table import read_table
    from tacit.workflow.latent_file import save_latent
    from tacit.workflow.latent_fit import cut, fit_latent, founding_findings
    from tacit.workflow.latent_job import worth_of
    from tacit.workflow.latent_networks import check_pixels
    from tacit.workflow.latent_pictures import picture_record
    from tacit.workflow.latent_pixels import pixels_as_numbers
    from tacit.workflow.latent_record import latent_record
    from tacit.workflow.latent_rows import with_likelihood

    plan = replace(plan_for(model, estimator), kept=kept)
    if show_rows and plan.decoder != "independent":
        what = "rows are shown beside what the code gives of them, and this decoder needs the row itself."
        raise UsageError(what, where="--show-rows", mend="Leave it out, or use --set decoder=independent.")
    table = read_table(data)
    schema = whole = read_schema(table, **reading)
    inputs = None
    if targets:
        schema, inputs = cut(table, whole, targets)
    likelihood = plan.likelihood(estimator.likelihood)
    guessed = image is not None and likelihood == "auto" and reading["schema"] is None and not reading["types"]
    if image is not None and guessed:
        schema = pixels_as_numbers(table, schema, image[0] * image[1])
    schema = plan.units(with_likelihood(table, schema, likelihood))
    if image is not None:
        check_pixels(image, schema, "--image")
    if guessed:
        _tell_of_pixels(schema)
    checked, rows = check(table, whole if targets else schema), encode(schema, table)
    for finding in founding_findings(plan, schema, rows):
        note("\n".join(finding_lines(finding.to_dict())))
    with watched() as progress:
        training: dict[str, Any] = {"inputs": inputs, "holdout": holdout, "refit": refit, "seed": seed}
        fitted = fit_latent(schema, rows, plan, progress=progress, **training)
        progress("judging", 0, 1)
        worth = worth_of(fitted, rows, model, inputs)
        progress("judging", 1, 1)
        progress("describing", 0, 1)
        pictures = {} if targets else picture_record(fitted, rows, table)
        progress("describing", 1, 1)
    asked = {"likelihood": estimator.likelihood, "holdout": holdout, "refit": refit, "seed": seed}
    told: dict[str, Any] = {"title": Path(data).name, "image": image, "command": command_line}
    record = latent_record(table, checked, rows, plan, fitted, worth, asked=asked, **told) | pictures
    names = [column.name for column in schema.columns]
    given = [] if inputs is None else list(inputs.schema.names)
    saved = {"kind": "dict", "names": names, "covariates": given, "parameters": estimator._parameters(seed)}
    save_latent(fitted.model, record, output, force=force, estimator=saved)
    if report is not None:
        from tacit.cli.latent_pictures import latent_pictures
        from tacit.report import write_report

        shown = None if targets else latent_pictures(fitted.model, rows, seed, record, show_rows=show_rows)
        write_report(report, record, shown, force=force)  # type: ignore[arg-type]
    return record


def _tell_of_pixels(schema: Schema) -> None:
    """Say how the pixels of an image were read, since nobody said it."""
    kinds = {column.kind for column in schema.modelled}
    read = {"real": "real numbers (likelihood gaussian)", "binary": "0 or 1 (likelihood bernoulli)"}
    if len(kinds) == 1 and (kind := kinds.pop()) in read:
        text = f"note: the pixels of the image are all read as {read[kind]}; --set likelihood says another way."
        note(text)
