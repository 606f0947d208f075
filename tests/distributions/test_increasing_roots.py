"""The root finder against roots that are known, among them those where Newton's method alone fails."""

from __future__ import annotations

import numpy as np
import pytest

from tacit.distributions.predictive import NormalMixturePrediction
from tacit.distributions.predictive._newton import increasing_roots

ROOTS = np.array([-0.9, 1e-12, 0.3, 0.999])
ENDS = np.full(4, -50.0), np.full(4, 80.0)

FUNCTIONS = {
    "arctangent": (lambda d: np.arctan(20 * d), lambda d: 20 / (1 + 400 * d**2)),
    "cube root": (np.cbrt, lambda d: np.cbrt(np.abs(d)) ** -2.0 / 3),
    "step": (np.sign, np.zeros_like),
    "no derivative": (lambda d: d, lambda d: np.full_like(d, np.nan)),
    "infinite outside": (lambda d: np.where(np.abs(d) < 1, d, np.copysign(np.inf, d)), np.ones_like),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("start", [-60.0, 0.0, 79.0])
def test_roots_are_found_from_anywhere(name, start):
    value, slope = FUNCTIONS[name]

    def function(x, index):
        with np.errstate(divide="ignore"):
            return value(x - ROOTS[index]), slope(x - ROOTS[index])

    found = increasing_roots(function, *ENDS, np.full(4, start), np.zeros(4))
    np.testing.assert_allclose(found, ROOTS, rtol=1e-13, atol=1e-15)


def test_without_a_change_of_sign_the_answer_is_the_end_the_signs_point_to():
    found = increasing_roots(
        lambda x, i: (x - 9.0, np.ones_like(x)), np.zeros(1), np.ones(1), np.zeros(1), np.full(1, 1e-9)
    )
    np.testing.assert_allclose(found, [1.0], rtol=1e-12)


def test_a_ripple_on_the_flank_of_a_wide_component_is_a_region_of_its_own():
    p = NormalMixturePrediction([[np.log(0.99), np.log(0.01)]], [[0.0, 1.9]], [[1.0, 0.01]])
    region = p.region(0.9)[0]
    assert region.shape == (2, 2)
    assert region[1, 0] < 1.9 < region[1, 1]


def test_many_levels_of_many_rows_agree_with_each_alone():
    rng = np.random.default_rng(0)
    p = NormalMixturePrediction(
        rng.normal(size=(40, 25)), 5 * rng.normal(size=(40, 25)), np.exp(rng.normal(size=(40, 25)))
    )
    levels = [0.001, 0.5, 0.98]
    np.testing.assert_allclose(p.quantile(levels)[7], [p[7].quantile(level)[0] for level in levels], rtol=1e-13)
    np.testing.assert_allclose(p.region(0.5)[7], p[7].region(0.5)[0], rtol=1e-12)
