"""A component of next to no rows is re-seeded where its number was asked for, and dropped where it was chosen."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from tacit.distributions import MultivariateNormal
from tacit.inference.degenerate import degenerate, mend
from tacit.inference.em import Population
from tacit.inference.fit import Fit, Settings
from tacit.inference.population import refine
from tacit.inference.source import Source


def collapsed(y: np.ndarray) -> Fit:
    """A fit of three components of which one sits on a single far row."""
    with jax.enable_x64(True):
        means = np.array([[-3.0, 0.0], [3.0, 0.0], [40.0, 40.0]])
        stack = MultivariateNormal.from_covariance(means, np.stack([np.eye(2)] * 3))
        lifted = jax.tree.map(lambda a: np.asarray(a)[None], stack)
        population = Population(np.full((1, 3), -np.log(3)), lifted, np.zeros(1, int))
        return refine(Source(y, np.ones((len(y), 1))), population, np.full(2, 1e-3), Settings())[0]


@pytest.mark.parametrize("keep", [True, False])
def test_a_component_on_one_row(keep: bool) -> None:
    rng = np.random.default_rng(0)
    side = np.array([3.0, 0.0])
    y = np.concatenate([rng.normal(size=(60, 2)) - side, rng.normal(size=(60, 2)) + side, [[40.0, 40.0]]])
    fit = collapsed(y)
    assert degenerate(fit, len(y)).tolist() == [False, False, True]
    with jax.enable_x64(True):
        source = Source(y, np.ones((len(y), 1)))
        mended = mend(source, fit, np.full(2, 1e-3), Settings(), keep=keep)
    if keep:
        # the far row draws a component again: the number asked for is kept, and the fit stays as it was
        assert mended.mixture.n_components == 3
        assert mended is fit or not degenerate(mended, len(y)).any()
    else:
        assert mended.mixture.n_components == 2
        assert mended.mended == ("1 dropped",)
        assert not degenerate(mended, len(y)).any()
    assert np.isfinite(mended.log_likelihood)


def test_an_empty_component_is_re_seeded() -> None:
    rng = np.random.default_rng(1)
    centres = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 6.0]])
    y = np.concatenate([rng.normal(size=(50, 2)) + c for c in centres])
    with jax.enable_x64(True):
        means = np.array([[0.0, 2.0], [-4.0, 0.0], [400.0, 400.0]])  # the last one sees no row
        stack = MultivariateNormal.from_covariance(means, np.stack([np.eye(2) * 9, np.eye(2), np.eye(2)]))
        lifted = jax.tree.map(lambda a: np.asarray(a)[None], stack)
        population = Population(np.full((1, 3), -np.log(3)), lifted, np.zeros(1, int))
        source = Source(y, np.ones((len(y), 1)))
        fit = refine(source, population, np.full(2, 1e-6), Settings(max_steps=5))[0]
        assert degenerate(fit, len(y)).sum() == 1
        mended = mend(source, fit, np.full(2, 1e-6), Settings(), keep=True)
    assert mended.mended == ("1 re-seeded",)
    assert mended.log_likelihood > fit.log_likelihood + 50
    found = np.sort(np.asarray(mended.mixture.components.loc)[:, 0])
    np.testing.assert_allclose(found, [-4, 0, 4], atol=0.6)
