"""The factor on the scales of an ensemble: members set right by their own rows, their mixture by what they disagree."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import norm

import tacit
from tacit import ConditionalMixture
from tacit.distributions import DiagonalNormal, MultivariateNormal
from tacit.workflow.conditional_aside import Rows
from tacit.workflow.conditional_spread import spread
from tacit.workflow.conditional_table import component_log_densities, factor, scaled, scales_of

N = 20_000
UNLIMITED = (np.full(1, 1e-6), np.full(1, np.inf))


@dataclass
class Told:
    """Members of one normal each, told row by row: what `spread` asks of a model."""

    means: np.ndarray  # (n, m)
    scale: float
    limits: tuple[np.ndarray, np.ndarray] = UNLIMITED

    def by_member(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        means = self.means[x[:, 0].astype(int)]
        log_scales = np.full_like(means, np.log(self.scale))
        return np.zeros((*means.shape, 1)), DiagonalNormal(means[..., None], log_scales[..., None])


def rows_of(y: np.ndarray) -> Rows:
    return Rows(np.arange(len(y))[:, None].astype(float), y[:, None], np.ones(len(y)))


def folds(n: int, m: int) -> np.ndarray:
    """The first two members set the same tenth aside, the others tenths of their own."""
    dealt = np.arange(n) % 10
    return np.stack([dealt == max(j - 1, 0) for j in range(m)], axis=1)


@pytest.mark.parametrize(("scale", "right"), [(2.0, 0.5), (0.8, 1.25)])
def test_one_member_is_set_right_by_the_rows_that_it_set_aside(scale: float, right: float) -> None:
    y = np.random.default_rng(0).normal(size=N)
    found = spread(Told(np.zeros((N, 1)), scale), rows_of(y), folds(N, 1))
    assert found == pytest.approx(right, rel=0.05)  # two thousand rows: 1.6 %


@pytest.mark.parametrize("m", [2, 5])
def test_what_a_pair_shows_is_right_for_all_members(m: int) -> None:
    rng = np.random.default_rng(m)
    y = rng.normal(size=N)
    means = 0.4 * rng.normal(size=(N, m))
    model = Told(means, float(np.hypot(1.0, 0.4)))  # every member is right about itself
    found = spread(model, rows_of(y), folds(N, m))

    def density(factor: float) -> float:
        return float(np.mean(logsumexp(norm.logpdf(y[:, None], means, factor * model.scale), axis=1)))

    factors = np.geomspace(0.5, 1.5, 201)
    best = factors[np.argmax([density(factor) for factor in factors])]  # no row has been trained on by anybody
    assert best < 0.95
    assert found == pytest.approx(best, rel=0.03)


def test_members_that_never_share_rows_are_set_right_one_by_one() -> None:
    rng = np.random.default_rng(3)
    y, means = rng.normal(size=N), 0.4 * rng.normal(size=(N, 2))
    apart = np.stack([np.arange(N) % 10 == j for j in range(2)], axis=1)
    assert spread(Told(means, float(np.hypot(1, 0.4))), rows_of(y), apart) == pytest.approx(1.0, abs=0.05)


def test_nothing_set_aside_leaves_scales_as_they_are() -> None:
    assert spread(Told(np.zeros((5, 2)), 3.0), rows_of(np.zeros(5)), np.zeros((5, 2), bool)) == 1.0


def test_few_rows_say_little() -> None:
    y = np.random.default_rng(0).normal(size=20)
    few = spread(Told(np.zeros((20, 1)), 3.0), rows_of(y), folds(20, 1))
    assert 0.5 < few < 1.0  # all of N say a third


def test_scaled_components_have_scaled_covariances() -> None:
    rng = np.random.default_rng(0)
    loc, raw = rng.normal(size=(4, 3, 2)), np.tril(rng.normal(size=(4, 3, 2, 2)))
    free = (np.full(2, 1e-9), np.full(2, np.inf))
    before = MultivariateNormal(loc, raw)
    after = scaled(before, 1.7, free)
    was, now = (factor(stack.raw) for stack in (before, after))
    assert_allclose(now @ now.swapaxes(-1, -2), 1.7**2 * was @ was.swapaxes(-1, -2), rtol=1e-12)
    assert_allclose(scales_of(after), 1.7 * scales_of(before), rtol=1e-12)
    diagonal = scaled(DiagonalNormal(loc, loc), 0.3, free)
    assert_allclose(np.exp(diagonal.log_scale), 0.3 * np.exp(loc), rtol=1e-12)
    y = rng.normal(size=(4, 2))
    assert np.isfinite(logsumexp(component_log_densities(after, y), axis=1)).all()


@pytest.mark.parametrize("times", [0.1, 30.0])
def test_scaled_components_keep_the_limits_that_were_published(times: float) -> None:
    rng = np.random.default_rng(1)
    limits = (np.array([0.2, 0.4]), np.array([3.0, 2.0]))
    full = scaled(MultivariateNormal(np.zeros((5, 2)), np.tril(rng.normal(size=(5, 2, 2)))), times, limits)
    diagonal = scaled(DiagonalNormal(np.zeros((5, 2)), rng.normal(size=(5, 2))), times, limits)
    for stack in (full, diagonal):
        assert np.all(scales_of(stack) >= limits[0] * (1 - 1e-9))
        assert np.all(scales_of(stack) <= limits[1] * (1 + 1e-9))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_publishes_its_factor_and_a_file_keeps_it(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = X[:, 0] + 0.3 * rng.normal(size=120)
    given: dict[str, Any] = {"search": None, "n_members": 2, "max_iter": 3, "random_state": 0}
    model = ConditionalMixture(2, **given).fit(X, y)
    plain = ConditionalMixture(2, calibrate=False, **given).fit(X, y)
    assert plain.spread_ == 1.0
    assert model.spread_ not in (0.0, 1.0)
    widths = [np.diff(one.predict_interval(X, coverage=0.9), axis=1).mean() for one in (model, plain)]
    assert (widths[0] > widths[1]) == (model.spread_ > 1)
    assert_allclose(model.scale_floor_, plain.scale_floor_)
    model.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    assert again.spread_ == model.spread_
    assert_allclose(again.score_samples(X, y), model.score_samples(X, y), rtol=1e-12)


def test_rows_of_no_weight_say_nothing() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=N)
    spoilt = np.arange(N) % 3 == 0
    rows = rows_of(np.where(spoilt, 50.0, y))
    weighed = Rows(rows.x, rows.y, 1.0 - spoilt)
    found = spread(Told(np.zeros((N, 2)), 2.0), weighed, folds(N, 2))
    assert found == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    "given",
    [
        {"components": "shared"},
        {"latent": "concrete"},
        {"inference": "amortised"},
        {"inference": "em"},
        {"validation_fraction": 0.0},
    ],
    ids=str,
)
def test_scales_that_are_estimates_or_are_sampled_stay(given: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 1))
    model = ConditionalMixture(2, search=None, n_members=1, max_iter=2, random_state=0, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, X[:, 0] + rng.normal(size=80))
    assert model.spread_ == 1.0
