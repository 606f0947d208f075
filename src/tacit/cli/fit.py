"""tacit fit: choose, fit, judge on rows that took no part, keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tacit._errors import UsageError
from tacit.cli import checkpoints, options
from tacit.cli.console import announce, watched
from tacit.cli.preparing import prepare, with_settings
from tacit.cli.tables import check_outputs, write_json

DEEP = ("discrete-vae", "vae")  # models by networks with a latent
LINEAR = "linear-gaussian"
FITTING = options.together(
    click.option("-k", "k", default="auto", show_default=True, metavar="auto|5|1:8", help="Number of components."),
    click.option(
        "--holdout",
        metavar="SHARE",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.2,
        show_default=True,
        help="Share of the rows that judges; 0 for none.",
    ),
    options.SEED,
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="How the fit runs, such as n_starts=20, or with --target search=none, latent=concrete.",
    ),
)
TARGET = click.option(
    "--target", "targets", multiple=True, metavar="COL", help="Predict this column from the others; may repeat."
)


@click.command("fit")
@options.DATA
@click.option("-o", "--output", metavar="M.tacit", help="The model file to write; here, named after DATA, unless told.")
@click.option("--report", metavar="R.html", help="Also write a report, one page that works offline.")
@TARGET
@click.option(
    "--model",
    type=click.Choice(["auto", "mixture", "conditional-mixture", LINEAR, *DEEP]),
    default="auto",
    show_default=True,
    help="What to fit: all columns jointly, or the targets given the others.",
)
@FITTING
@click.option(
    "--select",
    type=click.Choice(["density", "segments"]),
    default="density",
    show_default=True,
    help="Choose k for the density (cross-validation), or for segments (ICL, components merged).",
)
@click.option("--image", metavar="HxW", help="Each row is an image of this shape: the report shows some drawn.")
@options.SHOW_ROWS
@checkpoints.OPTIONS
@click.option("--no-refit", is_flag=True, help="Keep the model of the training rows, without the held-out ones.")
@options.SCHEMA
@options.FORCE
@options.JSON
@click.pass_obj
def command(
    command_line: str,
    data: str,
    output: str | None,
    report: str | None,
    targets: tuple[str, ...],
    model: str,
    k: str,
    holdout: float,
    seed: int,
    settings: tuple[str, ...],
    select: Any,
    image: str | None,
    show_rows: bool,
    no_refit: bool,
    checkpoint_every: str | None,
    resume: bool,
    force: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Learn the density of the table DATA, and say what it is worth.

    Settings, such as the number of components, are chosen inside the training rows; the held-out rows are read once,
    for the figures; then the model is refitted on all rows and written to M.tacit.

    With --target the model is the density of that column given the others, by an ensemble of networks: at any values
    of the others it has as many modes as the data show. With --model discrete-vae it is a code of discrete latents
    from which a network gives all columns, with vae of continuous ones, and with linear-gaussian the map is linear and
    everything exact; their parameters are set by --set, such as n_latents=20. With vae and --target it is the density
    of the targets given the other columns.
    """
    check_model(model, targets)
    output = output or named_after(data)
    if image is not None and model not in DEEP:
        mend = f"Use it with --model {' or '.join(DEEP)}."
        raise UsageError("only deep models show images.", where="--image", mend=mend)
    if show_rows and (image is None or report is None):
        mend = "Use it with --image HxW and --report R.html, or leave it out."
        raise UsageError("rows are shown as images in a report.", where="--show-rows", mend=mend)
    asked: dict[str, Any] = {"k": k, "holdout": holdout, "seed": seed, "settings": settings, "refit": not no_refit}
    told: dict[str, Any] = {"force": force, "as_json": as_json, "command_line": command_line}
    kept: dict[str, Any] = {"checkpoint_every": checkpoint_every, "resume": resume}
    if model == LINEAR or not (targets or model in DEEP):
        checkpoints.check_trained(**kept, model="this model")
    if model in (LINEAR, *DEEP):
        from tacit.cli import latent_fit, linear_fit

        if select != "density":
            mend = "Leave --select out, or use --model mixture."
            raise UsageError("segments are of a mixture found by EM.", where="--select", mend=mend)
        if model == LINEAR:
            linear_fit.fit_and_tell(data, output, report, model=model, **asked, **told, **reading)
            return
        pictures: dict[str, Any] = {"image": image, "show_rows": show_rows, "targets": targets}
        latent_fit.fit_and_tell(data, output, report, model=model, **pictures, **kept, **asked, **told, **reading)
        return
    if targets:
        from tacit.cli.conditional_fit import fit_and_tell

        if select != "density":
            mend = "Leave --select out, or --target."
            raise UsageError("segments are of a joint mixture, which has no target.", where="--select", mend=mend)
        fit_and_tell(data, output, report, targets=targets, **kept, **asked, **told, **reading)
        return
    from tacit.workflow.fit_table import Job

    ks = options.numbers_of_components(k)
    check_outputs(output, report, force=force, stdout=False)
    job = Job(ks=ks, select=select, holdout=holdout, seed=seed, refit=not no_refit)
    job = with_settings(job, settings)
    record = fit_and_write(data, output, report, job, force=force, command_line=command_line, **reading)
    if as_json:
        write_json("fit", {"model": output, "report": report, "record": record})
        return
    from tacit.cli.words import fit_in_words

    click.echo(fit_in_words(record))
    click.echo("")
    for path in filter(None, (output, report)):
        click.echo(f"wrote {path}")
    click.echo(f"try   tacit sample {output} -n 5\n      tacit anomalies {output} {data}")


