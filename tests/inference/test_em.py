"""The EM kernel against oracles that work row by row, in NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tacit.distributions import Bernoulli, CategoricalColumns, MultivariateNormal, Poisson, Product
from tacit.inference import em
from tacit.inference.fit import Member, Settings
from tacit.inference.population import fit_population, refine, score_rows
from tacit.inference.source import Source
from tacit.inference.tiles import make_tiles

N, D, K = 120, 4, 3
NORMAL = 2  # columns of the joint normal block; then one binary, one of three levels, one count


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def parameters(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(K, NORMAL, NORMAL))
    return {
        "weights": rng.dirichlet(np.ones(K)),
        "mean": rng.normal(size=(K, NORMAL)),
        "covariance": a @ a.transpose(0, 2, 1) + 0.5 * np.eye(NORMAL),
        "ones": rng.uniform(0.1, 0.9, (K, 1)),
        "levels": rng.dirichlet(np.ones(3), K),
        "rate": rng.uniform(0.5, 4.0, (K, 1)),
    }


def population(p: dict[str, np.ndarray], members: int = 1) -> em.Population:
    stack = Product(
        (
            MultivariateNormal.from_covariance(jnp.asarray(p["mean"]), jnp.asarray(p["covariance"])),
            Bernoulli(jnp.log(p["ones"]) - jnp.log1p(-p["ones"])),
            CategoricalColumns(jnp.log(p["levels"])[:, None]),
            Poisson(jnp.log(p["rate"])),
        )
    )
    repeated = jax.tree.map(lambda a: np.repeat(np.asarray(a)[None], members, 0), (np.log(p["weights"]), stack))
    return em.Population(*repeated, np.zeros(members, int))


def table(seed: int, holes: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = np.column_stack([rng.normal(size=(N, NORMAL)), rng.random(N) < 0.4, rng.integers(0, 3, N), rng.poisson(2, N)])
    if holes:
        y[rng.random(y.shape) < 0.3] = np.nan
    return y.astype(float)


def joints_by_row(p: dict[str, np.ndarray], y: np.ndarray) -> np.ndarray:
    """log w_k + log p(present cells | k), one row at a time."""
    out = np.zeros((len(y), K))
    for i, row in enumerate(y):
        o = ~np.isnan(row[:NORMAL])
        for k in range(K):
            value = np.log(p["weights"][k])
            if o.any():
                cov = p["covariance"][k][np.ix_(o, o)]
                value += stats.multivariate_normal(p["mean"][k][o], cov).logpdf(row[:NORMAL][o])
            if not np.isnan(row[2]):
                value += stats.bernoulli(p["ones"][k, 0]).logpmf(row[2])
            if not np.isnan(row[3]):
                value += np.log(p["levels"][k, int(row[3])])
            if not np.isnan(row[4]):
                value += stats.poisson(p["rate"][k, 0]).logpmf(row[4])
            out[i, k] = value
    return out


def step_by_row(p: dict[str, np.ndarray], y: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
    """One EM step, one row at a time; the other blocks use the cells that are present."""
    joints = joints_by_row(p, y)
    r = np.exp(joints - np.logaddexp.reduce(joints, axis=1, keepdims=True)) * w[:, None]
    first, second = np.zeros((K, NORMAL)), np.zeros((K, NORMAL, NORMAL))
    for row, weights in zip(y, r, strict=True):
        o = ~np.isnan(row[:NORMAL])
        m = ~o
        for k in range(K):
            mean, cov = p["mean"][k], p["covariance"][k]
            expected, spread = mean.copy(), np.zeros((NORMAL, NORMAL))
            expected[o] = row[:NORMAL][o]
            slopes = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
            expected[m] = mean[m] + slopes @ (row[:NORMAL][o] - mean[o])
            spread[np.ix_(m, m)] = cov[np.ix_(m, m)] - slopes @ cov[np.ix_(o, m)]
            first[k] += weights[k] * expected
            second[k] += weights[k] * (np.outer(expected, expected) + spread)
    mass = r.sum(0)
    mean = first / mass[:, None]

    def average(column: np.ndarray) -> np.ndarray:
        seen = ~np.isnan(column)
        return (r[seen].T @ column[seen]) / r[seen].sum(0)

    return {
        "weights": mass / mass.sum(),
        "mean": mean,
        "covariance": second / mass[:, None, None] - mean[:, :, None] * mean[:, None, :],
        "ones": average(y[:, 2])[:, None],
        "levels": np.stack([average(np.where(np.isnan(y[:, 3]), np.nan, y[:, 3] == c)) for c in range(3)], 1),
        "rate": average(y[:, 4])[:, None],
    }


def as_dict(pop: em.Population) -> dict[str, np.ndarray]:
    normal, binary, levels, count = jax.tree.map(lambda a: a[0], pop.components).blocks
    return {
        "weights": np.exp(pop.log_weights[0]),
        "mean": normal.loc,
        "covariance": normal.covariance,
        "ones": binary.probs,
        "levels": levels.probs[:, 0],
        "rate": count.rate,
    }


NO_PRIOR = (np.zeros(NORMAL), 0.0, 0.0, 0.0)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("precise", [False, True])
def test_a_step_equals_the_row_by_row_step(holes: bool, precise: bool) -> None:
    p, y = parameters(0), table(1, holes)
    w = np.random.default_rng(2).uniform(0, 2, N)
    pop = population(p)
    tiles = make_tiles(y, width=16, weight=w[:, None], pattern_columns=pop.components.pattern_columns)
    summary = em.summarise(pop, jax.tree.map(jnp.asarray, tiles), precise=precise)
    expected = w @ np.logaddexp.reduce(joints_by_row(p, y), axis=1)
    np.testing.assert_allclose(summary.log_likelihood[0], expected, rtol=1e-12)
    better = em.maximise(pop, summary, NO_PRIOR, centred=em.is_centred(pop, tiles, precise))
    for name, value in step_by_row(p, y, w).items():
        np.testing.assert_allclose(as_dict(better)[name], value, rtol=1e-11, atol=1e-12, err_msg=name)


def test_the_oracle_has_power() -> None:
    """An error of 1e-9 in one covariance is seen by the comparison above."""
    p, y = parameters(0), table(1, True)
    moved = {**p, "covariance": p["covariance"] * (1 + 1e-9)}
    a, b = (step_by_row(q, y, np.ones(N))["mean"] for q in (p, moved))
    assert not np.allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("holes", [False, True])
def test_em_never_falls(holes: bool) -> None:
    y = table(3, holes)
    source = Source(y, pattern_columns=(0, 1))
    fit = refine(source, population(parameters(4)), NO_PRIOR, Settings(max_steps=200, tolerance=0.0))[0]
    falls = -np.diff(fit.bounds)
    assert len(fit.bounds) == 200
    assert falls.max() <= 1e-10 * np.abs(fit.bounds).max()
    assert fit.bounds[-1] > fit.bounds[0] + 0.05


def test_a_member_is_the_same_alone_and_in_a_population() -> None:
    y, weight = table(5, True), np.random.default_rng(6).integers(0, 3, (N, 2)).astype(float)
    settings = Settings(max_steps=30, tolerance=0.0)
    pops = [population(parameters(seed)) for seed in (7, 8)]
    both = jax.tree.map(lambda *a: np.concatenate(a), *pops)
    both = em.Population(both.log_weights, both.components, np.array([0, 1]))
    together = refine(Source(y, weight, pattern_columns=(0, 1)), both, NO_PRIOR, settings)
    for j in range(2):
        alone = refine(Source(y, weight[:, [j]], pattern_columns=(0, 1)), pops[j], NO_PRIOR, settings)[0]
        np.testing.assert_allclose(alone.bounds, together[j].bounds, rtol=1e-10)
        for a, b in zip(jax.tree.leaves(alone.mixture), jax.tree.leaves(together[j].mixture), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_integer_weights_are_repeated_rows() -> None:
    y = table(9, True)
    counts = np.random.default_rng(10).integers(0, 4, N)
    settings = Settings(max_steps=10, tolerance=0.0)
    weighted = refine(
        Source(y, counts[:, None] * 1.0, pattern_columns=(0, 1)), population(parameters(11)), NO_PRIOR, settings
    )[0]
    repeated = refine(
        Source(np.repeat(y, counts, 0), pattern_columns=(0, 1)), population(parameters(11)), NO_PRIOR, settings
    )[0]
    np.testing.assert_allclose(weighted.log_likelihood, repeated.log_likelihood, rtol=1e-11)


def test_streaming_equals_resident(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(12)
    y = rng.normal(size=(10_000, 2)) + rng.integers(0, 2, (10_000, 1)) * 4
    family = MultivariateNormal(np.zeros(2), np.zeros((2, 2)))
    settings = Settings(n_starts=2, n_finish=1, max_steps=12, tolerance=0.0)

    def fit() -> Any:
        return fit_population(Source(y), family, [Member(2)], np.zeros(2), settings, key=jax.random.key(0))[0][0]

    resident = fit()
    monkeypatch.setattr("tacit.inference.source.RESIDENT_BYTES", 0)
    monkeypatch.setattr("tacit.inference.tiles.CHUNK_BYTES", 1)
    assert not Source(y).resident
    streamed = fit()
    np.testing.assert_allclose(streamed.bounds, resident.bounds, rtol=1e-12)
    np.testing.assert_allclose(score_rows(Source(y), [streamed])[0], score_rows(Source(y), [resident])[0], rtol=1e-9)


@pytest.mark.parametrize("far", [1e8, 1e10])
def test_a_far_outlier_costs_no_digits(far: float) -> None:
    """The fast path loses 1e-4 nats and more here; the error is estimated and the other path is taken."""
    rng = np.random.default_rng(13)
    y = np.concatenate([rng.normal(size=(300, 2)), [[far, far]]])
    family = MultivariateNormal(np.zeros(2), np.zeros((2, 2)))
    fit = fit_population(
        Source(y), family, [Member(2)], np.full(2, 1e-6), Settings(n_starts=4, n_finish=2), key=jax.random.key(0)
    )[0][0]
    log_prob = score_rows(Source(y), [fit])[0][:300, 0]
    bulk = np.argmin(np.abs(np.asarray(fit.mixture.components.loc)[:, 0]))
    mean, cov = (np.asarray(a)[bulk] for a in (fit.mixture.components.loc, fit.mixture.components.covariance))
    exact = stats.multivariate_normal(mean, cov).logpdf(y[:300]) + fit.mixture.log_weights[bulk]
    assert fit.precise
    np.testing.assert_allclose(log_prob, exact, atol=1e-9)
    np.testing.assert_allclose(mean, y[:300].mean(0), atol=1e-9)


def test_log_p_is_elbo_plus_kl() -> None:
    p, y = parameters(14), table(15, True)
    joints = joints_by_row(p, y)
    tiles = jax.tree.map(jnp.asarray, make_tiles(y, width=16, pattern_columns=(0, 1)))
    log_p = float(em.summarise(population(p), tiles).log_likelihood[0])
    posterior = np.exp(joints - np.logaddexp.reduce(joints, axis=1, keepdims=True))
    q = np.random.default_rng(16).dirichlet(np.ones(K), N)
    elbo = np.sum(q * (joints - np.log(q)))
    kl = np.sum(q * (np.log(q) - np.log(posterior)))
    np.testing.assert_allclose(log_p, elbo + kl, rtol=1e-12)
