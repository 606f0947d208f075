"""Statically binarised MNIST: 50,000 rows to train on, 10,000 to choose settings with, 10,000 for the figure."""

from __future__ import annotations

import numpy as np
import scipy.io

from benchmarks._common import data


def binary_images() -> dict[str, np.ndarray]:
    """Rows of 784 zeros and ones, shuffled (the files are sorted by class): train, valid, test."""
    parts = {}
    for i, name in enumerate(("train", "valid", "test")):
        rows = scipy.io.loadmat(data(f"mnist_static/binarized_mnist_{name}.mat"))["X"]
        parts[name] = np.random.default_rng(i).permutation(rows.reshape(len(rows), 784)).astype(np.float32)
    return parts
