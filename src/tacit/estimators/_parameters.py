"""What the parameters of estimators may be, in scikit-learn's terms."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from tacit.estimators._covariances import COVARIANCES

GAUSSIAN_MIXTURE: dict[str, list[Any]] = {
    "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), "array-like"],
    "covariance_type": [StrOptions(set(COVARIANCES))],
    "tol": [Interval(Real, 0.0, None, closed="left")],
    "reg_covar": [Interval(Real, 0.0, None, closed="left")],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "init_params": [StrOptions({"k-means++", "kmeans", "random", "random_from_data"})],
    "weights_init": ["array-like", None],
    "means_init": ["array-like", None],
    "precisions_init": ["array-like", None],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "verbose_interval": [Interval(Integral, 1, None, closed="left")],
    "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split", "get_n_splits"]), "array-like"],
    "select": [StrOptions({"density", "segments"})],
}
