"""Mixtures of regressions against least squares, a plain NumPy EM, and SciPy's densities."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.special
from scipy import stats

from tacit import persistence
from tacit._errors import DataError, UsageError
from tacit.distributions import LinearNormal, MultivariateNormal
from tacit.inference import em
from tacit.inference.fit import Settings
from tacit.inference.population import refine
from tacit.inference.rows import log_joints
from tacit.inference.source import Source
from tacit.models import FiniteMixture
from tacit.workflow import model_file
from tacit.workflow.regressions import conditional, fit_regressions, regression_fits

N, D, P = 120, 2, 2
rng = np.random.default_rng(0)


def start(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, maps (k, d, 1 + p) and covariances."""
    random = np.random.default_rng(k)
    root = random.normal(0, 0.3, (k, D, D)) + np.eye(D)
    return np.full(k, 1 / k), random.normal(size=(k, D, 1 + P)), root @ root.swapaxes(1, 2)


def population(weights: np.ndarray, maps: np.ndarray, covariances: np.ndarray) -> em.Population:
    with jax.enable_x64(True):
        normal = MultivariateNormal.from_covariance(maps[..., 0], covariances)
        stack = jax.tree.map(lambda a: np.asarray(a)[None], LinearNormal(normal, maps[..., 1:]))
    return em.Population(np.log(weights)[None], stack, np.zeros(1, int))


def naive_step(x: np.ndarray, y: np.ndarray, w: np.ndarray, parameters: Any) -> tuple[float, Any]:
    """Mean log-likelihood, and the parameters after one step."""
    weights, maps, covariances = parameters
    design = np.insert(x, 0, 1.0, axis=1)
    joint = np.column_stack(
        [
            np.log(weights[j])
            + [stats.multivariate_normal(maps[j] @ u, covariances[j]).logpdf(v) for u, v in zip(design, y, strict=True)]
            for j in range(len(weights))
        ]
    )
    log_prob = scipy.special.logsumexp(joint, axis=1)
    r = np.exp(joint - log_prob[:, None]) * w[:, None]
    new = [np.linalg.lstsq(np.sqrt(q)[:, None] * design, np.sqrt(q)[:, None] * y, rcond=None)[0].T for q in r.T]
    covariances = [np.cov((y - design @ m.T).T, aweights=q, ddof=0) for m, q in zip(new, r.T, strict=True)]
    return float(w @ log_prob / w.sum()), (r.sum(0) / w.sum(), np.stack(new), np.stack(covariances))


