"""What the approximation costs: gaps that add up to that of the bound, and bounds of the model's own rows."""

from __future__ import annotations

import numpy as np
import pytest

from tacit import VAE, DiscreteVAE
from tacit._errors import UsageError
from tacit.data.table import read_table
from tacit.workflow.latent_rows import encode_rows


def rows(n: int = 120) -> np.ndarray:
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(angle), 3 * np.sin(angle), random.normal(size=n)], axis=1) + 0.2


@pytest.fixture(scope="module")
def bent() -> VAE:
    return VAE(1, preset="fast", random_state=0).fit(rows())


@pytest.fixture(scope="module")
def category() -> DiscreteVAE:
    return DiscreteVAE(1, 3, gradient="enumeration", preset="fast", random_state=0).fit(rows())


def test_the_gaps_of_one_category_are_all_of_amortisation(category: DiscreteVAE) -> None:
    found, (log_p, bound, gap, *_) = category.cost(rows()), category.evaluate(rows())
    assert abs(found.approximation.value) < 1e-3  # a category is any distribution over the states
    np.testing.assert_allclose(found.amortisation.value, gap.value, atol=2e-3)
    np.testing.assert_allclose(found.log_likelihood.value, log_p.value, rtol=1e-6)
    np.testing.assert_allclose(found.bound.value, bound.value, rtol=1e-4)
    assert found.information.kind == "exact"
    assert 0 < found.information.value < np.log(3)


def test_the_gaps_of_a_normal_latent_add_up(bent: VAE) -> None:
    held = rows()[:40]
    found = bent.cost(held)
    whole = found.bound.value + found.amortisation.value + found.approximation.value
    np.testing.assert_allclose(found.log_likelihood.value, whole, rtol=1e-5)
    figures = {figure.name.split(",")[0]: figure for figure in bent.evaluate(held)}
    np.testing.assert_allclose(found.log_likelihood.value, figures["log-likelihood"].value, rtol=1e-9)
    noise = np.hypot(figures["ELBO"].monte_carlo_error or 0, found.bound.monte_carlo_error or 0)
    assert abs(found.bound.value - figures["ELBO"].value) < 4 * noise
    assert found.amortisation.value > 0 < found.approximation.value
    assert found.information.value <= figures["rate"].value + 4 * (found.information.monte_carlo_error or 0)
    assert bent.cost(held) == found


def test_rows_of_no_weight_cost_nothing_and_are_not_looked_at(bent: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    held = rows()[:24]
    alone = bent.cost(held[:12])
    monkeypatch.setattr("tacit.workflow.latent_cost.MOST_ROWS", 12)
    counted = bent.cost(held, sample_weight=np.repeat([1.0, 0.0], 12))
    for one, other in zip(counted, alone, strict=True):
        np.testing.assert_allclose(one.value, other.value, rtol=1e-4)
        assert one.n == other.n == 12


def test_of_many_rows_some_are_looked_at_by_group(bent: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tacit.workflow.latent_cost.MOST_ROWS", 20)
    found = bent.cost(rows(), groups=np.arange(120) // 60)
    assert all((one.n, one.n_groups) == (20, 2) for one in found)
    assert "at most 3.00" in found.information.note


def test_bounds_of_rows_of_the_model_hold_its_log_likelihood_between_them(bent: VAE) -> None:
    lower, upper, gap = bent.sandwich(300, random_state=1)
    assert (lower.kind, upper.kind) == ("lower bound", "upper bound")
    assert lower.value < upper.value
    np.testing.assert_allclose(gap.value, upper.value - lower.value, rtol=1e-6)
    drawn = bent.sample(4000, random_state=2)
    jacobian = sum(np.log(column.scale) for column in bent.schema_.columns)  # to the units of the model
    figure = bent.evaluate(drawn)[0]
    away = 4 * np.hypot(figure.standard_error or 0, lower.standard_error or 0)
    assert lower.value - away < figure.value + jacobian < upper.value + away


def test_bounds_hold_where_some_cells_of_a_drawn_row_are_not_seen() -> None:
    random = np.random.default_rng(0)
    there = random.random(200) < 0.5
    table = {
        "rain": np.where(there, np.exp(random.normal(size=200)), 0.0),
        "x": there + 0.3 * random.normal(size=200),
    }
    model = DiscreteVAE(1, 2, gradient="enumeration", preset="fast", types={"rain": "zero-inflated"}, random_state=0)
    lower, upper, _ = model.fit(table).sandwich(2000, random_state=1)
    schema = model.schema_
    drawn = encode_rows(schema, read_table(model.sample(6000, random_state=2)))
    exact = model.model_.log_prob(drawn) - drawn.log_jacobian
    away = 4 * np.hypot(exact.std() / np.sqrt(6000), upper.standard_error or 0)
    assert lower.value - away < exact.mean() < upper.value + away


def test_bounds_of_rows_given_covariates() -> None:
    random = np.random.default_rng(0)
    x, cause = random.normal(size=100), 3 * random.normal(size=100)
    y = np.stack([x + cause, x - cause], axis=1) + 0.1 * random.normal(size=(100, 2))
    model = VAE(1, preset="fast", max_iter=120, random_state=0).fit(y, covariates=x)
    lower, upper, _ = model.sandwich(covariates=x)
    assert lower.n == 100
    assert lower.value < upper.value
    found = model.cost(y[:10], covariates=x[:10])
    whole = found.bound.value + found.amortisation.value + found.approximation.value
    np.testing.assert_allclose(found.log_likelihood.value, whole, rtol=1e-5)


def test_no_rows_have_no_bounds(bent: VAE) -> None:
    with pytest.raises(UsageError, match="n_samples"):
        bent.sandwich(0)
