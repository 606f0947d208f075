"""GaussianMixture keeps the conventions of scikit-learn: its own checks, none of them expected to fail."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from tacit import GaussianMixture


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([GaussianMixture()])
def test_conventions_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
