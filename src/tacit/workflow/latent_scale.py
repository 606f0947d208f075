"""Scales of real columns given the latent: the closed-form best of shared ones, and the collapse of learned ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._device import compiled, placed
from tacit._typing import Array
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.distributions import MultivariateNormal
from tacit.inference.procedure import evidence
from tacit.models import LatentModel
from tacit.networks import Fixed
from tacit.workflow.latent_rows import Cells
from tacit.workflow.latent_table import LatentTable

DRAWS = 32  # of z a row
COLLAPSED = 0.02  # of a column's standard deviation: no column is known so well by its code
EXPLODED = 10.0  # the same: no column is spread so widely
_MOST_ROWS = 20_000
_TILE = 512


def with_residual_scale(table: LatentTable, rows: Rows) -> LatentTable:
    """The model with shared scales at `s_j^2 = mean E_q (y_j - mu_j(z))^2`, over the present cells of the rows.

    That is where the bound is largest in them, all else held; at least the floor. Other scales stay as they are.
    """
    normal = _normal(table)
    if normal is None or normal.log_scale is None or isinstance(normal.log_scale, Fixed):
        return table
    rows = _some(rows)
    total, mass = np.zeros(normal.d), np.zeros(normal.d)
    cells = Cells.of(rows.y)
    seen = np.ones(cells.y.shape, bool) if cells.observed is None else cells.observed
    for start in range(0, len(rows), _TILE):
        part = slice(start, start + _TILE)
        pad = ((0, _TILE - len(cells.y[part])), (0, 0))
        y = placed(np.pad(cells.y[part], pad), jnp.float32)
        x = None if rows.x is None else placed(np.pad(rows.x[part], pad), jnp.float32)
        observed = None if cells.observed is None else placed(np.pad(cells.observed[part], pad))
        key = jax.random.fold_in(jax.random.key(0), start)  # the same scales for the same rows
        squares = np.asarray(_squares(table.model, table.posterior, key, y, x, observed, normal.d), float)
        weight = rows.weight[part, None] * seen[part, : normal.d]
        total += np.sum(weight * squares[: len(weight)], axis=0)
        mass += weight.sum(axis=0)
    floor = np.asarray(normal.floor.value, float)
    scale = np.sqrt(total / np.maximum(mass, 1e-30))
    above = np.log(np.maximum(scale - floor, 1e-3 * floor)).astype(np.float32)
    above = np.where(mass > 0, above, normal.log_scale)
    model = eqx.tree_at(lambda m: m.likelihood.family.normal.log_scale, table.model, above)
    return replace(table, model=model)


def scale_findings(table: LatentTable, rows: Rows) -> list[Finding]:
    """What a person should know of the scales: whether some have shrunk onto rows, or exploded."""
    normal = _normal(table)
    if normal is None or normal.log_scale is not None:
        return []
    scales = _scales_at_rows(table, _some(rows))
    floor = np.asarray(normal.floor.value)
    least, greatest = scales.min(axis=0), scales.max(axis=0)
    narrow, wide = np.flatnonzero((least < COLLAPSED) & (floor < COLLAPSED / 2)), np.flatnonzero(greatest > EXPLODED)
    found = []
    if len(wide):
        names = ", ".join(repr(table.schema.layout.normal[j]) for j in wide[:4])
        message = (
            f"The network's scale of {len(wide)} columns ({names}) rose to {greatest[wide].max():.2g} times their "
            "standard deviation at some training rows: there it says next to nothing, and rows drawn are far off."
        )
        mend = "Use scale='shared', or lower the learning rate."
        found.append(Finding("warning", "scale-explosion", message, mend=mend))
    if not len(narrow):
        return found
    names = ", ".join(repr(table.schema.layout.normal[j]) for j in narrow[:4])
    message = (
        f"The network's scale of {len(narrow)} columns ({names}) fell to {least[narrow].min():.2g} of their standard "
        "deviation at some training rows. A learned scale has no best value: as it shrinks onto rows that are "
        "memorised the likelihood of these grows without limit, and that of new rows falls."
    )
    mend = "Use scale='shared', or scale='floored' with scale_floor=0.1."
    return [*found, Finding("warning", "scale-collapse", message, mend=mend)]


def _some(rows: Rows) -> Rows:
    """At most so many rows, drawn from all over the table: files are sorted."""
    if len(rows) <= _MOST_ROWS:
        return rows
    return rows.take(np.sort(np.random.default_rng(0).choice(len(rows), _MOST_ROWS, replace=False)))


def _normal(table: LatentTable) -> Any:
    """The real columns of a decoder whose columns are independent; None where there are none."""
    decoder: Any = table.model.likelihood
    return decoder.family.normal if table.independent else None


def _scales_at_rows(table: LatentTable, rows: Rows) -> Float[np.ndarray, "n d"]:
    """The decoder's scales at the mean of every row's q."""
    x = None if rows.x is None else placed(rows.x, jnp.float32)
    found = np.exp(np.asarray(_scales(table.model, placed(_means(table, rows), jnp.float32), x), float))
    return np.maximum(found, 1e-30)


def _means(table: LatentTable, rows: Rows) -> np.ndarray:
    q = table.posteriors(rows)
    return np.asarray(q.loc if hasattr(q, "loc") else q.probs if hasattr(q, "probs") else jax.nn.softmax(q.logits))


@compiled
def _scales(model: LatentModel, z: Array, x: Array | None) -> Array:
    def at(z: Array, x: Any) -> Array:
        likelihood: Any = model.likelihood((z, model.context(x)))
        normal = likelihood.blocks[0] if hasattr(likelihood, "blocks") else likelihood
        return jnp.diagonal(normal.raw) if isinstance(normal, MultivariateNormal) else normal.log_scale

    return jax.vmap(at)(z, x)


@compiled
def _squares(model: LatentModel, posterior: Any, key: Any, y: Array, x: Any, observed: Any, d: int) -> Array:
    """`E_q (y_j - mu_j(z))^2` of the first d columns of a tile of rows."""

    def row(key: Any, y: Array, x: Any, observed: Any) -> Array:
        q, context = posterior(evidence(y, x, observed)), model.context(x)

        def one(key: Any) -> Array:
            likelihood: Any = model.likelihood((q.sample(key), context))
            normal = likelihood.blocks[0] if hasattr(likelihood, "blocks") else likelihood
            return (y[:d] - normal.loc) ** 2

        return jnp.mean(jax.vmap(one)(jax.random.split(key, DRAWS)), axis=0)

    return jax.vmap(row)(jax.random.split(key, len(y)), y, x, observed)
