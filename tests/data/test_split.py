"""Splits: every row once, whole groups, later rows held out, same seed same split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit._errors import DataError, UsageError
from tacit.data.split import folds, holdout

rng = np.random.default_rng(0)
QUIET = settings(derandomize=True, deadline=None, max_examples=60)


@QUIET
@given(n=st.integers(2, 300), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
def test_random_holdout(n: int, fraction: float, seed: int) -> None:
    train, held = holdout(n, fraction, seed=seed)
    assert sorted([*train, *held]) == list(range(n))
    assert 0 < len(held) < n
    assert abs(len(held) - fraction * n) <= 1.0
    np.testing.assert_array_equal(holdout(n, fraction, seed=seed)[1], held)


@QUIET
@given(group=st.lists(st.integers(0, 8), min_size=4, max_size=60).filter(lambda g: len(set(g)) > 1))
def test_groups_stay_whole(group: list[int]) -> None:
    codes = np.array(group)
    train, held = holdout(len(codes), 0.3, seed=1, group=codes)
    assert len(train)
    assert len(held)
    assert not set(codes[train]) & set(codes[held])
    fold = folds(len(codes), 2, seed=1, group=codes)
    assert set(fold) == {0, 1}
    assert all(len(set(fold[codes == code])) == 1 for code in set(group))


@QUIET
@given(
    time=st.lists(st.integers(0, 30), min_size=5, max_size=80).filter(lambda t: len(set(t)) >= 4),
    n_folds=st.integers(2, 4),
)
def test_time_blocks(time: list[int], n_folds: int) -> None:
    moments = np.array(time, float)
    train, held = holdout(len(moments), 0.25, seed=0, time=moments)
    assert moments[train].max() < moments[held].min()
    fold = folds(len(moments), n_folds, seed=0, time=moments)
    assert set(fold) == set(range(n_folds))
    for block in range(n_folds - 1):
        assert moments[fold == block].max() < moments[fold == block + 1].min()


def test_folds_are_balanced() -> None:
    sizes = np.bincount(folds(103, 5, seed=3))
    assert sizes.tolist() == [21, 21, 21, 20, 20]
    group = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    loads = np.bincount(folds(len(group), 5, seed=3, group=group))
    assert loads.max() - loads.min() <= 8
    blocks = np.bincount(folds(100, 4, seed=3, time=rng.permutation(100).astype(float)))
    assert blocks.tolist() == [25, 25, 25, 25]


def test_groups_in_time_hold_out_the_latest_groups() -> None:
    group = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    time = np.array([0, 5, 1, 9, 2, 3, 6, 7], float)
    assert holdout(8, 0.25, seed=0, group=group, time=time)[1].tolist() == [2, 3]


def test_seeds_differ_and_leave_no_trace() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert not np.array_equal(folds(50, 5, seed=0), folds(50, 5, seed=1))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_share_out_of_range(fraction: float) -> None:
    with pytest.raises(UsageError, match="held-out share"):
        holdout(10, fraction, seed=0)


def test_too_few() -> None:
    with pytest.raises(DataError, match="too few rows"):
        holdout(1, 0.5, seed=0)
    with pytest.raises(DataError, match="too few groups"):
        holdout(5, 0.5, seed=0, group=np.zeros(5, int))
    with pytest.raises(DataError, match="too few moments to split: 2, where 3"):
        folds(4, 3, seed=0, time=np.array([0.0, 0.0, 1.0, 1.0]))
    with pytest.raises(DataError, match="too few rows"):
        folds(2, 3, seed=0)
    with pytest.raises(UsageError, match="folds"):
        folds(10, 1, seed=0)
