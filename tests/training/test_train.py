"""The loop: it improves, keeps the best, treats members alike, and leaves out what must not count."""

from __future__ import annotations

import sys
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tacit._errors import DataError, FitError, UsageError
from tacit._typing import Array
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Categorical, CategoricalColumns, DiagonalNormal, Mixed, Poisson, Product
from tacit.distributions.autoregressive_columns import AutoregressiveColumns
from tacit.gradients import Enumeration, Pathwise
from tacit.inference.joint import Joint
from tacit.inference.optimizers import Descent
from tacit.models import AbstractConditional, Constant, LatentModel, Selected
from tacit.models.enumeration import log_marginal
from tacit.networks import MADE, partition
from tacit.objectives import ELBO, IWAE
from tacit.training import Population, epochs, stack, train
from tests.training.conftest import make_encoder, make_model

FAST = {"optimizer": Descent(0.02), "batch_size": 16, "max_epochs": 30}
HELD = np.arange(0, 40, 5)


def mean_log_density(model, data, rows) -> float:
    values = jax.vmap(lambda y, x: log_marginal(model, y, x))(jnp.asarray(data.y)[rows], jnp.asarray(data.x)[rows])
    return float(jnp.mean(values))


def same(a, b, **tolerance) -> bool:
    pairs = zip(jax.tree.leaves(eqx.filter(a, eqx.is_array)), jax.tree.leaves(eqx.filter(b, eqx.is_array)), strict=True)
    return all(np.allclose(x, y, **tolerance) for x, y in pairs)


def test_it_learns_and_keeps_the_best_epoch(model, data) -> None:
    fitted = train(model, None, data, key=jax.random.key(1), validation=HELD, **FAST)
    assert fitted.value > mean_log_density(model, data, HELD) + 0.3
    assert fitted.value == np.nanmax(fitted.validation) == fitted.validation[fitted.best_epoch - 1]
    # the kept parameters are those that scored it
    np.testing.assert_allclose(mean_log_density(fitted.model, data, HELD), fitted.value, rtol=1e-5)
    assert fitted.skipped == 0


def test_same_key_same_result(model, data) -> None:
    one, two = (train(model, None, data, key=jax.random.key(1), validation=HELD, **FAST) for _ in range(2))
    assert same(one.model, two.model, rtol=0, atol=0)
    other = train(model, None, data, key=jax.random.key(2), validation=HELD, **FAST)
    assert not same(one.model, other.model)


def test_rows_may_be_an_array_with_holes(data) -> None:
    half = Constant(Categorical(jnp.zeros(2)))
    model = LatentModel(half, Selected(DiagonalNormal(jnp.array([[-1.0, 0.0], [1.0, 0.0]]), jnp.zeros((2, 2)))))
    y = np.random.default_rng(0).normal(size=(40, 2))
    y[3, 1] = np.nan
    settings = {"key": jax.random.key(0), "max_epochs": 2, "validation": HELD}
    missing = np.isnan(y)
    batch = Batch(np.where(missing, 0.0, y), None, ~missing, None, None)
    assert same(train(model, None, y, **settings).model, train(model, None, batch, **settings).model, rtol=0, atol=0)
    for wrong in (y[:, 0], [["a", "b"]], []):
        with pytest.raises(UsageError, match="no rows"):
            train(model, None, wrong, **settings)


