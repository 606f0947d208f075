"""tacit compare: models and plain baselines on the same held-out rows."""

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
@click.option(
    "--models",
    metavar="all|none|NAME,NAME",
    default="all",
    show_default=True,
    help="Without --target, beside the mixture: linear-gaussian, discrete-vae, vae, made.",
)
@FITTING
@options.together(options.SCHEMA, options.JSON)
def command(
    data: str,
    targets: tuple[str, ...],
    models: str,
    k: str,
    holdout: float,
    seed: int,
    settings: tuple[str, ...],
    as_json: bool,
    **reading: Any,
) -> None:
    """Fit every model to the same training rows of DATA and compare them on the same held-out rows.

    Differences are taken row by row, so their errors are much smaller than those of the figures themselves. Without a
    target these are densities of all columns: the mixture, one Gaussian, independent columns, factor analysis, a
    discrete and a continuous variational autoencoder, and an autoregressive network (MADE), which has no latent; each
    where it suits the columns. --set is of the mixture.

    With --target these are models of that column given the others: the conditional mixture, exact and relaxed,
    linear regressions by EM, the joint mixture conditioned, boosted trees (their quantiles), and plain baselines.
    """
    if targets:
        from tacit.cli.conditional_compare import compare_and_tell

        if models != "all":
            mend = "Leave --models out, or --target."
            raise UsageError("these are densities of all columns.", where="--models", mend=mend)
        compare_and_tell(data, targets, k, holdout, seed, settings, as_json, **reading)
        return
    from tacit.cli.words import held_out
    from tacit.workflow.compare_densities import DENSITIES, check_names, compare_densities, seconds
    from tacit.workflow.estimate import estimate
    from tacit.workflow.fit_table import Job, fit_table

    if holdout == 0:
        mend = "Choose a share such as 0.2."
        raise UsageError("models are compared on held-out rows.", where="--holdout", mend=mend)
    names = {"all": list(DENSITIES), "none": []}.get(models, options.listed(models))
    check_names(names)
    job = with_settings(Job(ks=options.numbers_of_components(k), holdout=holdout, seed=seed, refit=False), settings)
    prepared = prepare(data, **reading)
    schema, rows = prepared.schema, prepared.rows
    mixture, memory = estimate(schema, rows, job)
    announce(mixture + seconds(schema, len(rows), names), memory)
    with watched() as progress:
        fitted = fit_table(schema, rows, job, progress=progress)
        found = compare_densities(fitted, rows, names, seed=seed, progress=progress)
    if as_json:
        figures, gaps = ([result.to_dict() for result in part] for part in (found.figures, found.differences))
        told = {"figures": figures, "differences": gaps, "k": fitted.selection.chosen, "left_out": found.left_out}
        write_json("compare", told)
        return
    click.echo("\n".join(held_out(list(found.figures), list(found.differences))))
    for name, why in found.left_out.items():
        click.echo(f"left out: {name}, for {why}")
