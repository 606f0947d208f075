"""Figures of every row, worked out tile by tile: memory does not grow with the number of rows."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from tacit._device import compiled, placed
from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.batch import Batch
from tacit.distributions import AbstractDistribution
from tacit.evaluation.row_key import row_key
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel

TILE = 64  # rows at once


class AbstractOfRow(eqx.Module):
    """What is worked out of one row; settings are static fields."""

    @abc.abstractmethod
    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> PyTree:
        """The figures of a row; `key` is the row's own."""


def tiles(
    of_row: AbstractOfRow,
    model: LatentModel,
    posterior: AbstractConditional | None,
    rows: Batch,
    *,
    key: Key,
    tile: int = TILE,
) -> Iterator[tuple[np.ndarray, PyTree]]:
    """Places of rows (t,) and their figures, NumPy arrays (t, ...), `tile` rows after `tile` rows.

    The key of a row depends on `key` and on what the row holds, not on its place: its figures are the same in any table
    and with any `tile`. Rows without a hole come first and have no mask, whatever the others have. `rows` holds y
    (n, d), x (n, p) or None and mask (n, d) or None; weights and indices are not read.
    """
    n = _number(rows)
    tile = min(tile, 1 << (n - 1).bit_length())  # few sizes, since each is compiled
    whole = np.ones(n, bool) if rows.mask is None else np.asarray(rows.mask).all(axis=1)
    for places, holed in ((np.flatnonzero(whole), False), (np.flatnonzero(~whole), True)):
        for begin in range(0, len(places), tile):
            these = places[begin : begin + tile]
            inside = np.pad(these, (0, tile - len(these)), mode="edge")  # the last tile is filled up with the last row
            y, x = (None if a is None else placed(np.asarray(a)[inside], float) for a in (rows.y, rows.x))
            observed = placed(np.asarray(rows.mask)[inside]) if holed else None
            found = _tile(of_row, model, posterior, key, y, x, observed)
            yield these, jax.tree.map(lambda a: np.asarray(a)[: len(these)], found)  # noqa: B023


def over_rows(
    of_row: AbstractOfRow,
    model: LatentModel,
    posterior: AbstractConditional | None,
    rows: Batch,
    *,
    key: Key,
    tile: int = TILE,
) -> PyTree:
    """The figures of all rows, NumPy arrays (n, ...): `tiles`, put together."""
    return in_order(list(tiles(of_row, model, posterior, rows, key=key, tile=tile)))


def in_order(parts: Sequence[tuple[np.ndarray, PyTree]]) -> PyTree:
    """The figures of parts of the rows, each with the rows' places, as those of all in their order."""
    order = np.argsort(np.concatenate([places for places, _ in parts]))
    return jax.tree.map(lambda *a: np.concatenate(a)[order], *(figures for _, figures in parts))


@compiled
def _tile(of_row: AbstractOfRow, model: Any, posterior: Any, key: Array, y: Array, x: Any, observed: Any) -> PyTree:
    def one(y: Array, x: Any, observed: Any) -> PyTree:
        return of_row(row_key(key, y, x, observed), model, posterior, y, x, observed)

    return jax.vmap(one)(y, x, observed)


def subset(rows: Batch, which: np.ndarray) -> Batch:
    """Some of the rows."""
    return Batch(*(None if part is None else np.asarray(part)[which] for part in rows))


def kinds(
    model: LatentModel, posterior: AbstractConditional | None, rows: Batch
) -> tuple[AbstractDistribution, AbstractDistribution | None]:
    """Prior and posterior of the first row: to see of what kind they are."""
    _number(rows)
    y, x, observed = (None if a is None else placed(np.asarray(a)[0]) for a in (rows.y, rows.x, rows.mask))
    prior = model.prior(model.context(x))
    return prior, None if posterior is None else posterior(evidence(y, x, observed))


def _number(rows: Batch) -> int:
    if len(rows.y) == 0:
        raise UsageError("there are no rows.", where="evaluation", mend="Give at least one.")
    return len(rows.y)
