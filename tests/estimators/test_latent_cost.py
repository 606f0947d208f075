"""What the approximation costs: gaps that add up to that of the bound, and bounds of the model's own rows."""

from __future__ import annotations

import numpy as np
import pytest

from tacit import VAE, DiscreteVAE
from tacit._errors import UsageError


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
    amortisation, approximation, information = category.cost(rows())
    gap = category.evaluate(rows())[2]
    assert abs(approximation.value) < 1e-3  # a category is any distribution over the states
    np.testing.assert_allclose(amortisation.value, gap.value, atol=2e-3)
    assert information.kind == "exact"
    assert 0 < information.value < np.log(3)


def test_the_gaps_of_a_normal_latent_add_up(bent: VAE) -> None:
    held = rows()[:40]
    amortisation, approximation, information = bent.cost(held)
    figures = {figure.name.split(",")[0]: figure for figure in bent.evaluate(held)}
    noise = np.hypot(figures["gap"].monte_carlo_error or 0, approximation.monte_carlo_error or 0)
    assert abs(amortisation.value + approximation.value - figures["gap"].value) < 4 * noise + 1e-3
    assert amortisation.value > 0 < approximation.value
    assert information.value <= figures["rate"].value + 4 * (information.monte_carlo_error or 0)
    again = bent.cost(held)
    assert again[0] == amortisation


def test_a_row_of_no_weight_costs_nothing(bent: VAE) -> None:
    held = rows()[:24]
    weight = np.repeat([1.0, 0.0], 12)
    counted, alone = bent.cost(held, sample_weight=weight), bent.cost(held[:12])
    np.testing.assert_allclose(counted[0].value, alone[0].value, rtol=1e-4)


def test_of_many_rows_some_are_looked_at(bent: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tacit.workflow.latent_cost.MOST_ROWS", 20)
    assert bent.cost(rows(), groups=np.arange(120))[0].n == 20


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


def test_no_rows_have_no_bounds(bent: VAE) -> None:
    with pytest.raises(UsageError, match="n_samples"):
        bent.sandwich(0)
