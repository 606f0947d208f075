"""How well codes agree with labels that the model has never seen."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tacit._errors import UsageError
from tacit.evaluation.result import Result, mean_result

FOLDS = 5


def cluster_agreement(clusters: ArrayLike, labels: ArrayLike) -> tuple[Result, Result, Result]:
    """Adjusted Rand index, normalised mutual information, and accuracy after the best matching of clusters to labels.

    `clusters` and `labels` (n,) are any codes. The matching (Hungarian) gives every label to one cluster at most, so
    more clusters than labels lower it. Raises `UsageError` for other shapes.

    >>> found = cluster_agreement([0, 0, 1, 1, 2], ["b", "b", "a", "a", "a"])
    >>> [round(result.value, 3) for result in found]
    [0.545, 0.779, 0.8]
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    a, b = _codes(clusters, "clusters"), _codes(labels, "labels")
    _same_length(a, b)
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    label_of = np.full(len(table), -1)
    label_of[rows] = columns
    agreed = (label_of[a] == b).astype(float)
    return (
        Result("adjusted Rand index", float(adjusted_rand_score(b, a)), n=len(a), units=""),
        Result("normalised mutual information", float(normalized_mutual_info_score(b, a)), n=len(a), units=""),
        mean_result("accuracy, clusters matched to labels", agreed, units=""),
    )


def probe_accuracy(features: Float[np.ndarray, "n j"], labels: ArrayLike, *, seed: int, folds: int = FOLDS) -> Result:
    """Accuracy of a linear probe: logistic regression of the labels on standardised features, cross-validated.

    `features` (n, j), such as means of q; `labels` (n,). The standard error is over rows. Raises `UsageError` where
    a label has fewer rows than there are folds.

    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 200)
    >>> probe_accuracy(np.c_[5.0 * labels, rng.normal(size=200)], labels, seed=0).value > 0.999
    True
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, b = np.asarray(features, np.float64), _codes(labels, "labels")
    if x.ndim != 2 or not np.all(np.isfinite(x)):
        raise UsageError("features need the shape (n, j) and finite values.", where="features")
    _same_length(x, b)
    if np.bincount(b).min() < folds or b.max() < 1:
        what = f"{folds} folds need two labels or more, of {folds} rows each at least."
        raise UsageError(what, where="labels", mend="Use fewer folds, or join rare labels.")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
    right = (cross_val_predict(probe, x, b, cv=cut) == b).astype(float)
    return mean_result(
        "linear probe accuracy", right, kind="estimate", units="", note=f"{folds}-fold; chance {_chance(b):.2f}"
    )


def _chance(codes: np.ndarray) -> float:
    """The share of the most common label."""
    return float(np.bincount(codes).max() / len(codes))


def _codes(values: ArrayLike, where: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or not array.size or (array.dtype.kind == "f" and any(map(math.isnan, array))):
        raise UsageError("one label a row is needed, none missing.", where=where, mend="Give a vector (n,).")
    return np.unique(array, return_inverse=True)[1]


def _same_length(a: np.ndarray, b: np.ndarray) -> None:
    if len(a) != len(b):
        raise UsageError(f"{len(a)} codes do not fit {len(b)} labels.", where="labels", mend="Give one a row.")