@pytest.mark.parametrize("large", [0, 100_000], ids=["in turn", "side by side"])
def test_a_member_is_trained_as_if_alone(data, monkeypatch, large: int) -> None:
    monkeypatch.setattr(epochs, "LARGE", large)
    jax.clear_caches()  # the way is chosen when the loop is traced
    taken = []
    monkeypatch.setattr(epochs, "_in_turn", lambda f, real=epochs._in_turn: taken.append("in turn") or real(f))
    models = [make_model(seed) for seed in range(3)]
    rows = np.setdiff1d(np.arange(40), HELD)
    population = Population(np.stack([rows] * 3), np.stack([HELD] * 3))
    optimizer = Descent(jnp.array([0.02, 0.01, 0.005]))
    together = train(
        stack(models), None, data, key=jax.random.key(1), population=population, **FAST | {"optimizer": optimizer}
    )
    key = jax.random.split(jax.random.key(1), 3)[1]
    # the same member in another population, at the same place's key
    alone = _alone(models[1], data, rows, key, Descent(0.01))
    np.testing.assert_allclose(together.validation[:, 1], alone, rtol=2e-3, atol=2e-4)
    assert abs(together.validation[-1, 0] - alone[-1]) > 1e-3
    assert bool(taken) == (large == 0)
    jax.clear_caches()


