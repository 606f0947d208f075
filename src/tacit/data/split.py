"""Which rows are held out, and which fold each row is in: at random, by whole groups, or by time."""

from __future__ import annotations

import numpy as np

from tacit._errors import DataError, UsageError


def holdout(
    n: int,
    fraction: float,
    *,
    seed: int,
    group: np.ndarray | None = None,
    time: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, held out) of n rows, each ascending; about `fraction` of the rows are held out.

    Rows are drawn at random, or whole groups are. With `time` the latest moments are held out, rows of one
    moment together; with both, the groups whose last row is latest.

    Raises:
        UsageError: fraction is not between 0 and 1.
        DataError: there are too few rows, groups or moments to leave both parts something.

    Example:
        >>> [part.tolist() for part in holdout(6, 0.34, seed=0)]
        [[2, 3, 4, 5], [0, 1]]
    """
    if not 0.0 < fraction < 1.0:
        raise UsageError(f"The held-out share is {fraction}.", mend="Choose one between 0 and 1, such as 0.2.")
    units, order = _units(n, group, time, seed)
    if len(order) < 2:
        raise _too_few(len(order), group, time)
    sizes = np.bincount(units)[order]
    kept = np.cumsum(sizes) - sizes / 2.0 <= (1.0 - fraction) * n
    kept[0], kept[-1] = True, False
    held = np.isin(units, order[~kept])
    return np.flatnonzero(~held), np.flatnonzero(held)


def folds(
    n: int,
    n_folds: int,
    *,
    seed: int,
    group: np.ndarray | None = None,
    time: np.ndarray | None = None,
) -> np.ndarray:
    """The fold (n,) of each row, 0 .. n_folds - 1, of sizes as equal as may be.

    Rows are dealt at random; groups stay whole, the largest dealt first to the smallest fold; with `time` the
    folds are blocks of successive moments.

    Raises:
        UsageError: fewer than two folds.
        DataError: fewer rows, groups or moments than folds.

    Example:
        >>> folds(6, 3, seed=0).tolist()
        [1, 2, 1, 0, 0, 2]
    """
    if n_folds < 2:
        raise UsageError(f"{n_folds} folds do not cross-validate.", mend="Choose two or more.")
    units, order = _units(n, group, time, seed)
    if len(order) < n_folds:
        raise _too_few(len(order), group, time, n_folds)
    sizes = np.bincount(units)
    fold_of_unit = np.empty(len(order), dtype=np.int64)
    if time is not None:
        fold_of_unit[order] = _blocks(sizes[order], n_folds)
    elif group is None:
        fold_of_unit[order] = np.arange(n) % n_folds
    else:
        load = np.zeros(n_folds, dtype=np.int64)
        for unit in order[np.argsort(-sizes[order], kind="stable")]:
            smallest = int(np.argmin(load))
            fold_of_unit[unit] = smallest
            load[smallest] += sizes[unit]
    return fold_of_unit[units]


def _units(n: int, group: np.ndarray | None, time: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The unit (n,) that each row belongs to, and the order of units: shuffled, or by their latest moment.

    A unit is a row, a group or a moment; groups in time are units ordered by their last row.
    """
    if group is not None:
        units = np.unique(group, return_inverse=True)[1].reshape(-1)
    elif time is not None:
        units = np.unique(time, return_inverse=True)[1].reshape(-1)
    else:
        units = np.arange(n)
    count = int(units.max()) + 1 if n else 0
    if time is None:
        return units, np.random.default_rng(seed).permutation(count)
    latest = np.full(count, -np.inf)
    np.maximum.at(latest, units, time)
    return units, np.argsort(latest, kind="stable")


def _blocks(sizes: np.ndarray, n_folds: int) -> np.ndarray:
    """The block of each unit in order: borders nearest to equal shares of rows, at least one unit a block."""
    middle, step = np.cumsum(sizes) - sizes / 2.0, np.arange(1, n_folds)
    borders = np.searchsorted(middle, step * sizes.sum() / n_folds)
    borders = np.maximum.accumulate(np.maximum(borders, 1) - step) + step
    borders = np.minimum(borders, len(sizes) - n_folds + step)
    return np.searchsorted(borders, np.arange(len(sizes)), side="right")


def _too_few(found: int, group: np.ndarray | None, time: np.ndarray | None, needed: int = 2) -> DataError:
    unit = "groups" if group is not None else "moments" if time is not None else "rows"
    return DataError(
        f"There are too few {unit} to split: {found}, where {needed} are needed.",
        mend=f"Give more {unit}, split in fewer parts (cv=2, --set n_folds=2), or ask for one number of components.",
    )
