"""What sets each component apart, in words and figures of the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from tacit.data.encode import Rows
from tacit.data.schema import Column
from tacit.workflow.table_mixture import TableMixture

STANDOUTS = 4


def components(model: TableMixture, total: float) -> list[dict[str, Any]]:
    """A card for each component, largest first: its share, and the columns in which it differs most from the rest.

    `total` is the weight of the rows that were fitted.
    """
    weights = np.exp(model.mixture.log_weights)
    empty = Rows(np.full((1, model.schema.layout.width), np.nan), np.zeros(1), np.ones(1))
    overall = {name: model.predict(empty, name) for name in model.schema.names}
    cards = []
    for index in np.argsort(-weights, kind="stable"):
        alone = model.only(int(index))
        found = [
            _standout(model.schema[name], alone.predict(empty, name), overall[name]) for name in model.schema.names
        ]
        found.sort(key=lambda entry: -abs(entry["effect"]))
        cards.append(
            {
                "index": int(index),
                "share": float(weights[index]),
                "rows": float(weights[index] * total),
                "segment": model.segments[index] if model.segments else None,
                "standouts": [entry for entry in found if abs(entry["effect"]) > 0.2][:STANDOUTS],
            }
        )
    return cards


def _standout(column: Column, here: Any, overall: Any) -> dict[str, Any]:
    """How one column's distribution in a component differs from that in all: an effect in standard deviations."""
    if column.levels:
        p, q = here.probabilities[0], overall.probabilities[0]
        effects = (p - q) / np.sqrt(np.maximum(q * (1 - q), 1e-12))
        top = int(np.argmax(np.abs(effects) + 1e-6 * (effects > 0)))  # of two levels the commoner
        text = f"{p[top]:.0%} are {column.levels[top]}, {q[top]:.0%} overall"
        return {"column": column.name, "text": text, "effect": float(effects[top])}
    if column.kind == "real":
        value, usual, spread = here.mean()[0], overall.mean()[0], overall.std()[0]
        what = "mean"
    else:
        value, usual = here.quantile(0.5)[0], overall.quantile(0.5)[0]
        low, high = overall.quantile([0.16, 0.84])[0]
        spread, what = max((high - low) / 2, 1e-12), "median"
    text = f"{what} {value:,.4g}, {usual:,.4g} overall"
    return {"column": column.name, "text": text, "effect": float((value - usual) / spread)}
