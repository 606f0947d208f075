"""tacit report: the report of a model file, again or on other rows."""

from __future__ import annotations

import click

from tacit._errors import UsageError
from tacit.cli import options
from tacit.cli.conditional_again import judged_again
from tacit.cli.failures import note
from tacit.cli.tables import check_outputs, read_rows, write_json


@click.command("report")
@options.MODEL
@click.argument("data", type=click.Path(allow_dash=True), required=False)
@click.option("-o", "--output", required=True, metavar="R.html", help="The page to write.")
@options.SHOW_ROWS
@options.together(options.FORCE, options.JSON)
def command(model: str, data: str | None, output: str, show_rows: bool, force: bool, as_json: bool) -> None:
    """The report that tacit fit --report writes: one page that works offline.

    With DATA its pictures show those rows beside the model; the figures stay those of the fit. Of a model that was
    fitted with --target the figures and the calibration are those of DATA, which needs the target.
    """
    from tacit.cli.latent_pictures import latent_pictures
    from tacit.cli.pictures import pictures
    from tacit.persistence.reading import reading_manifest
    from tacit.report import write_report
    from tacit.workflow.any_file import load_any, sort_of

    check_outputs(output, force=force, stdout=False)
    fitted, manifest = load_any(model)
    if sort_of(fitted) == "conditional":
        with reading_manifest(model):
            record = manifest["record"] if data is None else judged_again(fitted, manifest, data)
            write_report(output, record, force=force)  # type: ignore[arg-type]
        if as_json:
            write_json("report", {"output": output, **({} if data is None else {"figures": record["heldout"]})})
        note(f"wrote {output}")
        return
    rows = None
    if data is not None:
        _, rows = read_rows(data, fitted.schema, "any", getattr(fitted, "covariates", None), roles=True)
    with reading_manifest(model):
        seed, images = int(manifest["record"]["settings"].get("seed", 0)), bool(manifest["record"].get("image"))
    if show_rows and (rows is None or not images):
        mend = "Give DATA, and a model that was fitted with --image."
        raise UsageError("rows are shown as images.", where="--show-rows", mend=mend)
    if show_rows and sort_of(fitted) == "latent":
        fitted.check_independent("--show-rows")
    with reading_manifest(model):
        if sort_of(fitted) == "latent" and fitted.covariates is not None:
            shown = None  # what it draws depends on covariates that are not at hand
        elif sort_of(fitted) == "latent":
            shown = latent_pictures(fitted, rows, seed, manifest["record"], show_rows=show_rows)
        else:
            shown = pictures(fitted, rows, seed)
        write_report(output, manifest["record"], shown, force=force)
    if as_json:
        write_json("report", {"output": output})
    note(f"wrote {output}")