@pytest.mark.parametrize("steps", [1, 6])
def test_em_equals_a_plain_one_step_by_step(steps: int) -> None:
    x, w = rng.normal(size=(N, P)), rng.uniform(0.5, 2.0, N)
    y = np.where(rng.random((N, 1)) < 0.4, x, -x) + rng.normal(0, 0.5, (N, D))
    expected, bounds = start(2), []
    for _ in range(steps):
        bound, expected = naive_step(x, y, w, expected)
        bounds.append(bound)
    with jax.enable_x64(True):
        source = Source(np.hstack([y, x]), w[:, None])
        fit = refine(
            source, population(*start(2)), (np.zeros(D), np.float64(0)), Settings(tolerance=0, max_steps=steps)
        )
    np.testing.assert_allclose(fit[0].bounds, bounds, rtol=1e-9)
    assert (np.diff(bounds) > 0).all()
    components = fit[0].mixture.components
    found = np.concatenate([components.normal.loc[..., None], components.slopes], axis=-1)
    for a, b in zip((np.exp(fit[0].mixture.log_weights), found), expected[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(conditional(fit[0].mixture, x).covariances, expected[2], rtol=1e-9, atol=1e-12)


def test_one_component_is_least_squares() -> None:
    x = rng.normal(5.0, 3.0, (N, P))
    y = x @ np.array([[1.0, 0.5], [-2.0, 3.0]]) + rng.normal(0, 0.7, (N, D))
    _, (_, maps, covariances) = naive_step(x, y, np.ones(N), start(1))
    fit = regression_fits(x, y, k=1, seed=0)[0]
    expected = [
        stats.multivariate_normal(np.zeros(D), covariances[0]).logpdf(e)
        for e in y - x @ maps[0, :, 1:].T - maps[0, :, 0]
    ]
    assert fit.log_likelihood == pytest.approx(np.sum(expected), rel=1e-9)
    assert fit.verdict == "converged"
    answer = conditional(fit.mixture, x)
    np.testing.assert_allclose(fit.mixture.components.slopes[0], maps[0, :, 1:], rtol=1e-9)
    np.testing.assert_allclose(answer.means[:, 0], x @ maps[0, :, 1:].T + maps[0, :, 0], atol=1e-8)
    np.testing.assert_allclose(answer.covariances, covariances, rtol=1e-9)
    np.testing.assert_array_equal(answer.log_weights, 0.0)


def crossing(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    x = random.normal(size=(n, 1))
    first = random.random((n, 1)) < 0.5
    return x, np.where(first, 1.0 + 2.0 * x, -1.5 * x) + random.normal(size=(n, 1)) * np.where(first, 0.3, 0.5)


TRUTH = np.array([[1.0, 2.0, np.log(0.3)], [0.0, -1.5, np.log(0.5)]])


def log_likelihood(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    logit, lines = theta[0], theta[1:].reshape(2, 3)
    weights = -np.logaddexp(0.0, [-logit, logit])
    densities = stats.norm.logpdf(y, lines[:, 0] + x * lines[:, 1], np.exp(lines[:, 2]))
    return float(scipy.special.logsumexp(weights + densities, axis=1).sum())


def test_crossing_lines_are_found() -> None:
    x, y = crossing()
    fits = regression_fits(x, y, k=2, seed=0, settings=Settings(tolerance=1e-10))
    mixture = fits[0].mixture
    order = np.argsort(-mixture.components.slopes.ravel())
    normal = mixture.components.normal
    lines = np.column_stack([normal.loc.ravel(), mixture.components.slopes.ravel(), normal.raw.ravel()])[order]
    log_weights = mixture.log_weights[order]
    theta = np.concatenate([[log_weights[0] - log_weights[1]], lines.ravel()])
    assert fits[0].log_likelihood == pytest.approx(log_likelihood(theta, x, y), rel=1e-9)
    h, steps = 1e-4, np.eye(7)

    def shifted(*moves: np.ndarray) -> float:
        return log_likelihood(theta + h * sum(moves), x, y)

    gradient = [(shifted(a) - shifted(-a)) / (2 * h) for a in steps]
    np.testing.assert_allclose(gradient, 0.0, atol=0.02)
    hessian = [
        [(shifted(a, b) - shifted(a, -b) - shifted(-a, b) + shifted(-a, -b)) / (4 * h * h) for a in steps]
        for b in steps
    ]
    errors = np.sqrt(np.diag(np.linalg.inv(-np.array(hessian))))[1:].reshape(2, 3)
    assert (np.abs(lines - TRUTH) < 4 * errors).all()
    assert (errors[:, 1] < 0.1).all()
    assert all((np.diff(fit.bounds) > -1e-9).all() for fit in fits if fit.finished)


def test_units_do_not_matter() -> None:
    x, y = crossing()
    near, far = (regression_fits(*rows, k=2, seed=3)[0] for rows in [(x, y), (7.0 + x / 1000, 5e6 + 1000 * y)])
    assert far.log_likelihood == pytest.approx(near.log_likelihood - len(x) * np.log(1000), rel=1e-8)
    one, other = conditional(near.mixture, x), conditional(far.mixture, 7.0 + x / 1000)
    np.testing.assert_allclose((other.means - 5e6) / 1000, one.means, atol=1e-5)
    np.testing.assert_allclose(other.covariances / 1e6, one.covariances, rtol=1e-5)


def test_rows_of_no_weight_or_no_target_do_not_count() -> None:
    x, y = crossing()
    weight = np.ones(310)
    weight[-5:] = 0.0
    more_x, more_y = np.concatenate([x, np.full((10, 1), 50.0)]), np.concatenate([y, np.full((10, 1), 1e4)])
    more_y[300:305] = np.nan
    one, other = fit_regressions(x, y, k=2, seed=1), fit_regressions(more_x, more_y, weight, k=2, seed=1)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_conditional_is_the_density_of_the_mixture() -> None:
    x, y = rng.normal(size=(5, P)), rng.normal(size=(5, D))
    weights, maps, covariances = start(3)
    fitted = population(weights, maps, covariances)
    mixture = FiniteMixture.of(fitted.log_weights[0] + 2.0, jax.tree.map(lambda a: a[0], fitted.components))
    answer = conditional(mixture, x)
    expected = [
        [
            w + stats.multivariate_normal(mean, covariance).logpdf(row)
            for w, mean, covariance in zip(log_weights, means, answer.covariances, strict=True)
        ]
        for log_weights, means, row in zip(answer.log_weights, answer.means, y, strict=True)
    ]
    np.testing.assert_allclose(log_joints(mixture, np.hstack([y, x])), expected, rtol=1e-12)
    np.testing.assert_allclose(np.exp(answer.log_weights).sum(axis=1), 1.0)


def test_diagonal_targets_and_collinear_covariates() -> None:
    level = rng.integers(0, 3, N)
    x = np.column_stack([np.eye(3)[level], np.full(N, 4.0)])  # they add up to 1, and one is constant
    y = np.array([[0.0, 1.0], [2.0, -1.0], [4.0, 5.0]])[level] + rng.normal(0, 0.3, (N, 2))
    mixture = fit_regressions(x, y, k=1, seed=0, diagonal=True)
    answer = conditional(mixture, x)
    for code in range(3):
        np.testing.assert_allclose(answer.means[level == code][0, 0], y[level == code].mean(axis=0), rtol=1e-6)
    residuals = y - answer.means[:, 0]
    np.testing.assert_allclose(answer.covariances[0], np.diag(residuals.var(axis=0)), rtol=1e-6)
    assert mixture.n_parameters() == 2 * 4 + 2 + 2


def test_a_component_that_follows_its_rows_comes_last() -> None:
    """Six rows on a line of their own: without a floor its likelihood has no bound."""
    x, y = crossing(60)
    y[:6] = 8.0 + 0.5 * x[:6]
    fits = [fit for fit in regression_fits(x, y, k=8, seed=0, floor=np.array([1e-9])) if fit.finished]
    least = [60 * np.exp(fit.mixture.log_weights).min() >= 3 for fit in fits]
    assert least == sorted(least, reverse=True)


def test_round_trip(tmp_path: Any) -> None:
    assert model_file  # registers the classes
    mixture = FiniteMixture.of(np.zeros(2), jax.tree.map(lambda a: a[0], population(*start(2)).components))
    persistence.save(mixture, tmp_path / "m.tacit", manifest={})
    back = persistence.load(tmp_path / "m.tacit")[0]
    for a, b in zip(jax.tree.leaves(mixture), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(a, b)


def test_bad_input() -> None:
    x, y = crossing(20)
    hole, infinite = x.copy(), y.copy()
    hole[3], infinite[4] = np.nan, np.inf
    for wrong, said in [
        ((hole, y), r"row 3: A cell of x"),
        ((x, infinite), r"row 4: A cell of y"),
        ((x, y, np.full(20, -1.0)), r"row 0: A cell of weight"),
        ((x[:5], y), r"Shapes do not fit"),
        ((x, y[:, 0]), r"Shapes do not fit"),
        ((x, np.full((20, 1), np.nan)), r"0 rows have all targets"),
        ((1e300 * x, y), r"too large"),
    ]:
        with pytest.raises(DataError, match=said):
            fit_regressions(*wrong, k=2, seed=0)
    with pytest.raises(UsageError, match="0 components"):
        fit_regressions(x, y, k=0, seed=0)
    mixture = FiniteMixture.of(np.zeros(2), jax.tree.map(lambda a: a[0], population(*start(2)).components))
    with pytest.raises(DataError, match=r"\(n, 2\)"):
        conditional(mixture, x)
