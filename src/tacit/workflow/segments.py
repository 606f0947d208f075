"""Components merged into segments: several components may describe one cluster that is not normal."""

from __future__ import annotations

import numpy as np


def _entropies(responsibilities: np.ndarray) -> np.ndarray:
    """`-r log r`, with 0 log 0 = 0."""
    return -responsibilities * np.log(np.where(responsibilities > 0, responsibilities, 1.0))


def adjusted_rand(a: np.ndarray, b: np.ndarray) -> float:
    """How far two labellings (n,) agree on pairs of rows: 1 for the same parts, 0 on average by chance.

        (pairs together in both - expected) / (mean of pairs together in a and in b - expected)

    Source: Hubert and Arabie 1985, "Comparing partitions".

    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    first, second = (np.unique(labels, return_inverse=True)[1] for labels in (a, b))
    counts = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(counts, (first, second), 1.0)
    both, in_a, in_b, possible = (
        float(np.sum(n * (n - 1) / 2)) for n in (counts, counts.sum(1), counts.sum(0), counts.sum())
    )
    expected = in_a * in_b / max(possible, 1.0)
    mean = (in_a + in_b) / 2
    return 1.0 if mean == expected else (both - expected) / (mean - expected)


def merge(responsibilities: np.ndarray, weight: np.ndarray, n_segments: int) -> tuple[int, ...]:
    """The segment (k,) of each component: pairs are merged while more than `n_segments` are left.

    Each step merges the pair whose union lowers the entropy of the responsibilities (n, k) most. Source: Baudry,
    Raftery, Celeux, Lo and Gottardo 2010, "Combining mixture components for clustering". Segments are numbered by
    their share, largest first.

    >>> r = np.array([[0.5, 0.5, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 1.0]])
    >>> merge(r, np.ones(3), 2)
    (0, 0, 1)
    """
    groups = [[j] for j in range(responsibilities.shape[1])]
    columns = [responsibilities[:, j] for j in range(responsibilities.shape[1])]

    def gain(a: np.ndarray, b: np.ndarray) -> float:
        return float(weight @ (_entropies(a) + _entropies(b) - _entropies(a + b)))

    while len(groups) > n_segments:
        pairs = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))]
        i, j = max(pairs, key=lambda pair: gain(columns[pair[0]], columns[pair[1]]))
        groups[i] += groups.pop(j)
        columns[i] = columns[i] + columns.pop(j)
    order = np.argsort([-float(weight @ column) for column in columns], kind="stable")
    segment_of = {component: int(place) for place, g in enumerate(order) for component in groups[g]}
    return tuple(segment_of[j] for j in range(responsibilities.shape[1]))
