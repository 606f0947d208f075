"""Rows laid out in tiles of one shape, so that a pass over the data is one scan and rows x components never exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from tacit._typing import Array

TILE_BYTES = 5 << 20  # of the widest array a tile makes: it should stay in cache
LARGEST_TILE = 4096
FEW_ROWS = 16_384  # up to here a pass costs less than to compile it
CHUNK_BYTES = 4 << 20  # of rows that a longer table has on the device at a time
# complete rows that take a step as long as one pattern of missing cells, for each column that is modelled jointly, and
# as one row that is completed by itself
PATTERN_ROWS, LONE_ROWS = 20, 32
LONE_BYTES = 2 << 20  # of the matrices of a tile whose rows are completed one by one
MOST_LONE = 64  # rows of such a tile


class Tiles(NamedTuple):
    """g tiles of b rows. Padding rows have weight 0.

    `y` holds 0 in missing cells; `observed` is None where every cell is present. `weight` holds the row weights under
    w weightings (folds, resamples), and `index` the row's place in the table (its length for padding).
    """

    y: Float[Array, "g b d"]
    observed: Bool[Array, "g b d"] | None
    weight: Float[Array, "g b w"]
    index: Int[Array, "g b"]
    missing: Int[Array, "g b p"] | None = None


def tile_rows(width: int) -> int:
    """Rows a tile may have when its widest array has `width` columns."""
    return int(np.clip(TILE_BYTES // (8 * width) // 64 * 64, 64, LARGEST_TILE))


def _round_up(n: int, bits: int) -> int:
    """The next number with at most `bits` leading bits: few distinct shapes, few compilations."""
    step = 1 << max(n.bit_length() - bits, 0)
    return -(-n // step) * step


def _group(pattern: Bool[np.ndarray, "n p"]) -> list[np.ndarray]:
    """Row numbers of each distinct pattern."""
    packed = np.packbits(pattern, axis=1)
    _, code = np.unique(packed, axis=0, return_inverse=True)
    order = np.argsort(code, kind="stable")
    return np.split(order, np.cumsum(np.bincount(code.ravel()))[:-1])


def _rows_per_tile(sizes: np.ndarray, largest: int) -> int:
    """Tile rows for groups of these sizes: few tiles, little padding.

    A tile costs about as much as 32 rows on top of its rows (the factorisations of its pattern).
    """
    candidates = [b for b in (8, 64, 512, 4096) if b <= largest]  # few, so that few shapes are compiled
    return min(candidates, key=lambda b: int(np.sum(-(-sizes // b))) * (b + 32))


def _layout(
    observed: np.ndarray | None, n: int, pattern_columns: tuple[int, ...], largest: int, bits: int
) -> np.ndarray:
    """Row numbers (g, b) of the tiles; n marks padding. Their shape has at most `bits` leading bits."""
    if observed is None or not pattern_columns:
        tiles = max(-(-n // largest), 1)
        rows = min(_round_up(n, bits), largest) if tiles == 1 else -(-n // (64 * tiles)) * 64
        index = np.full(-(-n // rows) * rows, n)
        index[:n] = np.arange(n)
        return index.reshape(-1, rows)
    groups = _group(observed[:, list(pattern_columns)])
    b = _rows_per_tile(np.array([len(g) for g in groups]), largest)
    padded = [np.pad(g, (0, -len(g) % b), constant_values=n) for g in groups]
    return _with_spare(np.concatenate(padded).reshape(-1, b), n, bits)


def _with_spare(index: np.ndarray, n: int, bits: int) -> np.ndarray:
    """Tiles of padding added, so that the number of tiles has few leading bits."""
    spare = _round_up(len(index), bits) - len(index)
    return np.pad(index, ((0, spare), (0, 0)), constant_values=n)


def work(n: int, n_patterns: int, columns: int) -> tuple[int, bool]:
    """Complete rows that take a step as long, and whether rows are better completed one by one.

    They are where there are too many patterns of missing cells for so many rows.
    """
    shared, alone = n + PATTERN_ROWS * columns * n_patterns, LONE_ROWS * n
    return (alone, True) if n_patterns and alone < shared else (shared, False)


def _lone_layout(
    observed: np.ndarray, columns: tuple[int, ...], slots: int, bits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (g, b) of tiles for rows completed one by one, and the missing columns (n + 1, p) of each row.

    The rows of a tile lack about as many cells: its work is that of the row that lacks most.
    """
    n, d = observed.shape
    gone = ~observed[:, list(columns)]
    counts = gone.sum(1)
    p = -(-int(counts.max(initial=1)) // 4) * 4
    missing = np.full((n + 1, p), d, np.int32)
    row, place = np.nonzero(gone)
    missing[row, (np.cumsum(gone, 1) - 1)[row, place]] = np.array(columns)[place]
    fitting = LONE_BYTES // (8 * p * p * slots)
    b = 1 << int(np.clip(fitting, 1, MOST_LONE)).bit_length() - 1
    index = np.full(-(-n // b) * b, n)
    index[:n] = np.argsort(counts, kind="stable")
    return _with_spare(index.reshape(-1, b), n, bits), missing


def make_tiles(
    y: Float[np.ndarray, "n d"],
    *,
    width: int,
    weight: Float[np.ndarray, "n w"] | None = None,
    pattern_columns: tuple[int, ...] = (),
    bits: int = 4,
    lone: int | None = None,
) -> Tiles:
    """Lay rows out in tiles; NaN marks a missing cell. Rows of a tile share the pattern of `pattern_columns`.

    With fewer `bits`, tables of different lengths have the same shape more often: less compiling, more padding. With
    `lone`, rows of a tile may lack any cells, and are to be completed one by one under that many components.
    """
    n = len(y)
    missing = np.isnan(y)
    observed = None if not missing.any() else ~missing
    lacking = None
    if lone is not None and observed is not None and pattern_columns:
        index, places = _lone_layout(observed, pattern_columns, lone, bits)
        lacking = places[index]
    else:
        index = _layout(observed, n, pattern_columns, tile_rows(width), bits)

    def place(rows: np.ndarray, fill: Any) -> np.ndarray:
        if index.size == n and observed is None:
            return rows.reshape(*index.shape, -1)
        return np.concatenate([rows, np.full((1, rows.shape[1]), fill, rows.dtype)])[index]

    if observed is None:
        placed_observed = None
    else:
        placed_observed = place(observed, False)
        # padding shares the pattern of the tile's first row
        placed_observed = np.where((index == n)[..., None], placed_observed[:, :1], placed_observed)
    values = y if observed is None else np.where(missing, 0.0, y)
    return Tiles(
        y=place(values, 0.0),
        observed=placed_observed,
        weight=place(np.ones((n, 1)) if weight is None else weight, 0.0),
        index=index.astype(np.int32),
        missing=lacking,
    )


def chunks(n: int, d: int) -> Iterator[slice]:
    """Slices of rows that each fit in `CHUNK_BYTES`, all of one length but the last."""
    rows = max(CHUNK_BYTES // (8 * d) // LARGEST_TILE, 1) * LARGEST_TILE
    return (slice(start, min(start + rows, n)) for start in range(0, n, rows))


def map_rows(
    function: Callable[..., Any], y: Float[np.ndarray, "n d"], *, width: int, pattern_columns: tuple[int, ...]
) -> Any:
    """Apply `function(y (g, b, d), observed (g, b, d), index (g, b)) -> tree of (g, b, ...)` to all rows, in order."""
    n = len(y)
    outputs: list[Any] = []
    places: list[np.ndarray] = []
    for rows in chunks(n, y.shape[1]):
        bits = 1 if n <= FEW_ROWS else 4
        tiles = make_tiles(y[rows], width=width, pattern_columns=pattern_columns, bits=bits)
        observed = np.ones(tiles.y.shape, bool) if tiles.observed is None else tiles.observed
        index = np.asarray(tiles.index) + rows.start
        # no copy, and with the dtype named no program is compiled for it
        result = function(*(jnp.asarray(a, a.dtype) for a in (tiles.y, observed, index)))
        real = np.asarray(tiles.index).ravel() < rows.stop - rows.start
        outputs.append(jax.tree.map(lambda a, real=real: np.asarray(a).reshape(-1, *a.shape[2:])[real], result))
        places.append(index.ravel()[real])
    order = np.argsort(np.concatenate(places), kind="stable")
    return jax.tree.map(lambda *parts: np.concatenate(parts)[order], *outputs)
