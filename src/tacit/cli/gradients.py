"""tacit gradients: bias, variance and cost of every gradient estimator against enumeration."""

from __future__ import annotations

from typing import Any

import click

from tacit._files import atomic_write, check_ending
from tacit.cli import options
from tacit.cli.failures import note
from tacit.cli.tables import check_outputs, write_json

_KINDS = ("categorical", "categoricals", "bernoulli")


@click.command("gradients")
@click.option("--latent", type=click.Choice(_KINDS), default="bernoulli", show_default=True, help="What z is.")
@click.option("--objective", type=click.Choice(("elbo", "iwae")), default="elbo", show_default=True)
@click.option("--samples", type=click.IntRange(1, 1000), metavar="S", default=4, show_default=True, help="Draws of z.")
@click.option(
    "--draws", type=click.IntRange(100, 10**7), metavar="N", default=4000, show_default=True, help="Of each gradient."
)
@options.SEED
@click.option("--plot", metavar="F.png", help="A picture of variance and variance x cost.")
@options.together(options.FORCE, options.JSON)
def command(
    latent: str,
    objective: str,
    samples: int,
    draws: int,
    seed: int,
    plot: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Bias, variance and cost of the gradient estimators for a discrete latent, each at S draws of z.

    The problem is one row of 16 binary columns, drawn from a model of eight states, of 3 x 4 states or of six binary
    latents, with q half way to the posterior: small enough that the exact gradient can be listed. The one with the
    least variance x cost comes first, those that are biased by design come last. A bias is real where z is far
    beyond what chance gives; states that N draws hardly meet count in z with the error that the listing tells.
    """
    from tacit.workflow.gradient_table import gradient_table, summary

    check_outputs(plot, force=force, stdout=False)
    if plot is not None:
        check_ending(plot, (".png",))
    found = gradient_table(latent=latent, objective=objective, num_samples=samples, seed=seed, n_draws=draws)
    records = summary(found)
    if plot is not None:
        _draw(plot, records, force)
    if as_json:
        write_json("gradients", records)
        return
    click.echo("\n".join(_table(records)))


def _table(records: list[dict[str, Any]]) -> list[str]:
    heads = ("estimator", "claims", "bias", "z", "variance", "evaluations", "variance x cost", "µs each")
    rows = [
        (
            row["name"],
            "unbiased" if row["unbiased"] else "biased",
            f"{row['bias']:.2g}",
            f"{row['bias_z']:.1f}",
            f"{row['variance']:.3g}",
            str(row["evaluations"]),
            f"{row['variance'] * row['evaluations']:.3g}",
            f"{1e6 * row['seconds']:.2g}",
        )
        for row in records
    ]
    widths = [max(len(line[i]) for line in (heads, *rows)) for i in range(len(heads))]

    def told(line: tuple[str, ...]) -> str:
        first, *rest = (
            cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join((first, *rest)).rstrip()

    reference = "the listed gradient" if records[0]["reference"] == "listed" else "a run 20 times as long"
    return [
        told(heads),
        *map(told, rows),
        "",
        f"bias: distance from {reference}; z: its largest part in standard errors",
    ]


def _draw(path: str, records: list[dict[str, Any]], force: bool) -> None:
    from tacit.plots import new_figure, plain_settings, png
    from tacit.plots.gradients import variance_times_cost

    with plain_settings():
        figure = new_figure(7.0, 1.2 + 0.26 * len(records))
        variance_times_cost(figure.add_subplot(), records)
        content = png(figure)
    with atomic_write(path, force=force) as handle:
        handle.write(content)
    note(f"wrote {path}")
