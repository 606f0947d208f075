"""What the user hands over, checked once at the edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.utils.validation import validate_data

from tacit._errors import DataError, UsageError
from tacit.distributions.predictive import AbstractNumericPrediction, AbstractPrediction


def check_rows(estimator: Any, X: Any, *, reset: bool, fewest: int = 1) -> Float[np.ndarray, "n d"]:
    """Rows as float64 with NaN where a cell is missing; raises `DataError`."""
    try:
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=fewest,
        )
    except ValueError as error:
        raise DataError(str(error), where="X") from error


def training_rows(
    estimator: Any, X: Any, sample_weight: ArrayLike | None, *, fewest: int, reset: bool
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"] | None]:
    """Rows with a positive weight, and their weights (None where all are 1); raises `DataError`."""
    X = check_rows(estimator, X, reset=reset, fewest=fewest)
    weight = check_weight(sample_weight, len(X))
    if weight is not None and not weight.all():
        X, weight = X[weight > 0], weight[weight > 0]
        if len(X) < fewest:
            raise DataError(f"{len(X)} row has a positive weight.", where="sample_weight", mend="Give more rows.")
    return X, weight


def group_labels(groups: ArrayLike, n: int) -> Int[np.ndarray, " n"]:
    """Codes of the groups of n rows; raises `DataError` for another number of labels, or a missing one."""
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise DataError(f"shape {labels.shape} for {n} rows.", where="groups", mend="Give one label a row.")
    missing = [label is None or label != label for label in labels.tolist()]
    if any(missing):
        mend = "Give it one, or leave the row out."
        raise DataError(f"row {missing.index(True)} has no label.", where="groups", mend=mend)
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def check_rate(rate: float) -> None:
    """Raise `UsageError` where a rate of odd rows is not a share of rows."""
    if not 0 < rate <= 1:
        raise UsageError(f"{rate} is not a share of rows.", where="rate", mend="Use for example 0.01.")


def numeric(prediction: AbstractPrediction, target: str) -> AbstractNumericPrediction:
    """The prediction of a column of numbers; raises `UsageError` for one of levels."""
    if isinstance(prediction, AbstractNumericPrediction):
        return prediction
    mend = "Ask predict_distribution(X, target).probabilities."
    raise UsageError(f"{target!r} holds levels, which have no order.", where="target", mend=mend)


def check_code(code: ArrayLike) -> Float[np.ndarray, "n ..."]:
    """Codes as numbers, all of them finite; raises `UsageError`."""
    try:
        array = np.asarray(code, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"these are not numbers: {error}.", where="Z", mend="Give what transform gave.") from error
    if not np.isfinite(array).all():
        raise UsageError("a code is missing or infinite.", where="Z", mend="Give what transform gave.")
    return array


def check_weight(weight: ArrayLike | None, n: int) -> Float[np.ndarray, " n"] | None:
    """One weight a row, none negative, not all zero; None stays None. Raises `DataError`."""
    if weight is None:
        return None
    try:
        array = np.asarray(weight, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"weights are not numbers: {error}.", where="sample_weight") from error
    if array.ndim == 0:
        array = np.full(n, array)
    if array.shape != (n,):
        raise DataError(f"shape {array.shape} where ({n},) is needed.", where="sample_weight", mend="One a row.")
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        raise DataError(
            f"the weight of row {bad[0]} is {array[bad[0]]:g}.",
            where="sample_weight",
            mend="Give weights that are finite and not negative; 0 leaves a row out.",
        )
    if not array.any():
        raise DataError("all weights are zero.", where="sample_weight", mend="Give some row a positive weight.")
    return array
