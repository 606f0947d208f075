"""Scorers through scikit-learn's own machinery, against the scores computed by hand."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import tacit
from tacit._errors import UsageError
from tacit.distributions.predictive import CategoricalPrediction, NormalMixturePrediction
from tacit.estimators.scorers import crps_scorer, log_density_scorer, pinball_scorer

rng = np.random.default_rng(0)
X = rng.normal(5.0, 3.0, size=(90, 1))
Y = 2.0 * X[:, 0] + rng.normal(size=90)
SCORERS = [log_density_scorer, crps_scorer, pinball_scorer(0.9)]


class Line(RegressorMixin, BaseEstimator):
    """Least squares with normal errors: the smallest estimator that predicts distributions."""

    def __init__(self, inflate=1.0):
        self.inflate = inflate

    def fit(self, X, y):
        self.line_ = LinearRegression().fit(X, y)
        self.sigma_ = self.inflate * np.std(y - self.line_.predict(X))
        return self

    def predict(self, X):
        return self.line_.predict(X)

    def predict_distribution(self, X):
        return NormalMixturePrediction(
            np.zeros((len(X), 1)), self.predict(X)[:, None], np.full((len(X), 1), self.sigma_)
        )


def by_hand(scorer, p, y):
    if scorer is log_density_scorer:
        return p.log_prob(y).mean()
    if scorer is crps_scorer:
        return -p.crps(y).mean()
    return -mean_pinball_loss(y, p.quantile(scorer.level), alpha=scorer.level)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_cross_validation_gives_the_scores_of_each_fold(scorer, routing):
    folds = KFold(3, shuffle=True, random_state=0)
    with sklearn.config_context(enable_metadata_routing=routing):
        found = cross_val_score(Line(), X, Y, scoring=scorer, cv=folds)
    expected = [
        by_hand(scorer, Line().fit(X[train], Y[train]).predict_distribution(X[test]), Y[test])
        for train, test in folds.split(X)
    ]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_steps_of_a_pipeline_transform_the_rows_first(scorer):
    for steps in (
        make_pipeline(StandardScaler(), Line()),
        Pipeline([("none", "passthrough"), ("line", Line())]),
        make_pipeline(Line()),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Line())),
    ):
        alone, piped = scorer(Line().fit(X, Y), X, Y), scorer(steps.fit(X, Y), X, Y)
        np.testing.assert_allclose(piped, alone, rtol=1e-9)


def test_a_search_finds_the_width_and_is_scored_by_its_best():
    grid = {"line__inflate": [0.3, 1.0, 3.0]}
    steps = Pipeline([("scale", StandardScaler()), ("line", Line())])
    for scorer in (log_density_scorer, crps_scorer):
        search = GridSearchCV(steps, grid, scoring=scorer, cv=3)
        search.fit(X, Y)
        assert search.best_params_ == {"line__inflate": 1.0}
        assert scorer(search, X, Y) == scorer(search.best_estimator_, X, Y)


def test_several_scores_at_once_under_their_names():
    found = cross_validate(Line(), X, Y, scoring={repr(scorer): scorer for scorer in SCORERS}, cv=3)
    assert {"test_log_density", "test_neg_crps", "test_neg_pinball(0.9)"} <= set(found)
    assert np.all(found["test_neg_crps"] < 0)


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_weights_repeat_rows_and_those_of_zero_are_inert(scorer):
    model, times = Line().fit(X, Y), np.arange(90) % 3
    repeated = np.repeat(np.arange(90), times)
    np.testing.assert_allclose(scorer(model, X, Y, sample_weight=times), scorer(model, X[repeated], Y[repeated]))


def test_classes_have_a_log_probability_only():
    class Coin(BaseEstimator):
        def predict_distribution(self, X):
            return CategoricalPrediction(("head", "tail"), np.full((len(X), 2), 0.5))

    y = np.array(["head"] * 90)
    np.testing.assert_allclose(log_density_scorer(Coin(), X, y), np.log(0.5))
    with pytest.raises(UsageError, match="predictions of numbers"):
        crps_scorer(Coin(), X, y)


def test_what_cannot_be_scored_is_said():
    with pytest.raises(UsageError, match="LinearRegression has no predict_distribution"):
        crps_scorer(LinearRegression().fit(X, Y), X, Y)
    with pytest.raises(UsageError, match="level 1"):
        pinball_scorer(1)
    with pytest.raises(UsageError, match="not finite"):
        crps_scorer(Line().fit(X, Y), X, np.where(np.arange(90) == 3, np.nan, Y))


def test_they_are_public_and_travel_to_other_processes():
    assert tacit.crps_scorer is crps_scorer
    assert tacit.log_density_scorer is log_density_scorer
    assert tacit.pinball_scorer(0.2) == pinball_scorer(0.2)
    for scorer in SCORERS:
        assert pickle.loads(pickle.dumps(scorer)) == scorer