def named_after(data: str) -> str:
    """The model file of a table, in this folder; raises `UsageError` where rows come from standard input."""
    if data == "-":
        raise UsageError("rows of standard input name no model file.", where="-o", mend="Name one: -o M.tacit.")
    return f"{Path(data.removesuffix('.gz')).stem}.tacit"


def check_model(model: str, targets: tuple[str, ...]) -> None:
    """Raise `UsageError` where the model and the targets do not go together."""
    if model == "mixture" and targets:
        mend = "Leave --target out and name it in tacit predict, or use --model conditional-mixture."
        raise UsageError("a joint mixture has no target: it predicts any column.", where="--target", mend=mend)
    if model in (LINEAR, "discrete-vae") and targets:
        mend = "Leave --target out, or use --model conditional-mixture or vae."
        raise UsageError(f"{model} has no target: it models all columns.", where="--target", mend=mend)
    if model == "conditional-mixture" and not targets:
        mend = "Name what it is to predict with --target COL."
        raise UsageError("a conditional mixture needs a target.", where="--model", mend=mend)


def fit_and_write(
    data: str, output: str, report: str | None, job: Any, *, force: bool, command_line: str, **reading: Any
) -> dict[str, Any]:
    """Fit DATA, write the model file and the report, and give the record."""
    from tacit.workflow.estimate import estimate
    from tacit.workflow.fit_table import fit_table
    from tacit.workflow.model_file import save_model
    from tacit.workflow.record import make_record

    prepared = prepare(data, **reading)
    schema, rows = prepared.schema, prepared.rows
    announce(*estimate(schema, rows, job))
    with watched() as progress:
        fitted = fit_table(schema, rows, job, progress=progress)
        progress("describing", 0, 1)
        record = make_record(
            prepared.table, prepared.checked, rows, job, fitted, title=Path(data).name, command=command_line
        )
        progress("describing", 1, 1)
    save_model(fitted, record, output, force=force)
    if report is not None:
        from tacit.cli.pictures import pictures
        from tacit.report import write_report

        write_report(report, record, pictures(fitted.model, rows, job.seed), force=force)  # type: ignore[arg-type]
    return record
