"""tacit predict: any column given whatever other cells are there."""

from __future__ import annotations

from typing import Any

import click

from tacit.cli import options
from tacit.cli.tables import check_outputs, read_rows, with_kept, write_result


@click.command("predict")
@options.MODEL
@options.ROWS
@click.option("--target", "targets", multiple=True, required=True, metavar="COL", help="What to predict; may repeat.")
@click.option("--quantiles", metavar="Q,Q", default="0.05,0.5,0.95", show_default=True, help="Of numbers.")
@options.together(options.OUTPUT, options.KEEP, options.FORCE, options.JSON)
def command(
    model: str,
    rows: str,
    targets: tuple[str, ...],
    quantiles: str,
    output: str,
    keep: str,
    force: bool,
    as_json: bool,
) -> None:
    """The exact distribution of a column given the other cells of each row of ROWS, holes allowed.

    Mean, standard deviation and quantiles of numbers; probabilities of categories. What a row holds in the target
    column itself is not used. With several targets each is predicted alone, and its columns begin with its name.
    """
    from tacit.workflow.model_file import load_model

    levels = options.quantile_levels(quantiles)
    check_outputs(output, force=force)
    fitted, _ = load_model(model)
    table, events = read_rows(rows, fitted.schema, require="any")
    columns: dict[str, Any] = {}
    for target in targets:
        prediction = fitted.predict(events, target)
        numeric = not fitted.schema[target].levels
        found = prediction.to_frame(levels) if numeric else prediction.to_frame()  # type: ignore[call-arg]
        columns |= {name if len(targets) == 1 else f"{target}.{name}": values for name, values in found.items()}
    columns = with_kept(table, options.listed(keep), columns)
    write_result("predict", columns, output, force=force, as_json=as_json, targets=list(targets))
