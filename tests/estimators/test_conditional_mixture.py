"""The conditional mixture behind scikit-learn's interface: answers against quadrature, draws, and each other."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tacit
from tacit import ConditionalMixture

N = 160


def _failures(estimator: ConditionalMixture) -> dict[str, str]:
    needs_y = "calls score_samples(X); the log density of y needs y"
    return {
        "check_methods_sample_order_invariance": needs_y,
        "check_methods_subset_invariance": needs_y,
        "check_sample_weight_equivalence_on_dense_data": "repeated rows are dealt to batches and set aside one by one",
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tacit._errors.TacitWarning")
@parametrize_with_checks(
    [ConditionalMixture(1, hidden_layer_sizes=(), preset="fast", random_state=0)], expected_failed_checks=_failures
)
def test_conventions_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_answers_do_not_depend_on_the_other_rows(exact: ConditionalMixture, lines: Any) -> None:
    X, y = lines
    order = np.random.default_rng(0).permutation(N)
    assert_allclose(exact.predict(X.iloc[order]), exact.predict(X)[order], atol=1e-5)
    assert_allclose(exact.score_samples(X[:5], y[:5]), exact.score_samples(X, y)[:5], atol=1e-4)


def test_fitted_attributes(exact: ConditionalMixture, lines: Any) -> None:
    assert exact.target_names_ == ["speed"]
    assert exact.feature_names_in_.tolist() == ["x", "kind"]
    assert exact.n_features_in_ == 2
    assert exact.n_components_ == exact.selection_.k == 2
    assert exact.component_labels_[-1] == "member 1, component 1"
    assert [row["k"] for row in exact.members_] == [2]
    assert exact.members_[0]["epochs"] == [60, 60]
    assert exact.verdict_ in ("converged", "ran out of steps")
    assert exact.n_iter_ == 60
    assert_allclose(exact.scale_floor_, 0.01 * lines[1].std(ddof=0), rtol=1e-5)


def test_the_density_integrates_to_one_and_has_the_cdf_s_slope(exact: ConditionalMixture, lines: Any) -> None:
    X = lines[0][:20]
    grid = np.linspace(-8, 8, 20001)
    p = exact.predict_distribution(X)
    density = np.exp(p.log_prob(grid[None]))
    assert_allclose(np.trapezoid(density, grid, axis=1), 1.0, atol=1e-4)
    assert_allclose(np.trapezoid(density * grid, grid, axis=1), exact.predict(X), atol=1e-3)
    below = grid <= 0.3
    assert_allclose(np.trapezoid(density[:, below], grid[below], axis=1), p.cdf(0.3), atol=2e-3)


def test_a_positive_density_integrates_to_one_in_its_own_units(pair: ConditionalMixture, targets: Any) -> None:
    X, _ = targets
    logs = np.linspace(-6, 8, 20001)
    grid = np.exp(logs)
    density = np.exp(pair.predict_distribution(X[:20], "v").log_prob(grid[None]))
    assert_allclose(np.trapezoid(density * grid, logs, axis=1), 1.0, atol=1e-4)
    assert_allclose(pair.predict(X[:20])[:, 1], pair.predict_quantiles(X[:20], [0.5], "v")[:, 0])


def test_score_samples_is_the_density_of_the_prediction(exact: ConditionalMixture, lines: Any) -> None:
    X, y = lines
    each = exact.predict_distribution(X).log_prob(y.to_numpy())
    assert_allclose(exact.score_samples(X, y), each, atol=1e-9)
    assert_allclose(exact.score(X, y), each.mean())
    weight = np.arange(N) % 3
    assert_allclose(exact.score(X, y, sample_weight=weight), weight @ each / weight.sum())
    (result,) = exact.evaluate(X, y)
    assert result.kind == "exact"
    assert_allclose([result.value, result.standard_error], [each.mean(), each.std(ddof=1) / np.sqrt(N)])
    assert exact.evaluate(X, y, groups=np.arange(N) // 4)[0].n_groups == N // 4


def test_the_margin_of_the_joint_is_the_prediction_of_one_target(pair: ConditionalMixture, targets: Any) -> None:
    X, Y = targets
    logs = np.linspace(-6, 8, 4001)
    rows = pd.concat([X[:1]] * len(logs))
    joint = pair.score_samples(rows, {"u": np.full(len(logs), Y["u"][0]), "v": np.exp(logs)})
    margin = np.log(np.trapezoid(np.exp(joint + logs), logs))  # over v = exp(log v)
    assert_allclose(margin, pair.predict_distribution(X[:1], "u").log_prob(Y["u"][0]), atol=1e-4)


def test_draws_follow_the_distribution(exact: ConditionalMixture, pair: ConditionalMixture, lines: Any) -> None:
    X = lines[0][:3]
    drawn = exact.sample(X, 2000, random_state=0)
    assert drawn.shape == (3, 2000)
    assert_allclose(drawn, exact.sample(X, 2000, random_state=0))
    both = pair.sample(X, 2000, random_state=1)
    assert both.shape == (3, 2000, 2)
    assert (both[..., 1] > 0).all()
    for row in range(3):
        p = exact.predict_distribution(X)[row]
        assert stats.kstest(drawn[row], lambda v, p=p: p.cdf(v[None])[0]).pvalue > 1e-4
        p = pair.predict_distribution(X, "v")[row]
        assert stats.kstest(both[row, :, 1], lambda v, p=p: p.cdf(v[None])[0]).pvalue > 1e-4
    logs = np.column_stack([both[0, :, 0], np.log(both[0, :, 1])])
    assert np.corrcoef(logs.T)[0, 1] > 0.3  # targets of a row are drawn together


def test_intervals_quantiles_and_regions(exact: ConditionalMixture, lines: Any) -> None:
    X = lines[0][:8]
    p = exact.predict_distribution(X)
    low, high = exact.predict_interval(X, coverage=0.8).T
    assert_allclose(p.cdf(high) - p.cdf(low), 0.8, atol=1e-9)
    assert_allclose(p.cdf(exact.predict_quantiles(X, [0.05, 0.5])), [[0.05, 0.5]] * 8, atol=1e-9)
    for row, region in enumerate(exact.predict_region(X, coverage=0.8)):
        assert_allclose(np.diff(p[row].cdf(region.ravel()[None])[0])[::2].sum(), 0.8, atol=1e-6)


def test_responsibilities_are_bayes_rule_on_the_components(exact: ConditionalMixture, lines: Any) -> None:
    X, y = lines
    prior, posterior = exact.responsibilities(X), exact.responsibilities(X, y)
    assert prior.shape == posterior.shape == (N, len(exact.component_labels_))
    for r in (prior, posterior):
        assert_allclose(r.sum(axis=1), 1.0)
    assert_allclose(prior[:, :2].sum(axis=1), 0.5)  # every member counts alike
    p = exact.predict_distribution(X)
    heights = prior * stats.norm.pdf(y.to_numpy()[:, None], p.center + p.scale * p.means, p.scale * p.scales)
    assert_allclose(posterior, heights / heights.sum(axis=1, keepdims=True), atol=1e-9)


def test_columns_are_found_by_name_in_any_frame(exact: ConditionalMixture, lines: Any) -> None:
    X, y = lines
    expected = exact.score_samples(X, y)
    assert_allclose(exact.score_samples(X[["kind", "x"]].assign(more=1), y), expected)
    assert_allclose(exact.score_samples(pl.from_pandas(X), pl.Series("speed", y)), expected)
    assert_allclose(exact.score_samples({name: X[name].to_numpy() for name in X}, y.tolist()), expected)
    assert_allclose(exact.score_samples(X, pd.DataFrame({"other": y, "speed": y})), expected)


def test_same_seed_same_model_and_rows_of_weight_zero_are_inert(exact: ConditionalMixture, lines: Any) -> None:
    X, y = lines
    more = pd.concat([X, X[:20] + X[:20]]), pd.concat([y, y[:20] + 100])
    again = clone(exact).fit(*more, sample_weight=np.repeat([1.0, 0.0], [N, 20]))
    assert_allclose(again.score_samples(X, y), exact.score_samples(X, y))
    assert_allclose(pickle.loads(pickle.dumps(exact)).predict(X), exact.predict(X))


@pytest.mark.parametrize("factor", [1e9, 1e-9])
def test_other_units_shift_the_log_density_by_their_logarithm(
    exact: ConditionalMixture, lines: Any, factor: float
) -> None:
    X, y = lines
    scaled = clone(exact).fit(X, y * factor)
    assert_allclose(scaled.score_samples(X, y * factor) + np.log(factor), exact.score_samples(X, y), atol=1e-3)
    assert_allclose(scaled.predict(X) / factor, exact.predict(X), atol=1e-3)
    assert_allclose(scaled.members_[0]["figure"].value, exact.members_[0]["figure"].value, atol=1e-3)


def test_cross_validation_of_pipelines_with_every_score(lines: Any) -> None:
    X, y = lines[0][["x"]].to_numpy(), lines[1].to_numpy()
    steps = make_pipeline(StandardScaler(), ConditionalMixture(2, hidden_layer_sizes=(), preset="fast", random_state=0))
    for scoring in (None, tacit.log_density_scorer, tacit.crps_scorer, tacit.pinball_scorer(0.9)):
        scores = cross_val_score(steps, X, y, scoring=scoring, cv=2)
        assert np.isfinite(scores).all()
    search = GridSearchCV(steps, {"conditionalmixture__n_components": [2]}, cv=2).fit(X, y)
    assert_allclose(search.score(X, y), search.best_estimator_.score(X, y))


def test_weights_and_groups_are_routed(lines: Any) -> None:
    X, y = lines[0][["x"]].to_numpy(), lines[1].to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):
        model = ConditionalMixture(2, hidden_layer_sizes=(), preset="fast", random_state=0)
        model = model.set_fit_request(sample_weight=True, groups=True)
        steps = make_pipeline(
            StandardScaler().set_output(transform="pandas").set_fit_request(sample_weight=False), model
        )
        steps.fit(X, y, sample_weight=np.ones(N), groups=np.arange(N) // 8)
    assert steps[-1].feature_names_in_.tolist() == ["x0"]


def test_unfitted_use_is_said(lines: Any) -> None:
    with pytest.raises(NotFittedError):
        ConditionalMixture().predict(lines[0])
