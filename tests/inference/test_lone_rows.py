"""Tables where nearly every row has a pattern of missing cells of its own: the other layout, the same answers."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.distributions import Bernoulli, MultivariateNormal, Product
from tacit.inference import em
from tacit.inference.fit import Member, Settings
from tacit.inference.population import fit_population, refine, score_rows
from tacit.inference.source import Source
from tacit.inference.tiles import PATTERN_ROWS, make_tiles, work

D, M, K = 7, 2, 3
COLUMNS = tuple(range(1, D))  # modelled jointly; column 0 is binary
FLOORS = np.float64(1.0), np.full(D - 1, 1e-6)


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def rows(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mean = 3.0 * rng.normal(size=(2, D))
    y = mean[rng.integers(0, 2, n)] + rng.normal(size=(n, D)) @ rng.normal(size=(D, D))
    y[:, 0] = rng.random(n) < 0.4
    y[rng.random(y.shape) < 0.35] = np.nan
    y[0], y[1] = np.nan, np.where(np.isnan(y[1]), 0.0, y[1])
    return y


def population(seed: int) -> em.Population:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(M, K, D - 1, D - 1))
    stack = MultivariateNormal.from_covariance(
        jnp.asarray(rng.normal(size=(M, K, D - 1))), jnp.asarray(root @ root.swapaxes(-1, -2) + np.eye(D - 1))
    )
    components = Product((Bernoulli(jnp.asarray(rng.normal(size=(M, K, 1)))), stack))
    return em.Population(np.log(rng.dirichlet(np.ones(K), M)), components, np.array([0, 1]))


@pytest.mark.parametrize("precise", [False, True])
def test_sums_and_scores_are_those_of_tiles_of_one_pattern(precise: bool) -> None:
    y = rows(150, 0)
    weight = np.random.default_rng(1).uniform(0, 2, (150, 2))
    pop = jax.tree.map(jnp.asarray, population(2))
    alone, shared = (
        jax.tree.map(jnp.asarray, make_tiles(y, width=40, weight=weight, pattern_columns=COLUMNS, lone=lone))
        for lone in (M * K, None)
    )
    assert alone.missing is not None
    assert shared.missing is None
    found, expected = (
        jax.jit(em.summarise, static_argnames="precise")(pop, t, precise=precise) for t in (alone, shared)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10 * float(jnp.abs(other).max()))
    score, entropy = em.score(pop, alone)
    score_there, entropy_there = em.score(pop, shared)
    in_order = [
        np.asarray(v).reshape(-1, M)[np.argsort(np.asarray(t.index).ravel(), kind="stable")[:150]]
        for t, v in ((alone, score), (shared, score_there))
    ]
    np.testing.assert_allclose(*in_order, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(entropy, entropy_there, rtol=1e-10)


@pytest.mark.slow
def test_em_ends_where_it_ends_over_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    y, start = rows(200, 3), population(4)
    settings = Settings(max_steps=60, tolerance=1e-6)
    source = Source(y, np.ones((200, 2)), pattern_columns=COLUMNS)
    assert source.lone
    found = refine(source, start, FLOORS, settings)
    monkeypatch.setattr(Source, "lone", False)
    expected = refine(source, start, FLOORS, settings)
    for one, other in zip(found, expected, strict=True):
        assert (one.steps, one.status) == (other.steps, other.status)
        np.testing.assert_allclose(one.bounds[:5], other.bounds[:5], rtol=1e-10)
        np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, rtol=1e-7)  # rounding grows on the way
    scores = score_rows(source, found)[0]
    assert np.all(np.isfinite(scores))
    assert abs(scores[0]).max() < 1e-12


def test_few_patterns_are_worked_off_as_patterns() -> None:
    y = np.random.default_rng(5).normal(size=(400, D))
    y[::3, 2], y[::5, 3] = np.nan, np.nan
    source = Source(y, pattern_columns=COLUMNS)
    assert not source.lone
    assert source.tiles(40, 6).missing is None
    assert source.work == 400 + PATTERN_ROWS * (D - 1) * 4
    assert work(400, 300, D - 1)[0] == 400 * work(1, 1, D - 1)[0]  # then all rows cost the same


def test_starts_of_much_work_see_some_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    y = rows(300, 6)
    family = jax.tree.map(lambda a: np.asarray(a)[0, 0], population(7).components)
    source, said = Source(y, pattern_columns=COLUMNS), []
    monkeypatch.setattr("tacit.inference.population.START_ROWS", source.work // 2)
    monkeypatch.setattr("tacit.inference.population.LEAST_START_ROWS", 100)
    starts = fit_population(
        source,
        family,
        [Member(2)],
        FLOORS,
        Settings(n_starts=4, n_finish=1, max_steps=40),
        key=jax.random.key(0),
        progress=lambda stage, done, total: said.append(stage),
    )[0]
    assert any("150 of 300 rows" in stage for stage in said)
    assert np.isfinite(starts[0].log_likelihood)
    np.testing.assert_allclose(starts[0].log_likelihood, score_rows(source, starts[:1])[0].sum(), rtol=1e-9)
