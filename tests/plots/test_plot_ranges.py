from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.plots.ranges import bin_edges, plot_range, smooth_shares

finite = st.floats(-1e6, 1e6, allow_nan=False)


@settings(derandomize=True, deadline=None)
@given(st.lists(finite, min_size=1, max_size=40))
def test_the_range_is_proper_and_holds_the_bulk(values: list[float]) -> None:
    sample = np.array(values)
    low, high = plot_range(sample)
    first, last = np.quantile(sample, [0.01, 0.99])
    assert low < high
    assert low <= first
    assert last <= high
    assert 12 <= len(bin_edges(sample, low, high)) - 1 <= 40


def test_one_wild_value_does_not_set_the_range() -> None:
    sample = np.append(np.linspace(0, 1, 1000), 1e9)
    assert plot_range(sample)[1] < 3


def test_no_values_give_a_range_all_the_same() -> None:
    assert plot_range(np.empty(0)) == (0.0, 1.0)


def test_the_line_is_on_the_scale_of_the_histogram() -> None:
    # Over bins of width w, a uniform sample on [0, 10] has share w / 10 a bin, away from the ends.
    sample = (np.arange(100_000) + 0.5) / 10_000
    x, shares = smooth_shares(sample, np.linspace(0, 10, 21))
    inner = (x > 2) & (x < 8)
    np.testing.assert_allclose(shares[inner], 0.05, rtol=0.02)


def test_the_line_has_the_mean_and_spread_of_kernel_plus_sample() -> None:
    edges = np.linspace(-4, 4, 17)
    x, shares = smooth_shares(np.full(50, 1.0), edges)
    weight = shares / shares.sum()
    mean = weight @ x
    assert mean == pytest.approx(1.0, abs=0.04)  # the grid step is 1/16
    assert np.sqrt(weight @ (x - mean) ** 2) == pytest.approx(0.25, rel=0.02)
