"""A sweep over numbers of components ends where cross-validation has clearly fallen, and says so."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from tacit.distributions import DiagonalNormal, MultivariateNormal
from tacit.evaluation import selection
from tacit.evaluation.selection import Selection, sweep
from tacit.inference.fit import Member, Settings
from tacit.inference.population import together
from tacit.inference.source import Source

FAMILY = DiagonalNormal(np.zeros(2), np.zeros(2))
SETTINGS = Settings(n_starts=4, n_finish=2, max_steps=60, tolerance=1e-4)


def chosen(y: np.ndarray, monkeypatch: pytest.MonkeyPatch, stages: list[list[int]]) -> Selection:
    monkeypatch.setattr(selection, "together", lambda *_: stages)
    folds = np.arange(len(y)) % 3
    return sweep(y, FAMILY, [1, 2, 3, 4, 5, 6], np.full(2, 1e-6), SETTINGS, key=jax.random.key(0), folds=folds)


def test_a_curve_that_falls_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "ERRORS", 0.0)  # a small table tells little apart
    y = np.random.default_rng(0).normal(size=(90, 2))
    found = chosen(y, monkeypatch, [[1, 2, 3], [4, 5, 6]])
    assert [c.k for c in found.candidates] == [1, 2, 3]
    assert (found.chosen, found.best, found.untried) == (1, 1, (4, 5, 6))
    assert "4 to 6 not tried" in found.rule
    assert found.to_dict()["untried"] == (4, 5, 6)


def test_a_curve_that_rises_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    centres = np.array([[0, 0], [8, 0], [0, 8], [8, 8]])
    y = rng.normal(size=(120, 2)) + centres[np.arange(120) % 4]
    found = chosen(rng.permutation(y), monkeypatch, [[1, 2, 3], [4, 5, 6]])
    assert [c.k for c in found.candidates] == [1, 2, 3, 4, 5, 6]
    assert (found.chosen, found.untried) == (4, ())
    assert "not tried" not in found.rule


@pytest.mark.parametrize(
    ("means", "noise", "fallen"),
    [
        ([0.0, -1.0, -1.0], 0.1, True),
        ([0.0, -1.0, -1.0], 20.0, False),  # within the errors
        ([0.0, 1.0, 0.5], 0.1, False),  # one only is behind
        ([0.0, -1.0, -1.0, 0.5], 0.1, False),  # the best comes last
        ([0.0, -1.0, 0.0, -1.0], 0.1, False),  # one of the last two is level with the best
    ],
)
def test_fallen_means_the_last_two_are_clearly_behind(means: list[float], noise: float, fallen: bool) -> None:
    rng = np.random.default_rng(3)
    scores = {k: mean + noise * rng.normal(size=200) for k, mean in enumerate(means, 1)}
    assert selection._has_fallen(scores, None, None, 2, 2.0) is fallen


@pytest.mark.parametrize(("means", "fallen"), [([1.0, 0.5], True), ([1.0, 0.98], False), ([0.5, 1.0], False)])
def test_one_number_far_behind_is_enough_where_so_asked(means: list[float], fallen: bool) -> None:
    rng = np.random.default_rng(5)
    scores = {k: mean + 0.1 * rng.normal(size=200) for k, mean in enumerate(means, 1)}
    assert selection._has_fallen(scores, None, None, 1, 4.0) is fallen


@pytest.mark.parametrize(("rows", "stages"), [(10, 1), (20_000, 4)])
def test_only_large_work_runs_in_stages(rows: int, stages: int) -> None:
    members = [Member(k, in_fold=fold) for k in range(1, 11) for fold in (False, True)]
    found = together(Source(np.zeros((rows, 2))), FAMILY, members, Settings())
    assert len(found) == stages
    assert [k for stage in found for k in stage] == list(range(1, 11))


def test_many_patterns_of_missing_cells_are_large_work() -> None:
    family = MultivariateNormal(np.zeros(10), np.zeros((10, 10)))
    members = [Member(k, in_fold=fold) for k in range(1, 11) for fold in (False, True)]
    y = np.zeros((150, 10))
    holed = np.where(np.random.default_rng(4).random(y.shape) < 0.3, np.nan, y)
    complete, patterned = (Source(rows, pattern_columns=family.pattern_columns) for rows in (y, holed))
    assert complete.n_patterns == 0
    assert patterned.n_patterns == len({tuple(row) for row in np.isnan(holed)})
    assert len(together(complete, family, members, Settings())) == 1
    assert patterned.lone
    assert len(together(patterned, family, members, Settings())) == 5  # one and two alone
