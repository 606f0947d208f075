"""Positive targets: without limits a component of tiny weight makes mean and CRPS absurd; with them it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tacit import ConditionalMixture
from tacit._errors import TacitWarning
from tacit.data.column import Column
from tacit.data.schema import Schema
from tacit.workflow import conditional_fit
from tacit.workflow.conditional_soundness import is_sound
from tacit.workflow.conditional_targets import FREE, REACH, limits


def exponential(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A target over four orders of magnitude, nearly determined by x, that gets noisy in a fifth of the rows."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 1, (n, 2))
    noise = 0.05 * (1 + 5 * (x[:, 1] > 0.8)) * random.normal(size=n)
    return x, np.exp(8 * x[:, 0] - 4 + noise)


def fitted(**settings: Any) -> ConditionalMixture:
    model = ConditionalMixture(
        3, search=None, n_members=2, hidden_layer_sizes=(16, 16), max_iter=400, random_state=2, **settings
    )
    return model.fit(*exponential(2, 60))


@pytest.fixture(scope="module")
def model() -> ConditionalMixture:
    return fitted()


NEW, SEEN = exponential(102, 400)


def test_mean_and_crps_are_sane_on_new_rows(model: ConditionalMixture) -> None:
    p = model.predict_distribution(NEW)
    assert p.mean().max() < 10 * SEEN.max()
    assert p.crps(SEEN).mean() < 0.1 * SEEN.mean()
    spread = np.log(exponential(2, 60)[1]).std()
    assert_allclose(model.scale_ceiling_, [spread], rtol=1e-5)  # above 1, so the target's own
    assert (p.scales * p.scale).max() <= spread * (1 + 1e-6)


def test_they_are_absurd_without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditional_fit, "limits", lambda schema, y: (np.full(1, 1e4), np.full(1, FREE)))
    p = fitted().predict_distribution(NEW)
    assert p.mean().max() > 1e6 * SEEN.max()
    assert p.crps(SEEN).mean() > 1e3 * SEEN.mean()


def test_the_mean_far_outside_the_training_range_is_finite(model: ConditionalMixture) -> None:
    far = np.array([[1e6, 0.5], [-1e6, 0.5], [1e15, -1e15], [1e300, 0.5]])
    with pytest.warns(TacitWarning, match="outside the range"):
        p = model.predict_distribution(far)
    mean, largest = p.mean(), exponential(2, 60)[1].max()
    # three s.d. or a factor e^7 beyond the training values, then a log-normal's half variance
    assert np.all(mean < largest * np.exp(7 + 0.5 * model.scale_ceiling_[0] ** 2 + 8))
    assert np.all(np.isfinite(p.std()))
    assert np.all(np.isfinite(p.crps(1.0)))


def column(kind: str, scale: float) -> Column:
    return Column(name=kind + str(scale), kind=kind, scale=scale)  # type: ignore[arg-type]


def test_limits_by_kind_and_spread() -> None:
    schema = Schema((column("real", 5.0), column("positive", 2.0), column("positive", 0.25), column("positive", 1e-3)))
    ceiling, reach = limits(schema, np.array([[1.0, 2.0, -2.0, 0.5], [-4.0, -1.0, 1.0, 0.0]]))
    assert_allclose(ceiling, [REACH, 1.0, 4.0, REACH])
    assert_allclose(reach, [FREE, 2.0 + 3.5, 2.0 + 28.0, 0.5 + 7000.0])


def test_a_file_whose_ceiling_is_below_its_floor_is_not_sound(model: ConditionalMixture) -> None:
    table = model.model_
    assert is_sound(table)
    family = table.members.likelihood.components.family
    family.ceiling.value[:] = 0.5 * family.floor.value
    assert not is_sound(table)
