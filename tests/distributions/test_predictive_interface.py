"""What all predictions share: rows, shapes, frames and typed errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tacit._errors import UsageError
from tacit.distributions.predictive import (
    CategoricalPrediction,
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    PoissonMixturePrediction,
    ZeroInflatedPrediction,
)

rng = np.random.default_rng(5)
MIXTURE = rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), np.exp(rng.normal(size=(4, 2)))
POSITIVE = LogNormalMixturePrediction(*MIXTURE, center=0.5, scale=0.3)
NUMERIC = [
    pytest.param(NormalMixturePrediction(*MIXTURE, center=2.0, scale=3.0), id="normal"),
    pytest.param(POSITIVE, id="log-normal"),
    pytest.param(ZeroInflatedPrediction(POSITIVE, [0.0, 0.3, 0.9, 1.0]), id="zero-inflated"),
    pytest.param(PoissonMixturePrediction(MIXTURE[0], 5 * MIXTURE[2]), id="poisson"),
]
CATEGORICAL = CategoricalPrediction(("a", "b"), [[0.5, 0.5], [0.1, 0.9], [1.0, 0.0], [0.3, 0.7]])
ALL = [*NUMERIC, pytest.param(CATEGORICAL, id="categorical")]


@pytest.mark.parametrize("prediction", ALL)
def test_rows_can_be_taken(prediction):
    assert len(prediction) == 4
    assert len(prediction[1:3]) == 2
    assert len(prediction[5:]) == 0
    for rows, index in ((2, [2]), (-1, [3]), (slice(1, 3), [1, 2]), ([3, 0], [3, 0])):
        np.testing.assert_array_equal(prediction[rows].mode(), prediction.mode()[index])
    np.testing.assert_array_equal(prediction[np.array([False, True, False, True])].mode(), prediction.mode()[[1, 3]])
    assert type(prediction[0]) is type(prediction)
    assert len(list(prediction)) == 4
    with pytest.raises(IndexError):
        prediction[4]


@pytest.mark.parametrize("prediction", NUMERIC)
def test_a_row_alone_answers_as_in_company(prediction):
    for ask in (
        lambda p: p.mean(),
        lambda p: p.std(),
        lambda p: p.cdf(3.0),
        lambda p: p.log_prob(3.0),
        lambda p: p.crps(3.0),
        lambda p: p.quantile([0.2, 0.7]),
        lambda p: p.interval(0.9),
        lambda p: p.region(0.7)[0],
    ):
        np.testing.assert_allclose(ask(prediction[2]), np.atleast_1d(ask(prediction[2:]))[: len(ask(prediction[2]))])


@pytest.mark.parametrize("prediction", NUMERIC)
@pytest.mark.parametrize("name", ["cdf", "log_prob", "crps"])
def test_shapes_of_values(prediction, name):
    ask = getattr(prediction, name)
    grid = np.array([[1.0, 2.0, 3.0]])
    assert ask(2.0).shape == (4,)
    assert ask([2.0, 2.0, 2.0, 2.0]).shape == (4,)
    assert ask(grid).shape == (4, 3)
    np.testing.assert_array_equal(ask(2.0), ask(grid)[:, 1])
    np.testing.assert_array_equal(ask([1.0, 2.0, 3.0, 1.0]), ask(grid)[np.arange(4), [0, 1, 2, 0]])
    for bad in ([1.0, 2.0], np.zeros((3, 2)), np.zeros((4, 1, 1))):
        with pytest.raises(UsageError, match="do not fit 4 rows"):
            ask(bad)
    with pytest.raises(UsageError, match="missing"):
        ask([1.0, math.nan, 1.0, 1.0])


@pytest.mark.parametrize("prediction", NUMERIC)
def test_frames(prediction):
    frame = prediction.to_frame([0.1, 0.975])
    assert list(frame) == ["mean", "sd", "q0.1", "q0.975"]
    np.testing.assert_array_equal(frame["q0.975"], prediction.quantile(0.975))
    assert all(column.shape == (4,) for column in frame.values())


@pytest.mark.parametrize("prediction", NUMERIC)
@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 1.5, math.nan])
def test_levels_outside_zero_to_one_are_typed_errors(prediction, level):
    with pytest.raises(UsageError, match="not between 0 and 1"):
        prediction.quantile([0.5, level])
    with pytest.raises(UsageError, match="not between 0 and 1"):
        prediction.interval(level)
    with pytest.raises(UsageError, match="not between 0 and 1"):
        prediction.region(level)


@pytest.mark.parametrize("prediction", NUMERIC)
def test_scores_need_finite_values(prediction):
    with pytest.raises(UsageError, match="finite"):
        prediction.crps(math.inf)


@pytest.mark.parametrize("prediction", ALL)
def test_draws_are_repeatable_and_counted(prediction):
    draws = prediction.sample(3, np.random.default_rng(0))
    assert draws.shape == (4, 3)
    np.testing.assert_array_equal(draws, prediction.sample(3, np.random.default_rng(0)))
    assert prediction.sample(0, np.random.default_rng(0)).shape == (4, 0)
    with pytest.raises(UsageError, match="n_samples"):
        prediction.sample(-1, np.random.default_rng(0))


@pytest.mark.parametrize("prediction", NUMERIC)
def test_no_rows_are_fine(prediction):
    none = prediction[:0]
    assert none.mean().shape == none.cdf(1.0).shape == none.mode().shape == (0,)
    assert none.quantile([0.1, 0.9]).shape == (0, 2)
    assert none.region(0.5) == []
    assert none.crps(1.0).shape == (0,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NormalMixturePrediction([[0.0]], [[0.0, 1.0]], [[1.0]]),
        lambda: NormalMixturePrediction([0.0], [0.0], [1.0]),
        lambda: NormalMixturePrediction([[0.0]], [[0.0]], [[0.0]]),
        lambda: NormalMixturePrediction([[0.0]], [[math.nan]], [[1.0]]),
        lambda: NormalMixturePrediction([[-math.inf]], [[0.0]], [[1.0]]),
        lambda: NormalMixturePrediction([[math.nan]], [[0.0]], [[1.0]]),
        lambda: NormalMixturePrediction([[0.0]], [[0.0]], [[1.0]], scale=-1.0),
        lambda: LogNormalMixturePrediction([[0.0]], [[0.0]], [[1.0]], center=math.inf),
        lambda: PoissonMixturePrediction([[0.0]], [[-1.0]]),
        lambda: ZeroInflatedPrediction(POSITIVE, [0.5]),
        lambda: ZeroInflatedPrediction(POSITIVE, [0.5, 0.5, 0.5, 1.5]),
    ],
)
def test_improper_parameters_are_typed_errors(make):
    with pytest.raises(UsageError):
        make()


def test_components_of_weight_zero_are_inert():
    plain = NormalMixturePrediction([[0.0, -1.0]], [[0.0, 3.0]], [[1.0, 0.5]])
    padded = NormalMixturePrediction([[-math.inf, 0.0, -1.0]], [[1e6, 0.0, 3.0]], [[1e-6, 1.0, 0.5]])
    for ask in (
        lambda p: p.mean(),
        lambda p: p.std(),
        lambda p: p.crps(1.0),
        lambda p: p.quantile([1e-6, 0.5, 1 - 1e-6]),
        lambda p: p.region(0.9)[0],
        lambda p: p.mode(),
        lambda p: p.sample(50, np.random.default_rng(0)),
    ):
        np.testing.assert_allclose(ask(padded), ask(plain), rtol=1e-10, atol=1e-10)
