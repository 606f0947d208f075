"""Which numbers of components are tried, and the folds that choose among them."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import check_cv

from tacit._errors import DataError, UsageError
from tacit.data.split import folds

LARGEST_AUTO = 10


def numbers(n_components: Any, n: int, d: int) -> list[int]:
    """Numbers of components to try for n rows of d columns.

    "auto" is 1 to 10, as long as every component can have d + 1 rows. Raises `UsageError` for what is no number of
    components, `DataError` for more than there are rows.
    """
    if isinstance(n_components, str):
        return list(range(1, min(LARGEST_AUTO, max(1, n // (d + 1))) + 1))
    given = np.atleast_1d(n_components)
    if not given.size or given.dtype.kind not in "iu" or given.min() < 1:
        raise UsageError(
            f"{n_components!r} does not list numbers of components.",
            where="n_components",
            mend='Give integers of 1 or more, or "auto".',
        )
    ks = sorted({int(k) for k in given.ravel()})
    if n < ks[-1]:
        raise DataError(
            f"Expected n_samples >= n_components but got n_components = {ks[-1]}, n_samples = {n}.",
            where="X",
            mend="Ask for fewer components.",
        )
    return ks


def fold_of_rows(cv: Any, n: int, random: np.random.RandomState) -> Int[np.ndarray, " n"]:
    """The fold of every row: dealt at random into `cv` folds, or the test parts of a splitter or list of splits."""
    if isinstance(cv, Integral):
        return folds(n, int(cv), seed=random.randint(2**31 - 1))
    fold = np.full(n, -1)
    tests = [test for _, test in check_cv(cv).split(np.empty((n, 1)))]
    for number, test in enumerate(tests):
        fold[test] = number
    if np.any(fold < 0) or sum(map(len, tests)) != n:
        raise UsageError("some rows are not in exactly one test part.", where="cv", mend="Use KFold, say.")
    return fold
