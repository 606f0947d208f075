"""A conditional fit in words, for a terminal: what was chosen, what it is worth, whether it can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tacit.cli import words
from tacit.evaluation.calibration import Calibration
from tacit.evaluation.result import Result

_MOST_SHOWN = 12


def conditional_in_words(record: dict[str, Any]) -> str:
    """Everything that `tacit fit` prints of the record of a conditional model."""
    parts = (
        _data(record),
        [*candidates(record["candidates"]), *_spread(record)],
        words.worth(record),
        numbers(record.get("numbers") or []),
        calibrations(record),
        words.verdict(record),
        words.warned(record),
    )
    return "\n\n".join("\n".join(part) for part in (list(p) for p in parts) if part)


def _data(record: dict[str, Any]) -> Iterator[str]:
    data = record["data"]
    given = record["covariates"]
    shown = ", ".join(given[:8]) + (f" and {len(given) - 8} more" if len(given) > 8 else "")
    yield f"{data['source']}: {data['rows']:,} rows, {', '.join(record['targets'])} given {shown}"
    if data["rows_heldout"]:
        yield f"{data['rows_train']:,} rows to learn from, {data['rows_heldout']:,} held out {data['split']}"


def candidates(told: dict[str, Any]) -> Iterator[str]:
    """The candidates and their figures, best first; the one chosen is marked."""
    rows = told["table"]
    if len(rows) == 1:
        figure = rows[0]["figure"]
        yield f"one choice of settings; {figure['name']} {words.with_error(figure['value'], figure['standard_error'])}"
        return
    heads = ["", *told["varied"], told["figure"]]
    lines = [
        ["*" if row["chosen"] else "", *(f"{row['settings'][name]:g}" for name in told["varied"]), _figure(row)]
        for row in rows[:_MOST_SHOWN]
    ]
    yield f"settings, chosen inside the training rows ({len(rows)} tried); log-likelihood in standardised units"
    widths = [max(len(line[i]) for line in (heads, *lines)) for i in range(len(heads))]
    for line in (heads, *lines):
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    if len(rows) > _MOST_SHOWN:
        yield f"  and {len(rows) - _MOST_SHOWN} more in the report"


def _spread(record: Mapping[str, Any]) -> Iterator[str]:
    if record.get("spread", 1.0) != 1.0:
        yield f"scales of all components x {record['spread']:.2f}, as the rows set aside ask"


def _figure(row: Mapping[str, Any]) -> str:
    return words.with_error(row["figure"]["value"], row["figure"]["standard_error"])


def numbers(figures: list[dict[str, Any]]) -> Iterator[str]:
    """The four numbers of a relaxed model, with their labels."""
    results = [Result.from_dict(figure) for figure in figures]
    if not results:
        return
    width = max(len(result.name) for result in results)
    yield "the relaxed latent, on the same held-out rows"
    for result in results:
        noise = [
            f"Monte Carlo error {result.monte_carlo_error:.2g}" if result.monte_carlo_error else "",
            f"bias {result.bias:+.2g}" if result.bias else "",
        ]
        label = ", ".join(part for part in (result.kind, *noise) if part)
        yield f"  {result.name:<{width}}   {words.with_error(result.value, result.standard_error):>16}   {label}"


def calibrations(record: dict[str, Any]) -> Iterator[str]:
    """Coverage, CRPS and the verdict of each numeric target."""
    told = [record["calibration"], *record.get("more_calibration", [])] if record.get("calibration") else []
    for one in told:
        name = one["target"]
        found = Calibration.from_dict({key: value for key, value in one.items() if key not in ("target", "fan")})
        inside = next(result for level, result in found.coverage if level == 0.9)
        width = next(result for level, result in found.width if level == 0.9)
        yield f"calibration of {name}, on the same rows"
        yield f"  90 % intervals hold {words.with_error(100 * inside.value, _percent(inside))} % of the rows"
        yield f"  their mean width is {words.with_error(width.value, width.standard_error)}"
        yield f"  CRPS {words.with_error(found.crps.value, found.crps.standard_error)} in {found.crps.units}"
        yield f"  {found.verdict.status}: {found.verdict.text}"


def _percent(result: Result) -> float | None:
    return None if result.standard_error is None else 100 * result.standard_error
