"""Agreement with labels, against all matchings tried and against what is known of the truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tacit._errors import UsageError
from tacit.evaluation.code_quality import cluster_agreement, probe_accuracy

rng = np.random.default_rng(0)


@pytest.mark.parametrize(("k", "l"), [(3, 3), (4, 3), (3, 4)])
def test_the_matching_is_the_best_of_all(k: int, l: int) -> None:
    clusters, labels = rng.integers(0, k, 60), rng.integers(0, l, 60)
    size = max(k, l)
    best = max(np.mean(np.array(order)[clusters] == labels) for order in itertools.permutations(range(size)))
    assert cluster_agreement(clusters, labels)[2].value == pytest.approx(best)


def test_agreement_is_one_for_other_names_and_nought_by_chance() -> None:
    labels = rng.integers(0, 4, 20_000)
    renamed = np.array(["d", "a", "c", "b"])[labels]
    assert [r.value for r in cluster_agreement(renamed, labels)] == pytest.approx([1.0, 1.0, 1.0])
    rand, information, accuracy = cluster_agreement(rng.integers(0, 4, 20_000), labels)
    assert abs(rand.value) < 0.001
    assert information.value < 0.001
    assert accuracy.value == pytest.approx(0.25, abs=0.02)


def test_the_probe_reaches_the_best_rule_and_no_more() -> None:
    """Two normals two standard deviations apart: no rule is right more often than Phi(1)."""
    labels = rng.integers(0, 2, 4000)
    found = probe_accuracy((2.0 * labels + rng.normal(size=4000))[:, None] * 1e4, labels, seed=0)
    assert abs(found.value - 0.8413) < 4 * found.standard_error
    none = probe_accuracy(rng.normal(size=(4000, 3)), labels, seed=0)
    assert abs(none.value - 0.5) < 5 * none.standard_error


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match="do not fit"):
        cluster_agreement([0, 1], [0, 1, 1])
    with pytest.raises(UsageError, match="none missing"):
        cluster_agreement([0.0, np.nan], [0, 1])
    with pytest.raises(UsageError, match="folds"):
        probe_accuracy(np.zeros((6, 1)), [0, 0, 0, 0, 0, 1], seed=0)
    with pytest.raises(UsageError, match="finite"):
        probe_accuracy(np.full((10, 1), np.nan), [0, 1] * 5, seed=0)
