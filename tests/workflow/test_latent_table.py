"""Deep models of mixed columns: densities against the states listed one by one, starts, reading, diagnosis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tacit._errors import DataError, UsageError
from tacit.data.batch import Batch
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.table import Table, read_table
from tacit.evaluation.latent_use import LatentUse
from tacit.evaluation.pareto import TRUSTED
from tacit.gradients import Enumeration, Reinforce
from tacit.models import (
    AbstractLatent,
    BernoulliLatent,
    CategoricalLatent,
    CategoricalsLatent,
    FullNormalLatent,
    LatentModel,
    NormalLatent,
)
from tacit.models.enumeration import log_marginal
from tacit.objectives import ELBO
from tacit.workflow.latent_plan import LatentPlan, Training
from tacit.workflow.latent_points import best_columns, moments
from tacit.workflow.latent_record import told_latent
from tacit.workflow.latent_rows import BITS, Cells, encode_rows, read_columns, within_reach
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.latent_weights import Expected, Moments, WeightedDraws
from tacit.workflow.latent_weights import drawn as drawn_of

N = 90
KINDS = {"length": "real", "mass": "positive", "on": "binary", "sort": "categorical", "hits": "count"}
KINDS |= {"rain": "zero-inflated"}
LATENTS = [CategoricalLatent(4), CategoricalsLatent(2, 3), BernoulliLatent(3)]


def mixed_table() -> Table:
    """Two groups of rows in columns of every kind, with holes."""
    rng = np.random.default_rng(0)
    high = rng.random(N) < 0.4
    columns: dict[str, list[Any]] = {
        "length": list(10 + 3 * high + rng.normal(size=N)),
        "mass": list(np.exp(high + 0.3 * rng.normal(size=N))),
        "on": ["yes" if b else "no" for b in rng.random(N) < 0.2 + 0.6 * high],
        "sort": [("abc")[int(i)] for i in rng.integers(0, 2, N) + high],
        "hits": [int(i) for i in rng.poisson(2 + 5 * high)],
        "rain": list(np.where(rng.random(N) < 0.5, 0.0, np.exp(rng.normal(size=N)))),
    }
    for place, name in enumerate(columns):
        for row in range(place, N, 11):
            columns[name][row] = None
    return read_table(columns)


@pytest.fixture(scope="module")
def table() -> Table:
    return mixed_table()


@pytest.fixture(scope="module")
def schema(table: Table) -> Schema:
    return Schema.infer(table, types=KINDS)


@pytest.fixture(scope="module")
def rows(schema: Schema, table: Table) -> Rows:
    return encode_rows(schema, table)


def make(
    latent: AbstractLatent, schema: Schema, rows: Rows, hidden: tuple[int, ...] = (5,), **settings: Any
) -> LatentTable:
    training = Training(hidden_layer_sizes=hidden, activation="tanh")
    plan = LatentPlan(latent, "discrete-vae", ELBO(), Reinforce(), 2, training=training, **settings)
    model, posterior = plan.build(jax.random.key(1), schema, rows.y, rows.weight)
    return LatentTable(schema, *jax.tree.map(np.asarray, (model, posterior)))


@pytest.mark.parametrize("latent", LATENTS, ids=lambda latent: type(latent).__name__)
@pytest.mark.parametrize("scale", ["shared", "floored", "network", "fixed"])
def test_densities_are_those_of_the_states_one_by_one(
    latent: AbstractLatent, scale: Any, schema: Schema, rows: Rows
) -> None:
    table = make(latent, schema, rows, scale=scale, prior="learned")
    cells = Cells.of(rows.y)
    assert cells.observed is not None
    each = jax.vmap(lambda y, o: log_marginal(table.model, y, None, o))
    oracle = each(jnp.asarray(cells.y, jnp.float32), jnp.asarray(cells.observed)) + rows.log_jacobian
    np.testing.assert_allclose(table.log_prob(rows), oracle, rtol=3e-5, atol=3e-4)
    np.testing.assert_allclose(np.exp(table.log_responsibilities(rows)).sum(axis=1), 1.0, rtol=1e-12)


def test_a_latent_that_cannot_be_listed_has_estimates_that_do_not_change(schema: Schema, rows: Rows) -> None:
    table = make(NormalLatent(3), schema, rows)
    assert (table.exact, table.kind) == (False, "estimate")
    first, again = table.log_prob(rows), table.log_prob(rows)
    np.testing.assert_array_equal(first, again)
    found = table.log_likelihood(rows).drawn
    assert found is not None
    np.testing.assert_array_equal(found.jackknife + rows.log_jacobian, first)
    assert np.all(found.elbo <= found.bounds[:, 2] + 4 * np.hypot(found.error, found.elbo_error))  # of unlike draws
    of_q = table.weighted(rows)
    off = (of_q.elbo - found.elbo) / np.hypot(of_q.elbo_error, found.elbo_error)
    assert np.sqrt(np.mean(off**2)) < 1.5
    assert np.all(of_q.elbo <= of_q.bounds[:, 2])
    backwards = rows.take(np.arange(N)[::-1])
    np.testing.assert_allclose(table.log_prob(backwards)[::-1], first, rtol=1e-5)


def test_estimates_of_three_latents_are_the_means_over_the_prior(schema: Schema, rows: Rows) -> None:
    table = make(NormalLatent(3), schema, rows)
    cells = table.batch(rows)
    z = jax.random.normal(jax.random.key(9), (2**15, 3))

    @jax.jit
    def by_prior(y: Any, observed: Any) -> Any:
        log_p = jax.vmap(lambda z: table.model.log_likelihood(z, None, y, observed))(z)
        share = jax.nn.softmax(log_p)
        return jax.nn.logsumexp(log_p) - jnp.log(len(z)), jnp.sqrt(jnp.sum(share**2))  # and its relative error

    exact, error = np.array([by_prior(y, o) for y, o in zip(cells.y, cells.mask, strict=True)]).T
    found = table.log_likelihood(rows).drawn
    assert found is not None
    off = (found.jackknife - exact) / np.hypot(found.error, error)
    assert np.abs(off).max() < 5
    assert 0.6 < np.sqrt(np.mean(off**2)) < 1.5
    assert abs(np.mean(found.jackknife - exact)) < 0.03


@pytest.mark.parametrize("latents", [1, 2])
def test_one_or_two_normal_latents_are_integrated_and_weights_meet_it(latents: int, schema: Schema, rows: Rows) -> None:
    made = make(NormalLatent(latents), schema, rows)
    nothing = jax.tree.map(np.zeros_like, made.posterior.head)  # q is the prior: no encoder has been trained
    table = replace(made, posterior=eqx.tree_at(lambda q: q.head, made.posterior, nothing))
    found = table.log_likelihood(rows)
    assert (found.method, found.result.kind) == ("quadrature", "exact")
    drawn = table.weighted(rows, 1024)
    trusted = drawn.k_hat < TRUSTED
    assert trusted.mean() > 0.8
    z = ((drawn.jackknife + rows.log_jacobian - found.values) / drawn.error)[trusted]
    assert np.abs(z).max() < 5
    assert np.sqrt(np.mean(z**2)) > 0.4


def test_without_hidden_units_a_single_state_fits_every_column_alone(schema: Schema, rows: Rows) -> None:
    plan = LatentPlan(CategoricalLatent(1), "x", ELBO(), Enumeration(), training=Training(hidden_layer_sizes=()))
    model, posterior = plan.build(jax.random.key(0), schema, rows.y, rows.weight)
    constant = eqx.tree_at(lambda m: m.likelihood.head.weight, model, replace_fn=jnp.zeros_like)
    found = LatentTable(schema, constant, posterior).moments(np.ones((1, 1)))[0]
    y, layout = rows.y, schema.layout
    np.testing.assert_allclose(found[: len(layout.normal)], np.nanmean(y[:, layout.span("normal")], axis=0), rtol=1e-5)
    ones = y[:, layout.span("bernoulli")]
    expected = (np.nansum(ones, axis=0) + 0.5) / (np.sum(~np.isnan(ones), axis=0) + 1)
    start = len(layout.normal)
    np.testing.assert_allclose(found[start : start + len(layout.bernoulli)], expected, rtol=1e-5)
    np.testing.assert_allclose(found[-1], np.nanmean(y[:, layout.span("poisson")]), rtol=1e-5)


def test_what_is_sampled_meets_what_is_listed(schema: Schema, rows: Rows) -> None:
    table = make(CategoricalLatent(3), schema, rows)
    exact = table.expected(rows)
    cells = Cells.of(rows.y)
    batch = Batch(cells.y, None, cells.observed, None, None)
    of_row = Expected(WeightedDraws(256, Moments()))
    sampled = drawn_of(of_row, table.model, table.posterior, batch, jax.random.key(0))
    layout = schema.layout
    where = layout.span("bernoulli")  # probabilities: errors of 256 draws by weight are well below a tenth
    assert np.abs(sampled[:, where] - exact[:, where]).mean() < 0.02
    drawn = table.draw(rows, 400, seed=1)
    on = layout.index("bernoulli", "on")
    holes = np.isnan(rows.y[:, on])
    z = (drawn[holes, :, on].mean(axis=1) - exact[holes, on]) / np.sqrt(0.25 / 400)
    assert np.abs(z).max() < 5
    np.testing.assert_array_equal(drawn[~holes, 0, on], rows.y[~holes, on])


def test_an_autoregressive_prior_is_listed_too(schema: Schema, rows: Rows) -> None:
    table = make(BernoulliLatent(3), schema, rows, prior="autoregressive")
    assert (table.exact, table.factorised) == (True, False)
    cells = Cells.of(rows.y)
    each = jax.vmap(lambda y, o: log_marginal(table.model, y, None, o))
    oracle = each(jnp.asarray(cells.y, jnp.float32), jnp.asarray(cells.observed)) + rows.log_jacobian
    np.testing.assert_allclose(table.log_prob(rows), oracle, rtol=3e-5, atol=3e-4)
    prior = table.model.prior(None)
    log_q = np.asarray(jax.vmap(lambda q: q.log_probs())(table.posteriors(rows)))
    listed = np.sum(np.exp(log_q) * (log_q - np.asarray(prior.log_probs())), axis=1)  # type: ignore[attr-defined]
    rates, errors = table.rates(rows)
    assert errors is not None
    assert np.abs((rates - listed) / np.maximum(errors, 1e-6)).max() < 5
    means = table.divergences(rows)
    assert means.shape == (N, 3)
    assert np.all(means >= -1e-9)


def test_rows_drawn_have_the_moments_of_the_model(schema: Schema, rows: Rows) -> None:
    table = make(CategoricalLatent(3), schema, rows)
    z, y = table.sample(4000, seed=3)
    expected = table.moments(np.eye(3)).mean(axis=0)
    np.testing.assert_allclose(z.mean(axis=0), 1 / 3, atol=5 * np.sqrt(2 / 9 / 4000))
    on = schema.layout.index("bernoulli", "on")
    assert abs(y[:, on].mean() - expected[on]) < 5 * np.sqrt(0.25 / 4000)
    length = schema.layout.index("normal", "length")
    spread = y[:, length].std() / np.sqrt(4000)
    assert abs(y[:, length].mean() - expected[length]) < 5 * spread
    rain = schema.layout.index("bernoulli", "rain")
    np.testing.assert_array_equal(np.isnan(y[:, schema.layout.index("normal", "rain")]), y[:, rain] == 0)


def test_best_values_are_in_the_users_units(schema: Schema, rows: Rows) -> None:
    table = make(CategoricalLatent(3), schema, rows)
    found = table.moments(np.eye(3))
    columns = best_columns(schema, found)
    length, mass = schema["length"], schema["mass"]
    place = schema.layout.index("normal", "mass")
    np.testing.assert_allclose(columns["mass"], np.exp(found[:, place] * mass.scale + mass.center))
    place = schema.layout.index("normal", "length")
    np.testing.assert_allclose(columns["length"], found[:, place] * length.scale + length.center)
    assert set(columns["on"]) <= {"yes", "no"}
    assert set(columns["sort"]) <= {"a", "b", "c"}
    np.testing.assert_array_equal(columns["hits"], stats.poisson.median(found[:, -1]))


def test_moments_of_a_table_of_bits_are_probabilities() -> None:
    table = read_table(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, np.nan]]))
    schema = read_columns(table, "auto")
    assert [column.levels for column in schema.modelled] == [BITS] * 3  # a constant column is one of them
    rows = encode_rows(schema, table)
    np.testing.assert_array_equal(rows.y, [[0, 1, 0], [0, 0, np.nan]])
    model = make(BernoulliLatent(2), schema, rows)
    family = model.model.likelihood((jnp.zeros(2), None))
    assert type(family).__name__ == "Bernoulli"
    np.testing.assert_allclose(moments(family), family.probs)  # type: ignore[attr-defined]
    columns = best_columns(schema, np.array([[0.25, 0.75, 0.5]]))
    assert [columns[name].tolist() for name in schema.names] == [[0.25], [0.75], [0.5]]


def test_a_table_of_bits_is_read_in_one_piece_and_anything_else_as_ever() -> None:
    mixed = read_table({"a": [0.0, 1.0, 0.0, 1.0], "b": [0.5, 1.0, 2.5, 3.0]})
    assert read_columns(mixed, "auto")["b"].kind == "real"
    with pytest.raises(DataError, match="is neither 0 nor 1"):
        read_columns(mixed, "bernoulli")
    bits = read_table({"a": [0, 1, 0, 1], "b": [0, 0, 0, 0]})
    schema = read_columns(bits, "bernoulli")
    with pytest.raises(DataError, match="2 is neither 0 nor 1"):
        encode_rows(schema, read_table({"a": [0, 2], "b": [0, 1]}))
    with pytest.raises(UsageError, match="'normal' is no likelihood"):
        read_columns(bits, "normal")
    with pytest.raises(UsageError, match="types"):
        read_columns(bits, "poisson", {"a": "count"})
    with pytest.raises(DataError, match="not a whole number"):
        read_columns(mixed, "poisson")


def test_far_cells_are_drawn_in_for_training_and_told(schema: Schema, rows: Rows) -> None:
    y = rows.y.copy()
    y[0, schema.layout.index("normal", "length")] = 1e6
    near, found = within_reach(schema, y, 30.0)
    assert near[0, schema.layout.index("normal", "length")] == 30.0
    assert [finding.column for finding in found] == ["length"]
    assert within_reach(schema, rows.y, 30.0)[1] == ()


def test_the_diagnosis_tells_collapse_idle_latents_and_unused_states() -> None:
    spread = np.array([[0.5, 0.5], [0.995, 0.005], [0.5, 0.5]])

    def found(kl: list[float], usage: np.ndarray) -> list[str]:
        return [f.code for f in LatentUse(np.array(kl), np.array(kl) / 10, usage).findings()]

    assert found([0.0, 0.0, 0.0], spread) == ["collapse"]
    assert found([1.0, 1.0, 0.0], spread) == ["unused-codes"]
    assert found([1.0, 0.0, 0.0], spread) == ["idle-latents"]
    assert found([1.0, 0.5, 0.2], spread[[0, 2, 2]]) == []
    (idle,), (off,) = (LatentUse(np.array([kl]), np.zeros(1), None).findings() for kl in (0.01, 25.0))
    assert "q is the same for all rows, and says nothing of one" in idle.message
    assert "q is the same for all rows, though 25 nats from the prior, and" in off.message


def test_a_batch_of_more_rows_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 64 is more than the 20 rows"):
        Training(batch_size=64).batch(20)
    assert Training().batch(20) == 20


def test_the_model_is_one_of_the_core(schema: Schema, rows: Rows) -> None:
    table = make(CategoricalLatent(3), schema, rows)
    assert isinstance(table.model, LatentModel)
    prior = table.model.prior(None)
    assert float(prior.log_prob(jnp.eye(3)[0])) == pytest.approx(-np.log(3))


@pytest.mark.parametrize(
    ("latent", "words"),
    [
        (BernoulliLatent(1), "1 latent of 2 states"),
        (CategoricalLatent(5), "1 latent of 5 states"),
        (CategoricalsLatent(3, 4), "3 latents of 4 states"),
        (NormalLatent(2), "2 normal latents"),
        (FullNormalLatent(2), "2 normal latents, q with a full covariance"),
    ],
)
def test_latents_are_told_in_words(latent: AbstractLatent, words: str) -> None:
    assert told_latent(latent) == words
