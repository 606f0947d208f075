"""The answers of a mixture of table columns against ratios of densities, quadrature and simulation."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from tacit._errors import UsageError
from tacit.data.column import Column
from tacit.data.decode import decode
from tacit.data.encode import Rows, encode
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.distributions import Bernoulli, CategoricalColumns, MultivariateNormal, Poisson, Product
from tacit.inference.rows import log_densities
from tacit.models import FiniteMixture
from tacit.workflow.anomalies import anomalies, calibrate, log_density, pvalues, surprises
from tacit.workflow.table_mixture import TableMixture, family, regularisation

K = 3
SCHEMA = Schema(
    (
        Column("height", "real", center=170.0, scale=8.0, floor=0.1),
        Column("income", "positive", center=7.0, scale=0.5, floor=0.01),
        Column("smoker", "binary", dtype="text", levels=("no", "yes")),
        Column("rain", "zero-inflated", center=0.5, scale=2.0, floor=0.01),
        Column("colour", "categorical", dtype="text", levels=("blue", "green", "red")),
        Column("children", "count", dtype="int"),
        Column("weight", "real", center=-3.0, scale=0.25, floor=0.01),
    )
)
CONTINUOUS = ("height", "income", "weight")


@pytest.fixture(scope="module")
def model() -> TableMixture:
    """Three overlapping components with full covariances over height, income, rain and weight."""
    random = np.random.default_rng(5)
    factors = 0.4 * np.tril(random.normal(size=(K, 4, 4)), -1) + 0.7 * np.eye(4)
    with jax.enable_x64(True):
        normal = MultivariateNormal.from_covariance(random.normal(size=(K, 4)), factors @ np.swapaxes(factors, 1, 2))
        normal = jax.tree.map(np.asarray, normal)
    blocks = (
        normal,
        Bernoulli(random.normal(size=(K, 2))),
        CategoricalColumns(random.normal(size=(K, 1, 3))),
        Poisson(np.log(random.uniform(0.5, 4.0, size=(K, 1)))),
    )
    return TableMixture(SCHEMA, FiniteMixture.of(np.log([0.5, 0.3, 0.2]), Product(blocks)))


def _table(columns: dict[str, np.ndarray]) -> Rows:
    return encode(SCHEMA, read_table(columns), roles=False)


@pytest.fixture(scope="module")
def columns(model: TableMixture) -> dict[str, np.ndarray]:
    """64 rows of the model in the user's units, a third of their cells missing, one row with none present."""
    random = np.random.default_rng(1)
    events, _ = model.sample(64, 3)
    found = {name: values.astype(object) for name, values in decode(SCHEMA, events).items()}
    for values in found.values():
        values[random.random(64) < 0.33] = None
        values[7] = None
    return found


def _with(columns: dict[str, np.ndarray], name: str, value: object) -> Rows:
    """The rows with one column set throughout."""
    return _table({**columns, name: np.array([value] * len(columns[name]), dtype=object)})


VALUES = {
    "height": [150.0, 171.5, 190.0],
    "income": [300.0, 1100.0, 9000.0],
    "smoker": ["no", "yes"],
    "rain": [0.0, 0.02, 1.5, 300.0],
    "colour": ["blue", "green", "red"],
    "children": [0, 1, 4, 11],
    "weight": [-3.4, -3.0, -2.2],
}


@pytest.mark.parametrize("target", SCHEMA.names)
def test_conditional_is_joint_over_marginal_in_user_units(
    model: TableMixture, columns: dict[str, np.ndarray], target: str
) -> None:
    prediction = model.predict(_table(columns), target)
    rest = model.log_prob(_with(columns, target, None))
    for value in VALUES[target]:
        joint = model.log_prob(_with(columns, target, value))
        assert_allclose(prediction.log_prob(value), joint - rest, rtol=1e-9, atol=1e-9)


def test_row_with_nothing_present_has_density_one(model: TableMixture, columns: dict[str, np.ndarray]) -> None:
    assert model.log_prob(_table(columns))[7] == pytest.approx(0.0, abs=1e-12)