def _alone(model, data, rows, key, optimizer) -> np.ndarray:
    """The same loop written out in Python, one step after another."""
    procedure = Joint(ELBO(), Pathwise(), optimizer)
    whole = Batch(*(jnp.asarray(a, jnp.float32) for a in (data.y, data.x)), None, jnp.ones(40), jnp.arange(40))
    course = epochs.begin(procedure, key, model, None, epochs.gather(whole, jnp.arange(16)))
    state, values = course.state, []

    @eqx.filter_jit
    def step(state, key, index):
        return procedure.update(state, procedure.summarise(key, state, epochs.gather(whole, index)))

    for epoch in range(FAST["max_epochs"]):
        order_key, step_key = jax.random.split(jax.random.fold_in(course.key, 1 + epoch))
        padded = jnp.pad(jnp.asarray(rows), (0, 48 - len(rows)), constant_values=40)[: -(-len(rows) // 16) * 16]
        order = padded[jnp.argsort(jax.random.bits(order_key, padded.shape))].reshape(-1, 16)
        for index, key in zip(order, jax.random.split(step_key, len(order)), strict=True):
            state = step(state, key, index)
        values.append(mean_log_density(state.model, data, HELD))
    return np.array(values)


def test_members_that_stop_are_left_behind_and_kept(data, monkeypatch) -> None:
    monkeypatch.setattr(sys.modules["tacit.training.train"], "COMPILATION", 0.0)
    models = [make_model(seed) for seed in range(4)]
    rows = np.setdiff1d(np.arange(40), HELD)
    population = Population(np.stack([rows] * 4), np.stack([HELD] * 4))
    rates = Descent(jnp.array([0.0, 0.02, 0.0, 0.0]))  # three of them never get better
    fitted = train(
        stack(models),
        None,
        data,
        key=jax.random.key(1),
        population=population,
        patience=5,
        **FAST | {"optimizer": rates, "max_epochs": 60},
    )
    assert fitted.epochs[1] > fitted.epochs[0] == 6
    for member in range(4):
        one = jax.tree.map(lambda a, m=member: a[m] if eqx.is_array(a) else a, fitted.model)
        np.testing.assert_allclose(mean_log_density(one, data, HELD), fitted.value[member], rtol=1e-4)
        seen = fitted.validation[:, member]
        assert np.isfinite(seen[: fitted.epochs[member]]).all()
        assert np.isnan(seen[fitted.epochs[member] :]).all()
        assert fitted.value[member] == np.nanmax(seen)


def test_rows_of_weight_zero_and_padding_are_inert(model, data) -> None:
    spoilt = Batch(np.r_[data.y, [[1e6]]], np.r_[data.x, [[np.nan]]], None, np.r_[np.ones(40), 0.0], None)
    rows = np.arange(40)[None]
    population = Population(np.c_[rows, [[40, 99]]], np.zeros((1, 0), int))
    procedure = Joint(ELBO(), Pathwise(), Descent())
    batch = Batch(*(jnp.asarray(a, jnp.float32) for a in (spoilt.y, spoilt.x)), None, jnp.asarray(spoilt.weight), None)
    state = epochs.begin(procedure, jax.random.key(0), model, None, batch).state
    clean = procedure.summarise(jax.random.key(0), state, epochs.gather(batch, jnp.arange(40)))
    padded = procedure.summarise(jax.random.key(0), state, epochs.gather(batch, jnp.asarray(population.rows[0])))
    np.testing.assert_allclose(padded.bound, clean.bound, rtol=1e-6)
    assert padded.weight == clean.weight == 40
    assert same(padded.gradient, clean.gradient, rtol=1e-4, atol=1e-5)


def test_weights_count_rows(model, data) -> None:
    procedure = Joint(ELBO(), Pathwise(), Descent())
    weight = jnp.asarray(np.random.default_rng(0).integers(0, 4, 40), jnp.float32)
    whole = Batch(*(jnp.asarray(a, jnp.float32) for a in (data.y, data.x)), None, weight, None)
    state = epochs.begin(procedure, jax.random.key(0), model, None, whole).state
    weighted = procedure.summarise(jax.random.key(0), state, whole)
    ones = whole._replace(weight=jnp.ones(40))
    repeated = epochs.gather(ones, jnp.asarray(np.repeat(np.arange(40), np.asarray(weight, int))))
    again = procedure.summarise(jax.random.key(0), state, repeated)
    np.testing.assert_allclose(weighted.bound, again.bound, rtol=1e-5)
    assert same(weighted.gradient, again.gradient, rtol=1e-3, atol=1e-4)


def test_a_step_that_is_not_finite_is_counted_and_not_taken(model, data) -> None:
    broken = data._replace(y=np.where(np.arange(40)[:, None] == 3, np.nan, data.y))
    fitted = train(model, None, broken, key=jax.random.key(1), **FAST)
    assert fitted.skipped == FAST["max_epochs"]  # row 3 is in one batch of every epoch
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(partition(fitted.model)[0]))


def test_nothing_finite_is_an_error(model, data) -> None:
    with pytest.raises(FitError, match="finite"):
        train(model, None, data._replace(y=np.full((40, 1), np.nan)), key=jax.random.key(1), **FAST)


def test_other_settings_compile_nothing(model, data) -> None:
    train(model, None, data, key=jax.random.key(1), **FAST)
    compiled: list[str] = []

    def listen(event: str, _: float, **about: object) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        train(
            model, None, data, key=jax.random.key(1), **FAST | {"max_epochs": 7, "optimizer": Descent(0.3)}, patience=3
        )
        assert not compiled
        jax.clear_caches()
        train(model, None, data, key=jax.random.key(1), **FAST)
        assert compiled  # so the listener hears
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_an_optimiser_of_optax_and_callbacks(model, data) -> None:
    seen = []
    fitted = train(
        model,
        None,
        data,
        key=jax.random.key(1),
        optimizer=optax.adam(0.02),
        batch_size=16,
        max_epochs=30,
        validation=HELD,
        callbacks=[seen.append],
    )
    ours = train(
        model,
        None,
        data,
        key=jax.random.key(1),
        optimizer=Descent(0.02, clip=1e9),
        batch_size=16,
        max_epochs=30,
        validation=HELD,
    )
    assert same(fitted.model, ours.model, rtol=1e-4, atol=1e-5)
    assert seen[-1].number == 30
    np.testing.assert_array_equal(seen[-1].validation[:, 0], fitted.validation)


def test_an_amortised_posterior_approaches_the_exact_one(model, data) -> None:
    everything = Population(np.arange(40)[None], np.arange(40)[None])
    settings = FAST | {"max_epochs": 300, "population": everything, "key": jax.random.key(1)}
    exact = train(stack([model]), None, data, **settings)
    fitted = train(stack([model]), stack([make_encoder()]), data, gradient=Enumeration(), **settings)
    one = jax.tree.map(lambda a: a[0] if eqx.is_array(a) else a, fitted.model)
    marginal = mean_log_density(one, data, np.arange(40))
    assert marginal - 0.2 < fitted.value[0] < marginal  # a bound
    assert fitted.value[0] > exact.value[0] - 0.2


def test_what_does_not_apply_is_an_error(model, data) -> None:
    with pytest.raises(UsageError, match="cannot be differentiated"):
        train(model, make_encoder(), data, key=jax.random.key(1), gradient=Pathwise(), **FAST)
    with pytest.raises(UsageError, match="one draw"):
        train(
            model, make_encoder(), data, key=jax.random.key(1), objective=IWAE(), gradient=Enumeration(), num_samples=2
        )
    with pytest.raises(UsageError, match="no optimiser"):
        train(model, None, data, key=jax.random.key(1), optimizer="adamant")


def test_model_and_posterior_may_have_optimisers_of_their_own(model, data) -> None:
    still = Descent(0.0)
    settings = FAST | {"gradient": Enumeration(), "max_epochs": 2}
    for optimizer, moves in (((Descent(0.02), still), (True, False)), ((still, Descent(0.02)), (False, True))):
        begun = (model, make_encoder())
        fitted = train(*begun, data, key=jax.random.key(1), **settings | {"optimizer": optimizer})
        ended = (fitted.model, fitted.posterior)
        assert tuple(not same(a, b, rtol=0, atol=0) for a, b in zip(begun, ended, strict=True)) == moves


def test_metrics_are_means_over_the_validation_rows(model, data) -> None:
    def log_density(key, model, posterior, y, x):
        return log_marginal(model, y, x)

    def target(key, model, posterior, y, x):
        return y[0]

    metrics = {"log_density": log_density, "target": target}
    fitted = train(model, None, data, key=jax.random.key(1), validation=HELD, metrics=metrics, **FAST)
    assert fitted.metrics["target"].shape == (FAST["max_epochs"],)
    np.testing.assert_allclose(fitted.metrics["log_density"], fitted.validation, rtol=1e-5)
    np.testing.assert_allclose(fitted.metrics["target"], np.asarray(data.y)[HELD, 0].mean(), rtol=1e-5)


def test_cells_that_are_missing_do_not_count(model, data) -> None:
    """Rows without their target say nothing: training on them leaves log p at 0 and the model where it was."""
    unseen = data._replace(y=np.zeros_like(data.y), mask=np.zeros(data.y.shape, bool))
    fitted = train(model, None, unseen, key=jax.random.key(1), **FAST | {"max_epochs": 2})
    np.testing.assert_allclose(fitted.training, 0.0, atol=1e-6)
    seen = train(model, None, data._replace(mask=np.ones(data.y.shape, bool)), key=jax.random.key(1), **FAST)
    plain = train(model, None, data, key=jax.random.key(1), **FAST)
    np.testing.assert_allclose(seen.training, plain.training, rtol=1e-4, atol=1e-4)


class Switched(AbstractConditional):
    """A posterior of one's own with a plain switch and a plain function among its fields."""

    encoder: AbstractConditional
    sharp: bool
    bend: Callable[[jax.Array], jax.Array]

    def __call__(self, context):
        q = self.encoder(context)
        return type(q)(self.bend(q.logits) * (2.0 if self.sharp else 1.0))


def test_modules_may_hold_what_is_no_array(model, data) -> None:
    posterior = Switched(make_encoder(), True, jnp.tanh)
    fitted = train(model, posterior, data, key=jax.random.key(1), gradient=Enumeration(), **FAST | {"max_epochs": 3})
    assert fitted.posterior.sharp is True
    assert fitted.posterior.bend is jnp.tanh
    assert not same(fitted.posterior.encoder, posterior.encoder)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_epochs": 0}, "max_epochs=0"),
        ({"patience": 0}, "patience=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"num_samples": 0}, "num_samples=0"),
        ({"gradient": "leave-one-out"}, "no gradient estimator"),
        ({"objective": "iwae"}, "no objective"),
        ({"key": 3}, "no random key"),
        ({"validation": np.array([40])}, "no places of rows"),
        ({"validation": np.array([-1])}, "no places of rows"),
        ({"validation": np.array([0.5])}, "no places of rows"),
        ({"validation": np.arange(40)}, "no row is left"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_makes_no_training_is_refused(model, data, settings, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train(model, None, data, **{"key": jax.random.key(1)} | settings)


BLOCKS = Product((Bernoulli(jnp.zeros((2, 2))), CategoricalColumns(jnp.zeros((2, 1, 3))), Poisson(jnp.zeros((2, 1)))))


@pytest.mark.parametrize(
    ("column", "value"), [(0, 3.0), (1, -0.1), (2, 3.0), (2, 0.5), (3, -1.0)], ids=lambda part: str(part)
)
def test_cells_that_the_likelihood_cannot_take_are_refused(column: int, value: float) -> None:
    model = LatentModel(Constant(Categorical(jnp.zeros(2))), Selected(BLOCKS))
    y = np.tile([0.3, 1.0, 2.0, 40.0], (8, 1))  # a grey level is a share of ones
    settings = {"key": jax.random.key(0), "max_epochs": 1}
    assert np.isfinite(train(model, None, y, **settings).training).all()
    y[5, column] = value
    with pytest.raises(DataError, match=rf"data: {value!r} in row 5, column {column} is no value"):
        train(model, None, y, **settings)
    unseen, idle = np.arange(4)[None] != column, np.arange(8) != 5  # cells and rows that do not count
    for batch in (Batch(y, None, np.tile(unseen, (8, 1)), None, None), Batch(y, None, None, 1.0 * idle, None)):
        assert np.isfinite(train(model, None, batch, **settings).training).all()


def test_codes_and_bits_of_autoregressive_columns_are_looked_at_too() -> None:
    network = MADE.init(jax.random.key(0), 4, AutoregressiveColumns.channels(1, (3,), 1), (8,))
    columns = AutoregressiveColumns(network, jnp.array([0.1]), jnp.zeros(1), None, 1, 1, (3,), 1)
    events = np.array([[-9.0, 1.0, 2.0, 40.0], [np.nan, 2.0, 3.0, -1.0], [0.0, -0.5, 0.5, 0.0]])
    expected = [[False] * 4, [False, True, True, True], [False, True, True, False]]
    np.testing.assert_array_equal(columns.impossible(events), expected)
    both = Mixed(jnp.zeros(2), Bernoulli(jnp.zeros((2, 2))))
    np.testing.assert_array_equal(both.impossible(np.array([[0.0, 2.0]])), [[False, True]])


def test_a_likelihood_need_not_be_of_the_library(data) -> None:
    class Plain(eqx.Module):
        loc: Array

        def log_prob(self, y, observed=None):
            return -jnp.sum((y - self.loc) ** 2)

    class Own(eqx.Module):
        loc: Array

        def __call__(self, context):
            return Plain(self.loc)

    model = LatentModel(Constant(Categorical(jnp.zeros(2))), Own(jnp.zeros(data.y.shape[1])))
    assert np.isfinite(train(model, None, data._replace(x=None), key=jax.random.key(0), max_epochs=2).training).all()


@pytest.mark.parametrize("weight", [np.ones(20), -np.ones(40), np.full(40, np.nan)], ids=["few", "negative", "nan"])
def test_weights_that_are_none_are_refused(model, data, weight) -> None:
    with pytest.raises(UsageError, match="weight"):
        train(model, None, data._replace(weight=weight), key=jax.random.key(1))


def test_a_member_that_nothing_judges_has_no_value(data) -> None:
    models, rows = stack([make_model(0), make_model(1)]), np.arange(0, 40, 2)
    population = Population(np.stack([rows] * 2), np.stack([[1, 3], [40, 40]]))  # the second: padding alone
    fitted = train(models, None, data, key=jax.random.key(1), population=population, **FAST | {"max_epochs": 3})
    assert np.isfinite(fitted.validation[:, 0]).all()
    assert np.isnan(fitted.validation[:, 1]).all()
