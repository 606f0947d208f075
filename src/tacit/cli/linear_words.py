"""A linear-Gaussian fit in words, for a terminal: what it is worth, and what its latents are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tacit.cli import words

if TYPE_CHECKING:
    from tacit.data.encode import Rows
    from tacit.workflow.linear_table import LinearTable

_SHOWN = 4


def linear_in_words(record: dict[str, Any]) -> str:
    """Everything that `tacit fit` prints of the record of a linear-Gaussian model."""
    parts = (_data(record), words.worth(record), loadings(record), words.verdict(record), words.warned(record))
    return "\n\n".join("\n".join(part) for part in (list(p) for p in parts) if part)


def _data(record: dict[str, Any]) -> Iterator[str]:
    data, settings = record["data"], record["settings"]
    columns = [column for column in data["columns"] if column["kind"] in ("real", "positive")]
    holes = sum(column["missing"] for column in columns)
    text = f"{data['source']}: {data['rows']:,} rows, {len(columns)} columns, {settings['n_latents']} latents"
    yield text + f", {settings['noise']} noise" + (f"; {holes:,} cells missing, integrated out" if holes else "")
    if data["rows_heldout"]:
        yield f"{data['rows_train']:,} rows to learn from, {data['rows_heldout']:,} held out {data['split']}"


def loadings(record: dict[str, Any]) -> Iterator[str]:
    """The columns that load most on each latent, by their correlations with it."""
    yield "latents: share of the variance of all columns, and the columns that correlate most"
    for one in record["loadings"]:
        named = ", ".join(f"{entry['column']} {entry['correlation']:+.2f}" for entry in one["columns"][:_SHOWN])
        yield f"  {one['latent']:>2}  {one['share']:>5.1%}  {named}"


def linear_latents(model: LinearTable, events: Rows) -> dict[str, Any]:
    """Mean and standard deviation of every latent given the present cells of each row: exact."""
    means, covariances = model.latents(events)
    deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    columns: dict[str, Any] = {}
    for j in range(means.shape[1]):
        columns |= {f"latent_{j + 1}": means[:, j], f"sd_{j + 1}": deviations[:, j]}
    return columns
