"""tacit impute: the table back with its missing cells filled."""

from __future__ import annotations

import click

from tacit.cli import options
from tacit.cli.conditional_answers import load_joint
from tacit.cli.failures import note
from tacit.cli.latent_answers import note_estimate
from tacit.cli.tables import check_outputs, free_name, read_rows, write_result


@click.command("impute")
@options.MODEL
@options.ROWS
@click.option("--draws", type=click.IntRange(1), metavar="M", help="Draw the cells M times instead: M tables, stacked.")
@options.together(options.SEED, options.OUTPUT, options.FORCE, options.JSON)
def command(model: str, rows: str, draws: int | None, seed: int, output: str, force: bool, as_json: bool) -> None:
    """The table ROWS with the missing cells of modelled columns filled; everything else stays as it is.

    A single filling takes the mean of real columns, the median of skewed ones and counts, the most probable
    category. It hides how unsure the cells are: for analyses that need that, take --draws M, which gives M tables
    one below another, numbered in the column draw (draw_ where ROWS has a draw).
    """
    import pyarrow as pa

    from tacit.workflow.filling import filled, left_missing

    check_outputs(output, force=force)
    fitted = load_joint(
        model, "impute", "Fill the target with tacit predict; for holes in other columns fit one without --target."
    )
    table, events = read_rows(rows, fitted.schema, "any", getattr(fitted, "covariates", None))
    note_estimate(fitted)
    if draws is None:
        complete = filled(fitted, table, fitted.impute(events))
    else:
        drawn = fitted.draw(events, draws, seed)
        complete = pa.concat_tables([filled(fitted, table, drawn[:, j]) for j in range(draws)])
        number = pa.array([j for j in range(1, draws + 1) for _ in range(len(table))])
        complete = complete.add_column(0, free_name("draw", table.names), number)
    columns = {name: complete.column(name).combine_chunks() for name in complete.column_names}
    holes = sum(table.column(name).null_count for name in fitted.schema.names if name in table.names)
    if left := left_missing(fitted, table):
        note(left)
    write_result("impute", columns, output, force=force, as_json=as_json, cells_filled=holes)
