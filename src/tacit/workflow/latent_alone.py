"""Whether a training came to more than every column says by itself: where it went astray it is told, or refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from tacit._device import compiled, placed
from tacit._errors import FitError
from tacit._typing import Array
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.models import ColumnFamily
from tacit.training import Fitted
from tacit.workflow.latent_columns import column_family, marginal_numbers
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.latent_rows import Cells

FLOOR = 0.003  # of the scales of real columns
BEHIND, ABSURD = 0.3, 10.0  # of the size of the figure of columns alone, and ten times as many nats


def alone_log_probs(
    schema: Schema, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """`sum_j log p(y_j)` of the present cells of every row, each column at its own best, in nats and encoded units.

    y (n, d) holds NaN where a cell is missing.
    """
    family = column_family(schema, y, weight, "shared", FLOOR)
    numbers = placed(marginal_numbers(schema, family, y, weight), jnp.float32)
    cells = Cells.of(y)
    seen = np.ones(y.shape, bool) if cells.observed is None else cells.observed
    return np.asarray(_log_probs(family, numbers, placed(cells.y, jnp.float32), placed(seen)), np.float64)


@compiled
def _log_probs(
    family: ColumnFamily, numbers: Float[Array, " w"], y: Float[Array, "n d"], seen: Bool[Array, "n d"]
) -> Float[Array, " n"]:
    alone = family(numbers)
    return jax.vmap(alone.log_prob)(y, seen)


def against_columns(trained: Fitted, alone: float, plan: LatentPlan) -> list[Finding]:
    """A warning where the best bound is clearly below `alone`, the mean log-likelihood of columns one by one.

    Raises `FitError` where it is absurdly far below: the steps have run away.
    """
    value, size = float(trained.value), 10.0 + abs(alone)
    told = f"the best bound is {value:.4g} nats a row, where columns one by one have {alone:.4g}"
    rate = plan.training.learning_rate
    if value < alone - ABSURD * size:
        mend = f"Lower learning_rate (here {rate:g}), or look at the data."
        raise FitError(f"training has run away: {told}.", where="learning_rate", mend=mend)
    if value < alone - BEHIND * size and getattr(plan.objective, "beta", 1.0) <= 1.0:
        message = f"Training has come to nothing: {told}."
        mend = f"Raise max_iter, or lower learning_rate (here {rate:g})."
        return [Finding("warning", "behind-columns", message, mend=mend)]
    return []
