"""tacit score: the log density of each row."""

from __future__ import annotations

from typing import Any

import click

from tacit._errors import UsageError
from tacit.cli import options
from tacit.cli.conditional_answers import read_covariates, scores
from tacit.cli.failures import note
from tacit.cli.tables import check_outputs, read_rows, with_kept, write_result


@click.command("score")
@options.together(options.MODEL, options.ROWS, options.OUTPUT, options.KEEP, options.FORCE, options.JSON)
@click.option("--cost", is_flag=True, help="Also tell what it costs that the posterior of a deep model is approximate.")
def command(model: str, rows: str, output: str, keep: str, force: bool, as_json: bool, cost: bool) -> None:
    """The log density of each row of ROWS, in nats and in the units of the table.

    It is exact, of the cells that are present: missing ones are integrated out, which is right when cells are
    missing at random. Rows with different cells present are not comparable by it; tacit anomalies ranks them.

    Of a deep model whose latent cannot be listed it is an estimate, the same at every call. Of a model that was
    fitted with --target it is the log density of the target given the other columns; exact or an estimate, as is said
    with the mean.

    With --cost, what lies between the ELBO of a deep model and its log-likelihood: what one encoder for all rows
    costs, and what the family of its posterior costs; and how much the latent tells of a row. All of it is of the same
    rows, 500 at most, drawn at random.
    """
    from tacit.evaluation.result import mean_result
    from tacit.workflow.any_file import load_any, sort_of

    check_outputs(output, force=force)
    fitted, manifest = load_any(model)
    if cost and sort_of(fitted) != "latent":
        mend = "Leave --cost out. (Of a conditional mixture with inference='amortised', Python's gap(X, y) tells it.)"
        raise UsageError("the cost is told of models discrete-vae and vae.", where="--cost", mend=mend)
    if sort_of(fitted) == "conditional":
        asked = read_covariates(rows, fitted)
        found, figure = scores(fitted, asked, manifest)
        columns = with_kept(asked.table, options.listed(keep), found)
        write_result("score", columns, output, force=force, as_json=as_json, mean=figure.to_dict())
        note(str(figure))
        return
    table, events = read_rows(rows, fitted.schema, "all", getattr(fitted, "covariates", None), roles=True)
    over: dict[str, Any] = {"weight": events.weight, "groups": events.group}
    if sort_of(fitted) == "latent":
        from tacit.workflow.latent_figures import judge_latent

        told = judge_latent(fitted, events, **over)
        log_density, figure = told.log_prob, told.figures[0]
    else:
        told = None
        log_density = fitted.log_prob(events)
        figure = mean_result("mean log-likelihood", log_density, reference=fitted.schema.reference(), **over)
    costs: tuple[Any, ...] = ()
    if cost:
        from tacit.workflow.latent_cost import cost as cost_of

        costs = cost_of(fitted, events, **over)
    name = "log_density" if not any(column.grey for column in fitted.schema.modelled) else "grey_score"
    columns = with_kept(table, options.listed(keep), {name: log_density})
    more: dict[str, Any] = {"cost": [one.to_dict() for one in costs]} if cost else {}
    write_result("score", columns, output, force=force, as_json=as_json, mean=figure.to_dict(), **more)
    note(str(figure))
    if costs:
        note(f"of {costs[0].n:,} rows, log p = ELBO + amortisation gap + approximation gap:")
    for one in costs:
        note(f"  {one}")
    for finding in told.findings if told is not None else ():
        note(str(finding))
    holes = sum(table.column(name).null_count for name in fitted.schema.names)
    if holes:
        note(f"{holes:,} missing cells are integrated out: right where cells are missing at random")
