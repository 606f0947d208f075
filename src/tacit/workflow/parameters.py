"""The parameters of a mixture of table columns, in the user's units."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from tacit.data.column import LOGGED
from tacit.workflow.table_mixture import TableMixture


class Parameter(NamedTuple):
    """What a number describes: a column (empty for the weight) and a quantity of it."""

    column: str
    quantity: str


def parameters(model: TableMixture) -> tuple[list[Parameter], np.ndarray]:
    """What the parameters are, and their values in each component (k, q), in the user's units.

    The weight; mean and sd of real columns; median and sd of the logarithm of positive ones; of zero-inflated ones
    also the probability of not being zero; the probability of each level (of a binary column, the second); rates.
    """
    log_weights, layout = np.asarray(model.mixture.log_weights), model.schema.layout
    named = [(Parameter("", "weight"), np.exp(log_weights - np.logaddexp.reduce(log_weights)))]
    for column in model.schema.modelled:
        name = column.name
        if name in layout.normal:
            normal, j = model.block("normal"), layout.normal.index(name)
            location = column.center + column.scale * normal.loc[:, j]
            with jax.enable_x64(True):
                deviation = np.sqrt(np.asarray(normal.variance)[:, j])
            logged = column.kind in LOGGED
            named.append((Parameter(name, "median" if logged else "mean"), np.exp(location) if logged else location))
            named.append((Parameter(name, "sd of log" if logged else "sd"), column.scale * deviation))
        if name in layout.bernoulli:
            logits = model.block("bernoulli").logits[:, layout.bernoulli.index(name)]
            event = f"P({column.levels[1]})" if column.levels else "P(not zero)"
            named.append((Parameter(name, event), np.exp(-np.logaddexp(0.0, -logits))))
        if column.kind == "categorical":
            logits = model.level_logits(name)
            shares = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
            named += [(Parameter(name, f"P({level})"), p) for level, p in zip(column.levels, shares.T, strict=True)]
        if column.kind == "count":
            named.append(
                (Parameter(name, "rate"), np.exp(model.block("poisson").log_rate[:, layout.poisson.index(name)]))
            )
    return [parameter for parameter, _ in named], np.stack([values for _, values in named], axis=1)
