"""Latents and procedures of the conditional mixture: the four numbers, the gap, regressions, kinds of targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from tacit import ConditionalMixture
from tacit._errors import UsageError
from tacit.data.table import read_table
from tacit.workflow.conditional_figures import BOUND, DISCRETISED, RELAXED, TRAINED_EXACTLY

N = 160


def test_a_relaxed_mixture_tells_four_numbers(concrete: ConditionalMixture, lines: Any) -> None:
    figures = {figure.name: figure for figure in concrete.evaluate(*lines)}
    assert list(figures) == [BOUND, RELAXED, DISCRETISED, TRAINED_EXACTLY]
    assert [figure.kind for figure in figures.values()] == ["lower bound", "exact", "exact", "exact"]
    assert figures[BOUND].monte_carlo_error > 0
    assert_allclose(figures[RELAXED].value, concrete.score(*lines))
    assert figures[DISCRETISED].value != pytest.approx(figures[RELAXED].value, abs=1e-4)


def test_the_bound_is_below_the_exact_marginal_and_importance_sampling_meets_it(
    concrete: ConditionalMixture, lines: Any
) -> None:
    X, y = lines
    model = concrete.model_
    x, rows = model.covariates.encode(read_table(X)).x, model.encode(read_table({"speed": y}))
    exact = model.log_prob(x, rows)
    estimate, error, bias, bound, noise = model.estimates(x, rows)
    assert np.all(bound <= exact + 5 * noise)
    assert np.mean(exact - bound) > 0.01
    assert np.mean(np.abs(estimate - exact) <= 5 * error + np.abs(bias) + 1e-4) > 0.98
    total = np.sqrt(np.sum(error**2)) / N
    assert abs(np.mean(estimate - exact)) <= 5 * total + abs(np.mean(bias)) + 1e-4


def test_a_relaxation_without_a_closed_marginal_is_an_estimate(lines: Any, tiny: dict[str, Any]) -> None:
    settings = {**tiny, "n_members": 1, "max_iter": 10}
    moments = ConditionalMixture(**settings, latent="concrete", relaxation="moments", anneal=(2.0,)).fit(*lines)
    bound, relaxed, discretised = moments.evaluate(*lines)
    assert [relaxed.kind, discretised.kind] == ["estimate", "exact"]
    assert relaxed.monte_carlo_error > 0
    assert abs(relaxed.bias) < relaxed.monte_carlo_error  # what the jackknife leaves
    assert bound.value < relaxed.value
    assert "compare_exact=True" in discretised.note
    assert moments.component_labels_ == []
    assert_allclose(moments.score_samples(*lines), moments.score_samples(*lines), rtol=0)  # the same at every call
    with pytest.raises(UsageError, match="blended"):
        moments.responsibilities(lines[0])


def test_density_bound_and_divergence_add_up(amortised: ConditionalMixture, lines: Any) -> None:
    density, bound, divergence = amortised.gap(*lines)
    assert_allclose(density.value, bound.value + divergence.value, atol=1e-9)
    assert divergence.value > 1e-4
    assert amortised.score(*lines) >= density.value  # of the mixture of members, by Jensen's inequality
    assert [density.kind, bound.kind, divergence.kind] == ["exact", "lower bound", "exact"]


def test_there_is_no_gap_where_the_latent_is_summed_out(exact: ConditionalMixture, lines: Any) -> None:
    with pytest.raises(UsageError, match="no approximate posterior"):
        exact.gap(*lines)


def test_regressions_by_em_answer_the_same_questions(lines: Any) -> None:
    X, y = lines[0][["x"]], lines[1] - 0.5 * (lines[0]["kind"] == "b")
    model = ConditionalMixture(2, inference="em", random_state=0).fit(X, y)
    grid = np.linspace(-3, 3, 6001)
    p = model.predict_distribution(X[:4])
    assert_allclose(np.trapezoid(np.exp(p.log_prob(grid[None])), grid, axis=1), 1.0, atol=1e-4)
    means = np.sort(model.predict_distribution({"x": [0.8]}).means[0]) * p.scale + p.center
    assert_allclose(means, [-0.8, 0.8], atol=0.08)
    assert model.verdict_ == "converged"
    assert model.component_labels_ == ["member 0, component 0", "member 0, component 1"]
    truth = 0.5 * sum(stats.norm.pdf(y, sign * X["x"], 0.1) for sign in (-1, 1))
    assert model.score(X, y) == pytest.approx(np.mean(np.log(truth)), abs=0.05)


def test_one_component_by_em_is_least_squares(lines: Any) -> None:
    X, y = lines[0][["x"]], lines[1]
    model = ConditionalMixture(1, inference="em", scale_floor=1e-4, random_state=0).fit(X, y)
    design = np.column_stack([np.ones(N), X["x"]])
    beta, residual = np.linalg.lstsq(design, y, rcond=None)[:2]
    assert_allclose(model.predict(X), design @ beta, atol=1e-5)
    expected = stats.norm.logpdf(y, design @ beta, np.sqrt(residual[0] / N))
    assert_allclose(model.score_samples(X, y), expected, atol=1e-4)


def test_several_targets_by_em(targets: Any) -> None:
    X, Y = targets
    model = ConditionalMixture(1, inference="em", types={"v": "positive"}, random_state=0).fit(X, Y)
    design = np.column_stack([np.ones(N), X["x"], X["kind"] == "b"])
    logs = np.column_stack([Y["u"], np.log(Y["v"])])
    residuals = logs - design @ np.linalg.lstsq(design, logs, rcond=None)[0]
    expected = stats.multivariate_normal(np.zeros(2), residuals.T @ residuals / N).logpdf(residuals) - logs[:, 1]
    assert_allclose(model.score_samples(X, Y), expected, atol=2e-3)  # the floor of the scales is in it


KINDS = {
    "count": lambda random, x: random.poisson(np.exp(1 + x)),
    "binary": lambda random, x: random.random(len(x)) < 1 / (1 + np.exp(-3 * x)),
    "categorical": lambda random, x: np.array(["low", "mid", "top"])[
        np.digitize(x + 0.3 * random.normal(size=N), [-0.3, 0.3])
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_targets_that_are_no_real_numbers_have_their_family(kind: str, lines: Any, tiny: dict[str, Any]) -> None:
    X = lines[0][["x"]]
    y = KINDS[kind](np.random.default_rng(0), X["x"].to_numpy())
    model = ConditionalMixture(**{**tiny, "n_members": 1, "max_iter": 20}, types={"y": kind}).fit(X, y)
    assert model.model_.schema["y"].kind == kind
    values = np.unique(y) if kind != "count" else np.arange(60)
    each = np.stack([model.score_samples(X[:5], np.full(5, value)) for value in values])
    assert_allclose(np.exp(each).sum(axis=0), 1.0, atol=1e-6)
    assert_allclose(model.score_samples(X, y), model.predict_distribution(X).log_prob(y), atol=1e-9)
    assert model.predict(X).dtype.kind == np.asarray(y).dtype.kind
    drawn = model.sample(X[:1], 4000, random_state=0)[0]
    shares = np.array([np.mean(drawn == value) for value in values])
    assert_allclose(shares, np.exp(each[:, 0]), atol=5 * 0.5 / np.sqrt(4000))
    frequencies = np.unique(y, return_counts=True)[1] / N
    baseline = frequencies @ np.log(frequencies) if kind != "count" else stats.poisson(y.mean()).logpmf(y).mean()
    assert model.score(X, y) > baseline + 0.05


def test_a_rounded_target_has_the_density_of_its_cells(lines: Any, tiny: dict[str, Any]) -> None:
    X, y = lines[0][["x"]], np.round(lines[1] * 10) / 10
    model = ConditionalMixture(**{**tiny, "n_members": 1}, dequantise=True).fit(X, y)
    assert model.model_.cell == pytest.approx(0.1)
    assert any(finding.code == "dequantised" for finding in model.findings_)
    p = model.predict_distribution(X)
    expected = np.log((p.cdf(y + 0.05) - p.cdf(y - 0.05)) / 0.1)
    assert_allclose(model.score_samples(X, y), expected, atol=1e-6)
    cells = 0.1 * np.arange(-60, 61)
    masses = [np.exp(model.score_samples(X[:1], [value]))[0] * 0.1 for value in cells]
    assert_allclose(np.sum(masses), 1.0, atol=1e-6)
    (figure,) = model.evaluate(X, y)
    plain = model.model_.schema.reference()
    assert figure.reference != plain  # not to be compared with densities
