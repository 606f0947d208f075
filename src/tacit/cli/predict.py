"""tacit predict: any column given whatever other cells are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tacit._errors import UsageError
from tacit.cli import options
from tacit.cli.conditional_answers import chosen_targets, read_covariates
from tacit.cli.failures import note
from tacit.cli.tables import check_outputs, read_rows, with_kept, write_result

if TYPE_CHECKING:
    from tacit.data.schema import Schema


@click.command("predict")
@options.MODEL
@options.ROWS
@click.option("--target", "targets", multiple=True, metavar="COL", help="What to predict; may repeat.")
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
    """The distribution of a column given the other cells of each row of ROWS, holes allowed: exact, or an estimate.

    Mean, standard deviation and quantiles of numbers; probabilities of categories. What a row holds in the target
    column itself is not used. With several targets each is predicted alone, and its columns begin with its name.

    A deep model whose latent cannot be listed estimates it from weighted draws: monte_carlo_error is then the standard
    error of the mean (of categories, of the most doubtful probability) over these draws.

    A model that was fitted with --target predicts that target, which need not be named; a column far says which rows
    lie far outside what it has learned from, if any do.
    """
    from tacit.workflow.any_file import load_any, sort_of

    levels = options.quantile_levels(quantiles)
    check_outputs(output, force=force)
    fitted, _ = load_any(model)
    if sort_of(fitted) == "conditional":
        targets = chosen_targets(fitted, targets)
        asked = read_covariates(rows, fitted)
        table = asked.table
        columns = asked.flagged(predictions(partial(fitted.predict, asked.x), fitted.schema, targets, levels))
    else:
        if not targets:
            mend = f"Add --target COL, of {', '.join(fitted.schema.names)}."
            raise UsageError("the model can predict any column: say which.", where="--target", mend=mend)
        table, events = read_rows(rows, fitted.schema, "any", getattr(fitted, "covariates", None))
        columns = predictions(partial(fitted.predict, events), fitted.schema, targets, levels)
    columns = with_kept(table, options.listed(keep), columns)
    write_result("predict", columns, output, force=force, as_json=as_json, targets=list(targets))


def predictions(
    ask: Callable[[str], Any], schema: Schema, targets: Sequence[str], levels: list[float]
) -> dict[str, Any]:
    """Columns of each target's distribution; with several their names begin with the target's."""
    columns: dict[str, Any] = {}
    for target in targets:
        prediction = ask(target)
        if prediction.kind == "estimate":
            from tacit.workflow.latent_predict import doubts

            note(f"{target}: an estimate from weighted draws of the latent; monte_carlo_error is their noise")
            for finding in doubts(prediction):
                note(str(finding))
        found = prediction.to_frame() if schema[target].levels else prediction.to_frame(levels)
        columns |= {name if len(targets) == 1 else f"{target}.{name}": values for name, values in found.items()}
    return columns
