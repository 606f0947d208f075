"""The density of a table's columns without a latent, one column after the other: trained, and asked."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
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
from tacit.models.autoregressive_table import AutoregressiveTable
from tacit.training import train
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


def obstacle(schema: Schema, rows: Rows) -> str | None:
    """Why these rows have no such density; None where they have."""
    if any(column.kind == "zero-inflated" for column in schema.modelled):
        return "columns of zeros and positive values are not autoregressive"
    if np.isnan(rows.y).any():
        return "some cells are missing"
    return None


def fit_autoregressive(
    schema: Schema, rows: Rows, training: Training, *, seed: int = 0, progress: Progress = quiet
) -> AutoregressiveDensity:
    """Train on rows without missing cells, some of which judge every epoch; raises `DataError` where that cannot be."""
    why = obstacle(schema, rows)
    if why is not None:
        raise DataError(f"{why}.", mend="Leave the rows, or the columns, out.")
    y, _ = within_reach(schema, rows.y, REACH)
    weight, n = rows.weight / np.mean(rows.weight), len(rows)
    units = n if rows.group is None else len(np.unique(rows.group))
    aside = np.zeros(0, np.int32)
    if units >= _FEWEST:
        share = training.validation_fraction
        aside = hold_out(n, share, seed=seed + 1, group=rows.group, time=rows.time)[1].astype(np.int32)
    key_build, key_train = jax.random.split(jax.random.key(seed))
    fitted = train(
        without_latent(density_of(key_build, schema, y, weight, training)),
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


def density_of(
    key: jax.Array, schema: Schema, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"], training: Training
) -> AutoregressiveTable:
    """The density before training: bits, codes and counts begin at their frequencies."""
    layout = schema.layout
    floor = np.array([schema[name].floor / schema[name].scale for name in layout.normal])
    share = weight / weight.sum()
    means = share @ y[:, layout.span("poisson")]
    levels = tuple(size for _, size in layout.categorical)
    log_means = np.log(np.maximum(means, 1e-3))
    table = AutoregressiveTable.init(
        key,
        floor,
        len(layout.bernoulli),
        levels,
        log_means,
        training.hidden_layer_sizes,
        activation=training.activation,
    )
    start = np.zeros((y.shape[1], table.network.channels))
    ones = share @ y[:, layout.span("bernoulli")]
    start[layout.span("bernoulli"), 0] = np.log(ones + 0.5 / len(y)) - np.log(1 - ones + 0.5 / len(y))
    for place, size in enumerate(levels, start=layout.span("categorical").start):
        counts = np.bincount(y[:, place].astype(int), weight, minlength=size) + 0.5
        start[place, :size] = np.log(counts / counts.sum())
    last = table.network.layers[-1]
    bias = last.bias + jnp.asarray(start.reshape(-1), last.bias.dtype)
    found: AutoregressiveTable = eqx.tree_at(lambda t: t.network.layers[-1].bias, table, bias)
    return found
