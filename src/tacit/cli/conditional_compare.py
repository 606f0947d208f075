"""tacit compare with a target: conditional models, others, and plain baselines on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from tacit.cli import options, words
from tacit.cli.conditional_plan import with_plan
from tacit.cli.console import announce, watched
from tacit.cli.preparing import read_schema
from tacit.cli.tables import write_json

if TYPE_CHECKING:
    from tacit.evaluation.result import Result
    from tacit.workflow.compare import Compared

_JOINT = tuple(range(1, 7))  # components that the joint mixture chooses from


def compare_and_tell(
    data: str,
    targets: Sequence[str],
    k: str,
    holdout: float,
    seed: int,
    settings: Sequence[str],
    as_json: bool,
    **reading: Any,
) -> None:
    """Train every model of the targets on the same rows, and print what each is worth on the others."""
    from tacit.data.table import read_table
    from tacit.workflow.compare import compare
    from tacit.workflow.conditional_estimate import conditional_estimate
    from tacit.workflow.conditional_fit import cut
    from tacit.workflow.conditional_job import ConditionalJob

    job = with_plan(ConditionalJob(tuple(targets), holdout=holdout, seed=seed, refit=False), settings, k)
    table = read_table(data)
    schema = read_schema(table, **reading)
    task = cut(table, schema, job.targets, support=job.support)
    seconds, megabytes = conditional_estimate(len(task.counted), len(task.inputs.names), len(job.targets), job)
    announce(2 * seconds + 30, megabytes)
    ks = _JOINT if k == "auto" else options.numbers_of_components(k)
    with watched() as progress:
        rows, best = compare(task, schema, job, ks, progress=progress)
    if as_json:
        write_json("compare", {"models": [row.to_dict() for row in rows], "best_plain": best, "targets": job.targets})
        return
    click.echo("\n".join(in_words(rows, best, ", ".join(job.targets))))


def in_words(rows: list[Compared], best: str | None, target: str) -> Iterator[str]:
    """A line a model: its density and the difference from the best plain baseline; then its predictions."""
    told = next(row.log_likelihood for row in rows if row.log_likelihood is not None)
    over = f"{told.n:,} rows" if told.n_groups is None else f"{told.n_groups:,} groups of {told.n:,} rows"
    yield f"{target} given the other columns, on the same held-out rows (± one standard error over {over})"
    yield ""
    yield from _columns(
        ["model", "log-likelihood", "", f"less {best}", ""],
        [
            [
                row.name,
                _shown(row.log_likelihood) or "none",
                "" if row.log_likelihood is None else row.log_likelihood.kind,
                _shown(row.difference, signed=True),
                "" if row.difference is None else words.clearly(row.difference),
            ]
            for row in rows
        ],
    )
    yield "in nats a row, higher is better; differences are row by row"
    scored = [row for row in rows if row.pinball is not None]
    if not scored:
        return
    yield ""
    yield from _columns(
        ["model", "CRPS", "pinball", "90 % holds", "width"],
        [[r.name, _shown(r.crps), _shown(r.pinball), _percent(r.coverage), _shown(r.width)] for r in scored],
    )
    yield f"in units of {target}, lower is better: pinball loss is the mean over .05, .10, ... .95, width that of 90 %"
    for row in rows:
        if row.note:
            yield f"{row.name} {row.note}"


def _columns(heads: list[str], lines: list[list[str]]) -> Iterator[str]:
    """Lines of cells below their heads, words to the left and figures to the right."""
    widths = [max(len(line[i]) for line in (heads, *lines)) for i in range(len(heads))]
    for line in (heads, *lines):
        cells = zip(heads, line, widths, strict=True)
        texts = [cell.ljust(width) if head in ("model", "") else cell.rjust(width) for head, cell, width in cells]
        yield "  ".join(texts).rstrip()


def _shown(result: Result | None, *, signed: bool = False) -> str:
    return "" if result is None else words.with_error(result.value, result.standard_error, signed=signed)


def _percent(result: Result | None) -> str:
    if result is None:
        return ""
    error = None if result.standard_error is None else 100 * result.standard_error
    return f"{words.with_error(100 * result.value, error)} %"
