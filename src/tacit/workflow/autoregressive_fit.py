"""The density of a table's columns without a latent, one column after the other: trained, and asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from tacit._device import compiled, placed
from tacit._errors import DataError
from tacit._typing import Array
from tacit.data.batch import Batch
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.inference.fit import Progress, quiet
from tacit.models import LatentModel
from tacit.models.autoregressive import without_latent
from tacit.training import train
from tacit.workflow.autoregressive_start import check_readable, density_of
from tacit.workflow.latent_plan import Training
from tacit.workflow.latent_rows import within_reach

REACH = 30.0
_FEWEST = 10  # rows below which none are set aside
_TILE = 1024


@dataclass(frozen=True, eq=False)
class AutoregressiveDensity:
    """`p(y) = prod_j p(y_j | y_1, ..., y_{j-1})` of the columns of a schema: exact, of rows without missing cells."""

    schema: Schema
    model: LatentModel

    def log_prob(self, rows: Rows) -> Float[np.ndarray, " n"]:
        """`log p` of every row, in nats and the user's units; raises `DataError` where a cell is missing."""
        if np.isnan(rows.y).any():
            what = "a density of columns one after the other needs all cells."
            raise DataError(what, mend="Leave out the rows with missing cells.")
        pad = (0, -len(rows) % _TILE), (0, 0)
        y = np.pad(rows.y, pad).astype(np.float32).reshape(-1, _TILE, rows.y.shape[1])
        found = np.concatenate([np.asarray(_log_probs(self.model, placed(tile)), np.float64) for tile in y])
        return found[: len(rows)] + rows.log_jacobian


@compiled
def _log_probs(model: LatentModel, y: Float[Array, "r d"]) -> Float[Array, " r"]:
    density = model.likelihood((None, None))
    return jax.vmap(density.log_prob)(y)


def fit_autoregressive(
    schema: Schema, rows: Rows, training: Training, *, seed: int = 0, progress: Progress = quiet
) -> AutoregressiveDensity:
    """Train on rows without missing cells, some of which judge every epoch; raises `DataError` where that cannot be."""
    check_readable(schema, rows.y)
    y, _ = within_reach(schema, rows.y, REACH)
    weight, n = rows.weight / np.mean(rows.weight), len(rows)
    units = n if rows.group is None else len(np.unique(rows.group))
    aside = np.zeros(0, np.int32)
    if units >= _FEWEST:
        share = training.validation_fraction
        aside = hold_out(n, share, seed=seed + 1, group=rows.group, time=rows.time)[1].astype(np.int32)
    key_build, key_train = jax.random.split(jax.random.key(seed))
    settings: dict[str, Any] = {"widths": training.hidden_layer_sizes, "activation": training.activation}
    fitted = train(
        without_latent(density_of(key_build, schema, y, weight, **settings)),
        None,
        Batch(y, None, None, weight, None),
        key=key_train,
        optimizer=training.descent(n - len(aside)),
        batch_size=training.batch(n - len(aside)),
        max_epochs=training.epochs(n - len(aside)),
        patience=training.patience,
        validation=aside,
        progress=progress,
    )
    return AutoregressiveDensity(schema, jax.tree.map(np.asarray, fitted.model))
