"""tacit compare: the mixture beside plain baselines on the same held-out rows."""

from __future__ import annotations

from typing import Any

import click

from tacit._errors import UsageError
from tacit.cli import options
from tacit.cli.console import announce, watched
from tacit.cli.fit import FITTING, TARGET
from tacit.cli.preparing import prepare, with_settings
from tacit.cli.tables import write_json


@click.command("compare")
@options.DATA
@TARGET
@FITTING
@options.together(options.SCHEMA, options.JSON)
def command(
    data: str,
    targets: tuple[str, ...],
    k: str,
    holdout: float,
    seed: int,
    settings: tuple[str, ...],
    as_json: bool,
    **reading: Any,
) -> None:
    """Fit every model to the same training rows of DATA and compare them on the same held-out rows.

    Differences are taken row by row, so their errors are much smaller than those of the figures themselves.

    With --target these are models of that column given the others: the conditional mixture, exact and relaxed, the
    joint mixture conditioned, boosted trees (their quantiles), and plain baselines.
    """
    if targets:
        from tacit.cli.conditional_compare import compare_and_tell

        compare_and_tell(data, targets, k, holdout, seed, settings, as_json, **reading)
        return
    from tacit.cli.words import held_out
    from tacit.workflow.estimate import estimate
    from tacit.workflow.fit_table import Job, fit_table

    if holdout == 0:
        mend = "Choose a share such as 0.2."
        raise UsageError("models are compared on held-out rows.", where="--holdout", mend=mend)
    job = with_settings(Job(ks=options.numbers_of_components(k), holdout=holdout, seed=seed, refit=False), settings)
    prepared = prepare(data, **reading)
    announce(*estimate(prepared.schema, len(prepared.rows), job))
    with watched() as progress:
        fitted = fit_table(prepared.schema, prepared.rows, job, progress=progress)
    if as_json:
        figures, gaps = ([result.to_dict() for result in part] for part in (fitted.figures, fitted.differences))
        write_json("compare", {"figures": figures, "differences": gaps, "k": fitted.selection.chosen})
        return
    click.echo("\n".join(held_out(fitted.figures, fitted.differences)))
