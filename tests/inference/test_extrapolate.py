"""Jumps ahead: exact where the path is a line of one rate, undone where they harm, never kept untried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.distributions import DiagonalNormal
from tacit.inference import em
from tacit.inference.extrapolate import FIRST, JUMPED, Trail, jump
from tacit.inference.fit import PLAIN, Fit, Member, Settings
from tacit.inference.population import fit_population, refine
from tacit.inference.source import Source
from tacit.inference.tiles import make_tiles

NO_FLOOR = np.zeros(2)


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def overlapping() -> tuple[Source, em.Population]:
    """Rows of two components that EM takes long to tell apart, and parameters to begin at."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(400, 2)) + 1.6 * rng.integers(0, 2, (400, 1))
    loc = np.array([[[0.0, 0.5], [1.0, 0.6]]])
    return Source(y), em.Population(np.log([[0.5, 0.5]]), DiagonalNormal(loc, np.zeros((1, 2, 2))), np.zeros(1, int))


def fitted(plain_steps: int, max_steps: int, tolerance: float = 0.0) -> Fit:
    source, begin = overlapping()
    return refine(source, begin, NO_FLOOR, Settings(max_steps=max_steps, tolerance=tolerance, plain_steps=plain_steps))[
        0
    ]


def test_a_path_of_one_rate_is_jumped_to_its_end() -> None:
    """theta_i = end + rate^i (theta_0 - end): the extrapolation is exact."""
    end, rate = np.array([[[3.0, -1.0]]]), 0.9
    one_component = np.zeros((1, 1))
    path = [(one_component, end + rate**i * np.array([[[2.0, 5.0]]])) for i in range(3)]
    (log_weights, reached), length = jump(*path, jnp.array([1e9]))
    np.testing.assert_allclose(reached, end, atol=1e-12)
    np.testing.assert_allclose(length, 1 / (1 - rate))
    np.testing.assert_array_equal(log_weights, one_component)


def test_the_shortest_jump_is_the_second_plain_step() -> None:
    rng = np.random.default_rng(1)
    path = [(np.log(rng.dirichlet(np.ones(3), 2)), rng.normal(size=(2, 3, 4))) for _ in range(3)]
    (log_weights, components), _ = jump(*path, jnp.ones(2))
    np.testing.assert_allclose(log_weights, path[2][0], atol=1e-12)
    np.testing.assert_allclose(components, path[2][1], atol=1e-12)


def test_absent_components_stay_absent() -> None:
    rng = np.random.default_rng(2)
    weights = [np.append(np.log(rng.dirichlet(np.ones(2))), -np.inf)[None] for _ in range(3)]
    still = rng.normal(size=(1, 3, 2))
    (log_weights, components), _ = jump(*((jnp.asarray(w), jnp.asarray(still)) for w in weights), jnp.full(1, 4.0))
    assert np.isneginf(log_weights[0, 2])
    np.testing.assert_allclose(np.exp(log_weights).sum(), 1.0)
    np.testing.assert_array_equal(components, still)


def test_jumps_reach_the_same_optimum_in_half_the_steps() -> None:
    fast, slow = fitted(10, 2000, 1e-9), fitted(PLAIN, 2000, 1e-9)
    assert fast.converged
    assert slow.converged
    assert fast.steps < slow.steps / 2
    assert fast.log_likelihood >= slow.log_likelihood - 1e-6
    np.testing.assert_allclose(fast.mixture.components.loc, slow.mixture.components.loc, atol=0.01)


def test_bounds_never_fall_with_jumps() -> None:
    fit = fitted(0, 150)
    assert len(fit.bounds) == 150
    assert np.min(np.diff(fit.bounds)) >= -1e-12
    assert fit.drop <= 1e-12


def test_the_first_steps_are_plain() -> None:
    fast, slow = fitted(10, 40), fitted(PLAIN, 40)
    np.testing.assert_array_equal(fast.bounds[:12], slow.bounds[:12])
    assert np.all(fast.bounds[13:] > slow.bounds[13:])


@pytest.mark.parametrize("max_steps", range(10, 17))
def test_no_jump_is_kept_untried(max_steps: int) -> None:
    fit = fitted(10, max_steps)
    assert fit.log_likelihood / 400 >= fit.bounds[-1]


def test_a_jump_that_harms_is_undone() -> None:
    source, good = overlapping()
    tiles = jax.tree.map(jnp.asarray, make_tiles(source.y, width=8))
    harmful = em.Population(
        good.log_weights, DiagonalNormal(good.components.loc + 50, good.components.log_scale), np.zeros(1, int)
    )
    bound = em.summarise(jax.tree.map(jnp.asarray, good), tiles).log_likelihood / 400
    begun = em.begin(harmful)
    anchor = good.log_weights, good.components
    on_trial = replace(begun, bound=bound, trail=Trail(anchor, np.array([JUMPED]), np.array([16.0])))
    on_trial = jax.tree.map(jnp.asarray, on_trial)
    after = em.advance(on_trial, em.summarise(on_trial.population, tiles), 1e-5, NO_FLOOR, centred=False)
    np.testing.assert_array_equal(after.population.components.loc, good.components.loc)
    assert (int(after.trail.stage[0]), float(after.trail.reach[0])) == (FIRST, 2.0)
    assert (int(after.status[0]), float(after.bound[0]), int(after.steps[0])) == (em.RUNNING, float(bound[0]), 1)


def test_folds_have_fewer_starts_and_one_component_has_one() -> None:
    source, begin = overlapping()
    family = jax.tree.map(lambda a: a[0, 0], begin.components)
    settings = Settings(n_starts=4, n_finish=3, fold_starts=3, fold_finish=1, max_steps=15)
    members = [Member(1), Member(2), Member(2, in_fold=True)]
    fits = fit_population(source, family, members, NO_FLOOR, settings, key=jax.random.key(0))
    assert [len(starts) for starts in fits] == [1, 4, 3]
    assert [sum(fit.finished for fit in starts) for starts in fits] == [1, 3, 1]
    for starts in fits:
        assert sorted(fit.start for fit in starts) == list(range(len(starts)))
        assert starts[0].log_likelihood == max(fit.log_likelihood for fit in starts if fit.finished)