def test_whole_rows_match_scipy(model: TableMixture) -> None:
    """Every factor of the density of complete rows by SciPy, on the user's scale."""
    blocks, weights = model.mixture.components.blocks, np.exp(model.mixture.log_weights)
    row = {
        "height": 176.0,
        "income": 800.0,
        "smoker": "yes",
        "rain": 2.5,
        "colour": "red",
        "children": 2,
        "weight": -3.1,
    }
    u = np.array([(176 - 170) / 8, (np.log(800) - 7) / 0.5, (np.log(2.5) - 0.5) / 2, (-3.1 + 3) / 0.25])
    slope = 1 / (8 * (800 * 0.5) * (2.5 * 2) * 0.25)
    with jax.enable_x64(True):
        covariances = np.asarray(blocks[0].covariance)
    total = 0.0
    for k in range(K):
        smokes, wet = 1 / (1 + np.exp(-blocks[1].logits[k]))
        colours = np.exp(blocks[2].logits[k, 0]) / np.exp(blocks[2].logits[k, 0]).sum()
        total += (
            weights[k]
            * stats.multivariate_normal.pdf(u, blocks[0].loc[k], covariances[k])
            * slope
            * smokes
            * wet
            * colours[2]
            * stats.poisson.pmf(2, np.exp(blocks[3].log_rate[k, 0]))
        )
    rows = _table({name: np.array([value]) for name, value in row.items()})
    assert_allclose(model.log_prob(rows), np.log(total), rtol=1e-12)


def test_zero_inflated_atom_and_density_sum_to_one(model: TableMixture, columns: dict[str, np.ndarray]) -> None:
    prediction = model.predict(_table(columns), "rain")
    t = np.linspace(-30, 30, 6001)  # of log y; the trapezoid rule is exact to round-off for such densities
    density = np.exp(prediction.log_prob(np.exp(t)[None, :]) + t)
    atom = np.exp(prediction.log_prob(0.0))
    assert_allclose(atom + density.sum(axis=1) * (t[1] - t[0]), 1.0, atol=1e-9)


@pytest.mark.parametrize("target", CONTINUOUS)
def test_imputed_value_is_that_of_the_integrated_conditional(
    model: TableMixture, columns: dict[str, np.ndarray], target: str
) -> None:
    """Mean of a real column, median of a positive one, integrated from ratios of joint densities alone."""
    bare = _with(columns, target, None)
    filled = decode(SCHEMA, model.impute(bare))[target].astype(float)
    column = SCHEMA[target]
    t = column.center + column.scale * np.linspace(-8, 8, 401)
    picked = np.arange(0, 64, 9)
    few = {name: values[picked] for name, values in columns.items()}
    grid = {name: np.repeat(values, len(t)) for name, values in few.items()}
    grid[target] = np.tile(np.exp(t) if column.kind == "positive" else t, len(picked)).astype(object)
    log_joint = model.log_prob(_table(grid)).reshape(len(picked), -1)
    log_conditional = log_joint - model.log_prob(bare)[picked, None] + (t if column.kind == "positive" else 0.0)
    p = np.exp(log_conditional) * (t[1] - t[0])
    assert_allclose(p.sum(axis=1), 1.0, atol=1e-8)
    if column.kind == "real":
        assert_allclose(filled[picked], p @ t, rtol=1e-8, atol=1e-8)
    else:
        below = (p * (t <= np.log(filled[picked])[:, None])).sum(axis=1)
        assert_allclose(below, 0.5, atol=p.max())


def test_imputation_keeps_what_is_there(model: TableMixture, columns: dict[str, np.ndarray]) -> None:
    rows = _table(columns)
    filled = model.impute(rows)
    seen = ~np.isnan(rows.y)
    assert_allclose(filled[seen], rows.y[seen], rtol=0, atol=0)
    assert not any(values.dtype == object and None in values for values in decode(SCHEMA, filled).values())


DRAWS = 4000


@pytest.fixture(scope="module")
def drawn(model: TableMixture, columns: dict[str, np.ndarray]) -> tuple[Rows, dict[str, np.ndarray]]:
    """Four rows, some with holes and one empty, and draws of all their missing cells."""
    picked = [0, 3, 7, 20]
    rows = _table({name: values[picked] for name, values in columns.items()})
    events = model.draw(rows, DRAWS, 11)
    flat = decode(SCHEMA, events.reshape(-1, events.shape[-1]))
    return rows, {name: values.reshape(len(picked), DRAWS) for name, values in flat.items()}


