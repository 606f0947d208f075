"""tacit sample: rows drawn from the model."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from tacit._errors import DataError, UsageError
from tacit.cli import options
from tacit.cli.conditional_answers import read_covariates, refusal, samples
from tacit.cli.latent_answers import drawn_rows, note_estimate, refuse_without_covariates
from tacit.cli.tables import check_outputs, free_name, read_rows, write_result


@click.command("sample")
@options.MODEL
@click.argument("rows", type=click.Path(allow_dash=True), required=False)
@click.option("-n", "n", type=click.IntRange(1), metavar="N", required=True, help="Rows; with ROWS, for each of them.")
@click.option("--given", multiple=True, metavar="COL=VALUE", help="Fix a column; may repeat.")
@options.together(options.SEED, options.OUTPUT, options.FORCE, options.JSON)
def command(
    model: str,
    rows: str | None,
    n: int,
    given: tuple[str, ...],
    seed: int,
    output: str,
    force: bool,
    as_json: bool,
) -> None:
    """Draw N rows from the model; with --given, from what it says about rows with those values.

    With ROWS, every row is completed N times: its missing cells are drawn jointly, given those that are there. The
    column row (row_ where the model has a row) counts from 1. A model that was fitted with --target needs ROWS, and
    gives N draws of the target for each, numbered in the column draw.
    """
    from tacit.workflow.any_file import load_any, sort_of
    from tacit.workflow.filling import filled, with_given

    if rows is not None and given:
        raise UsageError("ROWS and --given both say what is fixed.", where="tacit sample", mend="Use one of them.")
    check_outputs(output, force=force)
    fitted, _ = load_any(model)
    columns: dict[str, Any]
    if sort_of(fitted) == "conditional":
        if rows is None:
            raise refusal(fitted, "sample", "Give rows with the other columns: tacit sample MODEL ROWS -n N.")
        columns = samples(fitted, read_covariates(rows, fitted), n, seed)
    elif rows is None:
        refuse_without_covariates(fitted)
        fixed = options.pairs(given, "--given", names=fitted.schema.names)
        try:
            drawn = (
                drawn_rows(fitted, n, seed, fixed) if sort_of(fitted) == "latent" else fitted.sample(n, seed, fixed)[0]
            )
        except DataError as error:
            raise UsageError(error.what, where="--given", mend="Give another value.") from None
        columns = with_given(fitted, fitted.decode(drawn), fixed)
    else:
        table, events = read_rows(rows, fitted.schema, "any", getattr(fitted, "covariates", None))
        note_estimate(fitted)
        row = np.repeat(np.arange(len(events)), n)
        drawn = fitted.draw(events, n, seed).reshape(len(row), -1)
        complete = filled(fitted, table.take(row), drawn)  # cells that are there come back as they were
        there = {name: complete.column(name).combine_chunks() for name in fitted.schema.names if name in table.names}
        columns = {free_name("row", fitted.schema.names): row + 1, **fitted.decode(drawn), **there}
    write_result("sample", columns, output, force=force, as_json=as_json)
