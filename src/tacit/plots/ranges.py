"""Ranges and bins that one wild value cannot ruin."""

from __future__ import annotations

import numpy as np

from tacit.plots.data import Column


def plot_range(*samples: Column) -> tuple[float, float]:
    """The range of the samples, cut where values lie further out than the width of their central 98 %."""
    values = np.concatenate(samples)
    if values.size == 0:
        return 0.0, 1.0
    first, last = np.quantile(values, [0.01, 0.99])
    width = last - first
    low, high = max(values.min(), first - width), min(values.max(), last + width)
    pad = 0.02 * (high - low) or 0.05 * abs(high) or 1.0
    return float(low - pad), float(high + pad)


def bin_edges(values: Column, low: float, high: float) -> Column:
    """Freedman and Diaconis (1981): bins of width 2 IQR n^(-1/3), between 12 and 40 of them."""
    inside = values[(values >= low) & (values <= high)]
    count = 12
    if inside.size > 1:
        first, third = np.quantile(inside, [0.25, 0.75])
        width = 2 * (third - first) * inside.size ** (-1 / 3)
        count = int(np.clip((high - low) / width, 12, 40)) if width > 0 else 20
    return np.linspace(low, high, count + 1)


def smooth_shares(values: Column, edges: Column) -> tuple[Column, Column]:
    """A smooth line through the share of `values` per bin, at the resolution of the bins.

    A Gaussian kernel with standard deviation half a bin, on the scale of a histogram over `edges`.
    """
    width = edges[1] - edges[0]
    fine = width / 8
    grid = np.arange(edges[0] - 2 * width, edges[-1] + 2 * width + fine, fine)
    counts, _ = np.histogram(values, bins=grid)
    offsets = np.arange(-16, 17) * fine
    kernel = np.exp(-0.5 * (offsets / (width / 2)) ** 2)
    shares = np.convolve(counts / max(values.size, 1), kernel / kernel.sum(), mode="same") * (width / fine)
    centres = (grid[:-1] + grid[1:]) / 2
    keep = (centres >= edges[0]) & (centres <= edges[-1])
    return centres[keep], shares[keep]