@pytest.mark.parametrize("target", SCHEMA.names)
def test_draws_follow_the_exact_conditional(
    model: TableMixture, drawn: tuple[Rows, dict[str, np.ndarray]], target: str
) -> None:
    rows, values = drawn
    prediction = model.predict(rows, target)
    missing = np.flatnonzero(np.isnan(rows.y[:, SCHEMA.layout.places(target)[-1]]))
    assert len(missing)
    for i in missing:
        one = prediction[int(i)]
        if target in CONTINUOUS:
            u = one.cdf(values[target][i].astype(float)[None, :])[0]
            assert stats.kstest(u, "uniform").pvalue > 1e-4
            continue
        if target == "rain":
            x = values[target][i].astype(float)
            zero = float(np.exp(one.log_prob(0.0))[0])
            assert stats.binomtest(int(np.sum(x == 0)), DRAWS, zero).pvalue > 1e-4
            u = (one.cdf(x[x > 0][None, :])[0] - zero) / (1 - zero)
            assert stats.kstest(u, "uniform").pvalue > 1e-4
            continue
        levels = list(SCHEMA[target].levels) or list(range(6))
        observed = np.array([np.sum(values[target][i] == level) for level in levels], float)
        expected = np.array([np.exp(one.log_prob(level))[0] for level in levels]) * DRAWS
        if target == "children":
            observed, expected = (
                np.append(observed, DRAWS - observed.sum()),
                np.append(expected, DRAWS - expected.sum()),
            )
        assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_draws_of_two_cells_follow_their_joint_conditional(
    model: TableMixture, drawn: tuple[Rows, dict[str, np.ndarray]]
) -> None:
    """Rosenblatt: of the empty row, weight given the height drawn with it is uniform under its conditional cdf."""
    _, values = drawn
    pair = {name: np.full(DRAWS, None, object) for name in SCHEMA.names}
    pair["height"] = values["height"][2].astype(object)
    u = model.predict(_table(pair), "weight").cdf(values["weight"][2].astype(float))
    assert stats.kstest(u, "uniform").pvalue > 1e-4


def test_present_cells_of_draws_stay(drawn: tuple[Rows, dict[str, np.ndarray]]) -> None:
    rows, values = drawn
    for name, found in decode(SCHEMA, rows.y).items():
        for i, value in enumerate(found):
            if value is not None and value == value:
                assert all(cell == value for cell in values[name][i])


def test_sample_given_has_the_moments_of_the_conditional(model: TableMixture) -> None:
    given = {"smoker": "yes", "rain": 0, "height": 181.0}
    n = 8000
    events, states = model.sample(n, 2, given)
    columns = model.decode(events)
    assert set(columns["smoker"]) == {"yes"}
    assert np.all(columns["rain"] == 0)
    assert_allclose(columns["height"], 181.0)
    row = _table({name: np.array([given.get(name)], dtype=object) for name in SCHEMA.names})
    for name in ("weight", "children"):
        prediction, x = model.predict(row, name), columns[name].astype(float)
        assert abs(x.mean() - prediction.mean()[0]) < 5 * prediction.std()[0] / np.sqrt(n)
        assert_allclose(x.std(), prediction.std()[0], rtol=0.1)
    share = np.exp(model.log_responsibilities(row))[0]
    assert stats.chisquare(np.bincount(states, minlength=K), share * n).pvalue > 1e-4


