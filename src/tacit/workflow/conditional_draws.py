"""Draws from a conditional density: all targets of a row together."""

from __future__ import annotations

import numpy as np

from tacit.distributions import DiagonalNormal
from tacit.workflow.conditional_table import ConditionalTable, factor


def draws(model: ConditionalTable, x: np.ndarray, n_samples: int, *, seed: int) -> np.ndarray:
    """Draws (n, n_samples) of the target, or (n, n_samples, t) of several, in the user's units.

    A component of the mixture is drawn, then the targets from it, together.
    """
    rng = np.random.default_rng(seed)
    if len(model.targets) == 1:
        drawn = model.predict(x, model.targets[0]).sample(n_samples, rng)
        levels = model.schema.modelled[0].levels
        return drawn.astype(np.array(levels).dtype) if levels else drawn
    log_weights, stack = model.mixtures(x)
    cumulative = np.cumsum(np.exp(log_weights), axis=1)
    points = rng.random((len(x), n_samples)) * cumulative[:, -1:]
    chosen = np.minimum((points[..., None] > cumulative[:, None]).sum(axis=-1), log_weights.shape[1] - 1)
    rows = np.arange(len(x))[:, None]
    noise = rng.standard_normal((*chosen.shape, len(model.targets)))
    if isinstance(stack, DiagonalNormal):
        noise = np.exp(stack.log_scale[rows, chosen]) * noise
    else:
        noise = np.einsum("nsij,nsj->nsi", factor(stack.raw[rows, chosen]), noise)
    return model.to_user(stack.loc[rows, chosen] + noise)
