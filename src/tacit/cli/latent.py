"""tacit latent: which component each row comes from."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from tacit.cli import options
from tacit.cli.conditional_answers import latents, read_covariates
from tacit.cli.latent_answers import latents_of
from tacit.cli.linear_words import linear_latents
from tacit.cli.tables import check_outputs, read_rows, with_kept, write_result


@click.command("latent")
@options.together(options.MODEL, options.ROWS, options.OUTPUT, options.KEEP, options.FORCE, options.JSON)
def command(model: str, rows: str, output: str, keep: str, force: bool, as_json: bool) -> None:
    """The probability of each component given the cells of each row, and the most probable one.

    Components are numbered from 1, the largest first. Where they were merged into segments (tacit fit --select
    segments), the probability of each segment and the most probable one follow.

    Of a model that was fitted with --target they are those of every network of the ensemble in turn, given the target
    too where the rows have it. Of a deep model they are its code: of every latent the most probable state and its
    probability under q, the encoder; of continuous latents, and of a linear model, mean and standard deviation.
    """
    from tacit.workflow.any_file import load_any, sort_of

    check_outputs(output, force=force)
    fitted, _ = load_any(model)
    if sort_of(fitted) == "conditional":
        asked = read_covariates(rows, fitted)
        columns = with_kept(asked.table, options.listed(keep), latents(fitted, asked))
        write_result("latent", columns, output, force=force, as_json=as_json)
        return
    table, events = read_rows(rows, fitted.schema, "any", getattr(fitted, "covariates", None))
    if sort_of(fitted) == "latent":
        columns = with_kept(table, options.listed(keep), latents_of(fitted, events))
        write_result("latent", columns, output, force=force, as_json=as_json)
        return
    from tacit.workflow.linear_table import LinearTable

    if isinstance(fitted, LinearTable):
        columns = with_kept(table, options.listed(keep), linear_latents(fitted, events))
        write_result("latent", columns, output, force=force, as_json=as_json)
        return
    responsibilities = np.exp(fitted.log_responsibilities(events))
    columns = _shares("component", responsibilities)
    if fitted.segments:
        member = np.equal.outer(fitted.segments, np.arange(max(fitted.segments) + 1))
        columns |= _shares("segment", responsibilities @ member)
    columns = with_kept(table, options.listed(keep), columns)
    write_result("latent", columns, output, force=force, as_json=as_json)


def _shares(name: str, probabilities: np.ndarray) -> dict[str, Any]:
    named = {f"{name}_{j}": column for j, column in enumerate(probabilities.T, start=1)}
    return {**named, f"most_probable_{name}": 1 + probabilities.argmax(axis=1)}
