"""What sets each component apart, in words and figures of the table."""

from __future__ import annotations

from typing import Any

import jax
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
    real = _real(model, weights)
    others = [name for name in model.schema.names if name not in real]
    empty = Rows(np.full((1, model.schema.layout.width), np.nan), np.zeros(1), np.ones(1))
    overall = {name: model.predict(empty, name) for name in others}
    cards = []
    for index in np.argsort(-weights, kind="stable"):
        alone = model.only(int(index))
        found = [_shifted(name, means[index], usual, spread) for name, (means, usual, spread) in real.items()]
        found += [_standout(model.schema[name], alone.predict(empty, name), overall[name]) for name in others]
        found.sort(key=lambda entry: -abs(entry["effect"]))
        cards.append(
            {
                "index": int(index) + 1,
                "share": float(weights[index]),
                "rows": float(weights[index] * total),
                "segment": model.segments[index] if model.segments else None,
                "standouts": [entry for entry in found if abs(entry["effect"]) > 0.2][:STANDOUTS],
            }
        )
    return cards


def _real(model: TableMixture, weights: np.ndarray) -> dict[str, tuple[np.ndarray, float, float]]:
    """Of every real column its mean in each component, and its mean and standard deviation in all."""
    names = [name for name in model.schema.layout.normal if model.schema[name].kind == "real"]
    if not names:
        return {}
    normal, found = model.block("normal"), {}
    with jax.enable_x64(True):
        variances = np.asarray(normal.variance)
    share = weights / weights.sum()
    for name in names:
        column, place = model.schema[name], model.schema.layout.normal.index(name)
        loc = np.asarray(normal.loc)[:, place]
        mean = share @ loc
        variance = share @ (variances[:, place] + (loc - mean) ** 2)
        means, usual = (column.center + column.scale * value for value in (loc, mean))
        found[name] = means, float(usual), float(column.scale * np.sqrt(variance))
    return found


def _shifted(name: str, mean: float, usual: float, spread: float) -> dict[str, Any]:
    """How far the mean of a real column in a component is from that in all, in standard deviations."""
    text = f"mean {mean:,.4g}, {usual:,.4g} overall"
    return {"column": name, "text": text, "effect": float((mean - usual) / spread)}


def _standout(column: Column, here: Any, overall: Any) -> dict[str, Any]:
    """How one column's distribution in a component differs from that in all: an effect in standard deviations."""
    if column.levels:
        p, q = here.probabilities[0], overall.probabilities[0]
        effects = (p - q) / np.sqrt(np.maximum(q * (1 - q), 1e-12))
        top = int(np.argmax(np.abs(effects) + 1e-6 * (effects > 0)))  # of two levels the commoner
        text = f"{p[top]:.0%} are {column.levels[top]}, {q[top]:.0%} overall"
        return {"column": column.name, "text": text, "effect": float(effects[top])}
    value, usual = here.quantile(0.5)[0], overall.quantile(0.5)[0]
    low, high = overall.quantile([0.16, 0.84])[0]
    text = f"median {value:,.4g}, {usual:,.4g} overall"
    return {"column": column.name, "text": text, "effect": float((value - usual) / max((high - low) / 2, 1e-12))}
