"""A deep latent-variable fit in words, for a terminal: what it is worth, what its latent does, what to beware of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tacit.cli import words
from tacit.evaluation.result import Result


def latent_in_words(record: dict[str, Any]) -> str:
    """Everything that `tacit fit` prints of the record of a deep model."""
    parts = (
        _data(record),
        words.worth(record),
        bounds(record),
        code(record),
        words.verdict(record),
        words.warned(record),
    )
    return "\n\n".join("\n".join(part) for part in (list(p) for p in parts) if part)


def _data(record: dict[str, Any]) -> Iterator[str]:
    data = record["data"]
    columns = [column for column in data["columns"] if column["kind"] not in ("id", "weight", "group", "time")]
    yield f"{data['source']}: {data['rows']:,} rows, {len(columns)} columns modelled; {record['settings']['latent']}"
    if data.get("given"):
        yield f"given {', '.join(data['given'])}"
    if data["rows_heldout"]:
        yield f"{data['rows_train']:,} rows to learn from, {data['rows_heldout']:,} held out {data['split']}"


def bounds(record: dict[str, Any]) -> Iterator[str]:
    """The log-likelihood beside its parts, on the held-out rows."""
    results = [Result.from_dict(figure) for figure in record.get("bounds") or []]
    if not results:
        return
    width = max(len(result.name) for result in results)
    grey = "not a log-likelihood" in results[0].name
    yield f"the {'grey-level score' if grey else 'log-likelihood'} and its parts, on the same rows"
    for result in results:
        label = words.labelled(result)
        yield f"  {result.name:<{width}}   {words.with_error(result.value, result.standard_error):>16}   {label}"


def code(record: dict[str, Any]) -> Iterator[str]:
    """How much of the latent is in use."""
    told = record["code"]
    rate = f", {told['rate']:.3g} nats in all" if "rate" in told else ""
    yield f"{told['active']} of {told['parts']} latents in use{rate}"
