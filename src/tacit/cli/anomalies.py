"""tacit anomalies: the odd rows, and what makes them odd."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from tacit.cli import options
from tacit.cli.conditional_answers import load_joint
from tacit.cli.failures import note
from tacit.cli.tables import check_outputs, read_rows, with_kept, write_result

_NAMED = 3


@click.command("anomalies")
@options.MODEL
@options.ROWS
@click.option(
    "--rate",
    metavar="SHARE",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.01,
    show_default=True,
    help="Flag rows as odd as this share of the training rows.",
)
@click.option("--all", "all_rows", is_flag=True, help="Every row, not only the flagged ones.")
@options.together(options.SEED, options.OUTPUT, options.KEEP, options.FORCE, options.JSON)
def command(
    model: str,
    rows: str,
    rate: float,
    all_rows: bool,
    seed: int,
    output: str,
    keep: str,
    force: bool,
    as_json: bool,
) -> None:
    """The odd rows of ROWS, oddest first.

    p_value is the probability that the model draws a row less probable than this one, among rows with the same
    cells present: rows with and without holes can be ranked together. odd_1, odd_2, ... are the columns that the
    rest of the row expects least, with -log p(column | rest) in nats. Rows count from 1. Of a deep model, and of a
    file of GaussianMixture, the rate is that among rows which the model draws.
    """
    from tacit.workflow.anomalies import anomalies, threshold
    from tacit.workflow.any_file import sort_of

    check_outputs(output, force=force)
    mend = "Rank rows by tacit score; for odd rows as such fit one without --target."
    fitted: Any = load_joint(model, "anomalies", mend)
    deep = sort_of(fitted) == "latent"
    if deep:
        from tacit.workflow.latent_anomalies import OddsOfLatent

        fitted = OddsOfLatent(fitted)
    table, events = read_rows(rows, fitted.schema, "any", getattr(fitted, "covariates", None))
    limit = threshold(fitted, rate)
    found = anomalies(fitted, events, rate=1.0 if all_rows else rate, seed=seed)
    places = np.array([anomaly.row for anomaly in found], int)
    columns: dict[str, Any] = {"row": places + 1}
    columns["rank"] = np.arange(1, len(found) + 1)
    columns["p_value"] = np.array([anomaly.p_value for anomaly in found], float)
    columns["flagged"] = columns["p_value"] <= limit
    for j in range(min(_NAMED, len(fitted.schema.names))):
        cells = [anomaly.surprise[j] if j < len(anomaly.surprise) else (None, np.nan) for anomaly in found]
        columns[f"odd_{j + 1}"] = np.array([name for name, _ in cells], object)
        columns[f"surprise_{j + 1}"] = np.array([value for _, value in cells], float)
    flagged = int(np.sum(columns["flagged"]))
    columns = {"row": places + 1, **with_kept(table, options.listed(keep), columns, places)}
    write_result("anomalies", columns, output, force=force, as_json=as_json, rows=len(events), flagged=flagged)
    those = "training rows" if not deep and fitted.calibrated else "rows that the model draws"
    note(f"{flagged} of {len(events):,} rows are as odd as the oddest {rate:.3g} of the {those}")