@pytest.mark.parametrize("holes", [False, True])
def test_anomaly_pvalues_are_uniform_for_rows_of_the_model(model: TableMixture, holes: bool) -> None:
    events, _ = model.sample(1500, 101)
    if holes:
        which = np.random.default_rng(8).integers(3, size=len(events))
        events[which == 0, SCHEMA.layout.index("normal", "income")] = np.nan
        for place in SCHEMA.layout.places("rain"):
            events[which == 1, place] = np.nan
    p = pvalues(model, Rows(events, np.zeros(len(events)), np.ones(len(events))))
    assert stats.kstest(p, "uniform").pvalue > 1e-4
    if holes:
        assert min(stats.kstest(p[which == i], "uniform").pvalue for i in range(3)) > 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_pvalues_of_levels_are_those_of_a_listing(seed: int) -> None:
    """Rows of the same levels have one density, however it is rounded: a p-value counts all of them."""
    random, d, n = np.random.default_rng(seed), 4, 16_000
    schema = Schema(tuple(Column(f"c{j}", "binary", dtype="int", levels=(0, 1)) for j in range(d)))
    bits = Product((Bernoulli(np.log(random.uniform(0.02, 0.5, size=(2, d)))),))
    found = TableMixture(schema, FiniteMixture.of(np.log([0.6, 0.4]), bits))
    states = (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(float)
    density = np.exp(log_density(found, states))
    wanted = np.array([density[density <= one * (1 + 1e-9)].sum() for one in density])
    p = pvalues(found, Rows(states, np.zeros(2**d), np.ones(2**d)))
    assert np.all(np.abs(p - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / n) + 2 / n)


def test_densities_pattern_by_pattern_are_those_of_rows_with_holes(model: TableMixture) -> None:
    events = np.nan_to_num(model.sample(20, 3)[0], nan=0.5)  # the positive part of a zero
    present = np.random.default_rng(4).random((70, events.shape[1])) < 0.6
    found = np.stack(list(log_densities(model.mixture, events, present)))
    wanted = np.stack([log_density(model, np.where(cells, events, np.nan)) for cells in present])
    assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


def test_surprise_is_the_conditional_in_model_units(model: TableMixture, columns: dict[str, np.ndarray]) -> None:
    rows = _table(columns)
    found = surprises(model, rows)
    for j, name in enumerate(SCHEMA.names):
        seen = np.flatnonzero(~np.isnan(rows.y[:, SCHEMA.layout.places(name)[-1]]))
        values = columns[name][seen] if SCHEMA[name].levels else columns[name][seen].astype(float)
        log_prob = model.predict(rows.take(seen), name).log_prob(values)
        alone = encode(Schema((SCHEMA[name],)), read_table({name: columns[name][seen]}), roles=False)
        assert_allclose(found[seen, j], alone.log_jacobian - log_prob, rtol=1e-8, atol=1e-8)
        missing = np.setdiff1d(np.arange(64), seen)
        assert_allclose(found[missing, j], 0.0, atol=1e-12)


def test_odd_row_is_found_with_the_column_that_makes_it_odd(model: TableMixture) -> None:
    events, _ = model.sample(1500, 21)
    ordinary = Rows(events, np.zeros(1500), np.ones(1500))
    calibrated = replace(model, calibration=calibrate(pvalues(model, ordinary), ordinary.weight))
    events = events.copy()
    events[17, SCHEMA.layout.index("normal", "weight")] = 40.0
    found = anomalies(calibrated, Rows(events, np.zeros(1500), np.ones(1500)), rate=0.01)
    assert found[0].row == 17
    assert found[0].surprise[0][0] == "weight"
    assert 1 <= len(found) <= 30


def test_unknown_target_is_refused_with_the_known_ones(model: TableMixture, columns: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError, match="height"):
        model.predict(_table(columns), "hieght")


def test_family_has_one_regularisation_a_block() -> None:
    assert len(family(SCHEMA).blocks) == len(regularisation(SCHEMA))
    assert_allclose(regularisation(SCHEMA)[0], [(0.1 / 8) ** 2, (0.01 / 0.5) ** 2, (0.01 / 2) ** 2, (0.01 / 0.25) ** 2])


def test_calibration_counts_a_row_as_its_weight_says() -> None:
    values, weight = np.random.default_rng(0).random(50), np.random.default_rng(1).integers(0, 4, 50).astype(float)
    repeated = np.repeat(values, weight.astype(int))
    weighted, plain = calibrate(values, weight), calibrate(repeated, np.ones(len(repeated)))
    # within a run of equal rows the two stand at other places: at most one weight apart
    assert np.interp(weighted, np.sort(plain), np.linspace(0, 1, len(plain))) == pytest.approx(
        np.linspace(0, 1, len(plain)), abs=3 / len(repeated)
    )
    assert not np.allclose(weighted, calibrate(values, np.ones(50)), atol=0.01)
