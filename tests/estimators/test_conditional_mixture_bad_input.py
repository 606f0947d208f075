"""Rows and settings that a conditional mixture cannot use, or only with a word about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tacit import ConditionalMixture
from tacit._errors import DataError, FitError, TacitWarning, UsageError

N = 160


@pytest.fixture(scope="module")
def linear() -> ConditionalMixture:
    """Settings of a model that compiles quickly: no hidden layer, one component."""
    return ConditionalMixture(1, hidden_layer_sizes=(), n_members=2, search=None, max_iter=30, random_state=0)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(N, 2))
    return x, x @ [1.0, -2.0] + 0.5 * random.normal(size=N)


def refused(model: ConditionalMixture, X: Any, y: Any, kind: type[Exception], match: str, **more: Any) -> None:
    with pytest.raises(kind, match=match):
        model.set_params(random_state=0).fit(X, y, **more)


def test_targets_that_are_none(linear: ConditionalMixture, rows: Any) -> None:
    x, y = rows
    refused(linear, x, None, DataError, "requires y to be passed")
    refused(linear, x, np.full(N, 3.0), DataError, "one value in all rows")
    refused(linear, x, np.full(N, np.nan), DataError, "no row has its target")
    refused(linear, x, y[:-1], DataError, "inconsistent numbers of samples")
    refused(linear, x, y[:, None, None], DataError, "shape")
    refused(linear, pd.DataFrame({"a": x[:, 0], "b": y}), pd.Series(y, name="b"), DataError, "column of X as well")


def test_censored_targets(linear: ConditionalMixture, rows: Any) -> None:
    x, y = rows
    events = y > 0
    survival = np.array(list(zip(events, np.abs(y), strict=True)), dtype=[("event", bool), ("time", float)])
    refused(linear, x, survival, DataError, "censored")
    refused(linear, x, {"event": events, "time": np.abs(y)}, DataError, "censored")
    refused(linear, x, np.where(events, y, np.inf), DataError, "infinite.*censored")
    refused(linear, x, np.column_stack([y, np.where(events, y, np.inf)]), DataError, "infinite.*censored")


def test_rows_without_a_target_take_no_part(linear: ConditionalMixture, rows: Any) -> None:
    x, y = rows
    holes = np.where(np.arange(N) < 10, np.nan, y)
    with pytest.warns(TacitWarning, match="10 of 160 rows lack a target"):
        model = linear.fit(x, holes)
    assert any(finding.code == "missing-target" for finding in model.findings_)
    assert_allclose(model.score_samples(x[10:], y[10:]), linear.fit(x[10:], y[10:]).score_samples(x[10:], y[10:]))
    with pytest.raises(DataError, match=r"row 0.*missing"):
        model.score_samples(x, holes)


def test_constant_and_collinear_covariates(linear: ConditionalMixture, rows: Any) -> None:
    x, y = rows
    refused(linear, np.ones((N, 1)), y, DataError, "No column is left|No covariate is left")
    model = linear.fit(np.column_stack([x, x[:, 0] + x[:, 1], np.ones(N)]), y)
    assert {"constant", "sum"} <= {finding.code for finding in model.findings_}
    assert np.isfinite(model.score_samples(np.column_stack([x, x[:, 0] + x[:, 1], np.ones(N)]), y)).all()


@pytest.mark.parametrize("n", [10, 3, 2])
def test_fewer_rows_than_folds(linear: ConditionalMixture, rows: Any, n: int) -> None:
    x, y = rows[0][:n], rows[1][:n]
    model = linear.fit(x, y)
    assert np.isfinite(model.score_samples(x, y)).all()
    told = any(finding.code == "no-validation" for finding in model.findings_)
    assert told == (n < 10)


def test_one_row(linear: ConditionalMixture, rows: Any) -> None:
    refused(linear, rows[0][:1], rows[1][:1], DataError, "minimum of 2|1 sample|two rows")
    refused(linear, *rows, DataError, "too few|two rows", sample_weight=np.eye(1, N)[0])


def test_one_far_outlier_leaves_the_bulk_alone(rows: Any) -> None:
    x, y = rows
    far = y.copy()
    far[3] = 1e6 * y.std()
    two = ConditionalMixture(2, hidden_layer_sizes=(), n_members=2, search=None, max_iter=200, random_state=0)
    with pytest.warns(TacitWarning, match="lies more than 30 standard units off"):
        model = two.fit(x, far)
    assert np.isfinite(model.score_samples(x, far)).all()
    bulk = np.delete(np.arange(N), 3)
    residual = y - np.column_stack([np.ones(N), x]) @ np.linalg.lstsq(np.column_stack([np.ones(N), x]), y)[0]
    best = -0.5 * np.log(2 * np.pi * np.e * np.mean(residual**2))
    assert model.score(x[bulk], y[bulk]) > best - 0.3
    assert np.corrcoef(model.predict_quantiles(x, [0.5])[bulk, 0], y[bulk])[0, 1] > 0.95


def test_far_covariates_and_unseen_categories_are_said_beside_the_answer(exact: ConditionalMixture) -> None:
    new = pd.DataFrame({"x": [0.0, 9.0], "kind": ["a", "b"]})
    assert exact.far(new).tolist() == [False, True]
    with pytest.warns(TacitWarning, match="1 of 2 rows have a covariate more than"):
        assert np.isfinite(exact.predict(new)).all()
    with pytest.raises(DataError, match="neither 'a' nor 'b'"):
        exact.predict(pd.DataFrame({"x": [0.0], "kind": ["c"]}))
    with pytest.warns(TacitWarning, match="missing"):
        assert np.isfinite(exact.predict(pd.DataFrame({"x": [None, 0.5], "kind": ["a", None]}))).all()
    with pytest.raises(DataError, match="lacks covariate 'kind'"):
        exact.predict(pd.DataFrame({"x": [0.0]}))


def test_an_unseen_level_of_three_is_none_of_them(linear: ConditionalMixture, rows: Any) -> None:
    table = {"x": rows[0][:, 0], "c": np.array(["u", "v", "w"])[np.arange(N) % 3]}
    model = linear.fit(table, rows[1])
    with pytest.warns(TacitWarning, match="no known level"):
        assert np.isfinite(model.predict({"x": [0.0], "c": ["z"]})).all()


def test_a_level_of_the_target_that_was_never_seen_has_probability_zero(linear: ConditionalMixture, rows: Any) -> None:
    x, y = rows
    names = np.array(["low", "mid", "top"])[np.digitize(y, [-1, 1])]
    model = linear.fit(x, names)
    with pytest.warns(TacitWarning, match="no known level"):
        assert model.score_samples(x[:2], ["low", "huge"])[1] == -np.inf
    with pytest.raises(DataError, match="no training row had"), pytest.warns(TacitWarning):
        model.evaluate(x[:2], ["low", "huge"])


def test_few_distinct_values_are_said_with_the_floor(linear: ConditionalMixture, rows: Any) -> None:
    with pytest.warns(TacitWarning, match="distinct values in 160 rows"):
        model = linear.fit(rows[0], np.round(rows[1]))
    assert model.scale_floor_[0] >= 1 / np.sqrt(12) * 0.99  # the s.d. of rounding to whole numbers


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"prior_temperature": 0.0}, "prior_temperature"),
        ({"posterior_temperature": -1.0}, "posterior_temperature"),
        ({"latent": "concrete", "n_components": 1}, "one component has nothing to relax"),
        ({"latent": "concrete", "inference": "amortised"}, "is for a categorical latent"),
        ({"latent": "concrete", "objective": "iwae", "kl": "closed"}, "no closed KL"),
        ({"hidden_layer_sizes": (64, 32)}, "one width"),
        ({"hidden_layer_sizes": (0,)}, "no widths"),
        ({"n_components": 0}, "n_components"),
        ({"n_components": [2.5]}, "numbers of components"),
        ({"gradient": "pathwise"}, "nothing is sampled"),
        ({"gradient": "reinforce"}, "gradient"),
        ({"latent": "gaussian"}, "latent"),
        ({"anneal": (0.0,)}, "not all above 0"),
        ({"optimizer": "newton"}, "optimizer"),
        ({"max_iter": 0}, "max_iter"),
        ({"activation": "sine"}, "activation"),
        ({"types": {"z": "real"}}, "no column 'z'"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], match: str, rows: Any) -> None:
    with pytest.raises(UsageError, match=match):
        ConditionalMixture(**{"search": None, "random_state": 0, **settings}).fit(*rows)


def test_questions_that_make_no_sense(exact: ConditionalMixture, pair: ConditionalMixture, targets: Any) -> None:
    X = targets[0][:3]
    with pytest.raises(UsageError, match="the targets are u, v"):
        pair.predict_distribution(X)
    with pytest.raises(UsageError, match="not a target"):
        exact.predict_distribution(X, "nothing")
    with pytest.raises(UsageError, match="n_samples"):
        exact.sample(X, 0)
    with pytest.raises(DataError, match="where the targets are u, v"):
        pair.score_samples(X, [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="2 targets for 3 rows"):
        exact.score_samples(X, [1.0, 2.0])


def test_mixed_targets_and_noise_where_there_is_none(linear: ConditionalMixture, rows: Any) -> None:
    x, y = rows
    refused(linear, x, {"a": y, "b": np.where(y > 0, "u", "v")}, UsageError, "several targets must be real")
    linear.set_params(dequantise=True)
    refused(linear, x, np.where(y > 0, "u", "v"), UsageError, "one real or positive target")
    refused(linear, x, np.column_stack([y, y**2]), UsageError, "one real or positive target")
    linear.set_params(dequantise=False)


def test_steps_that_are_not_finite_are_counted_and_told(linear: ConditionalMixture, rows: Any) -> None:
    explodes = optax.adam(optax.piecewise_constant_schedule(0.01, {20: 1e38}))
    try:
        model = linear.set_params(optimizer=explodes).fit(*rows)
    finally:
        linear.set_params(optimizer="adam")
    assert any(finding.code == "skipped-steps" for finding in model.findings_)
    assert np.isfinite(model.score_samples(*rows)).all()
    with pytest.raises(FitError, match="no epoch gave a finite objective"):
        ConditionalMixture(1, hidden_layer_sizes=(), preset="fast", learning_rate=1e30, optimizer="sgd").fit(*rows)


def test_weights_are_ratios(linear: ConditionalMixture, rows: Any) -> None:
    weight = 1.0 + np.arange(N) % 2
    each = linear.fit(*rows, sample_weight=weight).score_samples(*rows)
    assert_allclose(linear.fit(*rows, sample_weight=1e300 * weight).score_samples(*rows), each, atol=1e-5)
