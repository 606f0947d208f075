"""A fit in words, for a terminal: how k was chosen, what the model is worth, what to beware of."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import click

from tacit.data.check import CheckReport
from tacit.evaluation.result import Result
from tacit.report.words import gathered


def fit_in_words(record: dict[str, Any]) -> str:
    """Everything that `tacit fit` prints of a record."""
    parts = (_data(record), _selection(record), worth(record), verdict(record), warned(record))
    return "\n\n".join("\n".join(part) for part in (list(p) for p in parts) if part)


def _data(record: dict[str, Any]) -> Iterator[str]:
    data = record["data"]
    columns = [column for column in data["columns"] if column["kind"] not in ("id", "weight", "group", "time")]
    holes = sum(column["missing"] for column in columns)
    text = f"{data['source']}: {data['rows']:,} rows, {len(columns)} columns modelled"
    yield text + (f", {holes:,} cells missing (taken as missing at random)" if holes else ", no cell missing")
    if data["rows_heldout"]:
        yield f"{data['rows_train']:,} rows to learn from, {data['rows_heldout']:,} held out {data['split']}"


def _selection(record: dict[str, Any]) -> Iterator[str]:
    selection = record["selection"]
    if selection["method"] == "fixed":
        yield f"k = {selection['chosen']}, as given"
        return
    rule = selection["rule"].rstrip(".")
    yield f"k = {selection['chosen']}: {rule[0].lower()}{rule[1:]}"
    if selection["n_segments"] is not None:
        yield f"{selection['n_segments']} segments"
    yield ""
    yield from selection_table(selection)


def selection_table(selection: dict[str, Any]) -> Iterator[str]:
    """The figures of every k that was tried; the one chosen is marked."""
    validated = any(row["cv"] is not None for row in selection["table"])
    heads = ["k", *(["log-likelihood (cv)", "behind the best"] if validated else []), "BIC", "AIC", "ICL"]
    rows = []
    for row in selection["table"]:
        own = [with_error(row["cv"], row["cv_se"]), with_error(row["behind"], row["behind_se"])] if validated else []
        mark = "*" if row["k"] == selection["chosen"] else ""
        rows.append([f"{mark}{row['k']}", *own, *(_number(row[name]) for name in ("bic", "aic", "icl"))])
    widths = [max(len(line[i]) for line in (heads, *rows)) for i in range(len(heads))]
    for line in (heads, *rows):
        yield "  " + "   ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


def worth(record: dict[str, Any]) -> Iterator[str]:
    """The held-out figures of a record."""
    figures = [Result.from_dict(figure) for figure in record["heldout"]]
    if figures:
        yield from held_out(figures, [Result.from_dict(gap) for gap in record["differences"]])


def labelled(figure: Result) -> str:
    """What a figure is: exact, a bound or an estimate, with the noise of its draws, its bias, and what is noted."""
    noise = "" if not figure.monte_carlo_error else f"Monte Carlo error {figure.monte_carlo_error:.2g}"
    bias = "" if not figure.bias else f"bias {figure.bias:+.2g}"
    return ", ".join(part for part in (figure.kind, noise, bias, figure.note) if part)


def held_out(figures: list[Result], differences: list[Result]) -> Iterator[str]:
    """The held-out figures, the model's first, and its paired differences from the others."""
    width = max(len(figure.name) for figure in (*figures, *differences))
    over = f"{figures[0].n:,} rows"
    if figures[0].n_groups is not None:
        over = f"{figures[0].n_groups:,} groups of {over}"
    what = "score, not a log-likelihood" if "not a log-likelihood" in figures[0].name else "log-likelihood"
    yield f"held-out {what}, {figures[0].units}, ± one standard error over {over}"
    for figure in figures:
        yield f"  {figure.name:<{width}}   {with_error(figure.value, figure.standard_error):>16}   {labelled(figure)}"
    if differences:
        yield f"differences in {what}, row by row on the same rows"
    for gap in differences:
        text = with_error(gap.value, gap.standard_error, signed=True)
        yield f"  {gap.name:<{width}}   {text:>16}   {clearly(gap)}"


def clearly(gap: Result) -> str:
    """A paired difference in a word, at 95 %."""
    error = gap.standard_error or 0.0
    return "no clear difference" if abs(gap.value) <= 1.96 * error else "better" if gap.value > 0 else "worse"


def verdict(record: dict[str, Any]) -> Iterator[str]:
    """How the fit ended."""
    told = record["verdict"]
    yield from textwrap.wrap(f"{told['status']}: {told['text']} {told.get('kept', '')}".strip(), 100)
    if "agreement" in record:
        agreement = record["agreement"]
        what = "components" if record["selection"].get("n_segments") is None else "segments"
        yield f"{what} of {agreement['of']} agree: adjusted Rand index {agreement['ari']:.2f} (1 is the same)"


def warned(record: dict[str, Any]) -> Iterator[str]:
    """Warnings in full; notes only by number."""
    grave = [warning for warning in record["warnings"] if warning["severity"] == "warning"]
    for warning, others in gathered(grave):
        yield from finding_lines(warning, others)
    notes = len(record["warnings"]) - len(grave)
    if notes:
        yield f"{notes} note{'s' if notes > 1 else ''} in the report (tacit report)"


def finding_lines(finding: Mapping[str, Any], others: str = "") -> list[str]:
    """One finding, wrapped and marked by its severity; `others` are columns of which the like is to be said."""
    place = f"{finding['column']}: " if finding["column"] else ""
    text = f"{finding['severity']}: {place}{finding['message']} {finding['mend'] or ''}".strip()
    text += f" Likewise {others}." if others else ""
    colour = {"error": "red", "warning": "yellow"}.get(finding["severity"])
    first, *rest = textwrap.wrap(text, 100, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    head, _, tail = first.partition(":")
    return [click.style(head, fg=colour, bold=colour is not None) + ":" + tail, *rest]


def with_error(value: float | str | None, error: float | None, *, signed: bool = False) -> str:
    """A figure and its standard error, both to the error's second significant digit."""
    if value is None:
        return ""
    number = float(value)
    sign = "+" if signed else ""
    if error is None or not error > 1e-12 * abs(number):  # none, or one of rounding only
        return f"{number:{sign},.4g}"
    if abs(number) >= 1e15:  # not written out
        return f"{number:{sign}.4g} ± {error:.2g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))  # two significant digits of the error
    return f"{number:{sign},.{decimals}f} ± {error:,.{decimals}f}"


def _number(value: float | str | None) -> str:
    return "" if value is None else f"{float(value):,.1f}" if abs(float(value)) < 1e15 else f"{float(value):.4g}"


def check_in_words(checked: CheckReport) -> str:
    """What `tacit check` prints: a line a column, then the findings."""
    lines = [f"{checked.source}: {checked.n_rows:,} rows, {len(checked.columns)} columns", ""]
    width = max(len(column.name) for column in checked.columns)
    kinds = [column.kind if column.role in ("model", "ignored") else column.role for column in checked.columns]
    for column, kind in zip(checked.columns, kinds, strict=True):
        holes = f"{column.missing} missing" if column.missing else ""
        lines.append(f"  {column.name:<{width}}  {kind:<13}  {holes:>12}  {column.summary}")
        lines.append(f"  {'':<{width}}  {column.why}")
    if checked.findings:
        lines.append("")
    for finding in checked.findings:
        lines += finding_lines(finding.to_dict())
    return "\n".join(lines)
