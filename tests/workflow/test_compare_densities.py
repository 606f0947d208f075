"""Densities of all columns side by side: the same rows, the same units, honest labels, and who is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tacit._errors import DataError, UsageError
from tacit.data.encode import Rows, encode
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.workflow.autoregressive_fit import fit_autoregressive
from tacit.workflow.autoregressive_start import obstacle
from tacit.workflow.compare_densities import DENSITIES, compare_densities, seconds
from tacit.workflow.fit_table import FittedTable, Job, fit_table
from tacit.workflow.latent_plan import Training

SHORT = Training(hidden_layer_sizes=(8,), max_epochs=15, learning_rate=0.01)


def chained(n: int = 300) -> tuple[Schema, Rows]:
    """Numbers, a positive column and a level, each following from the one before."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    y = 10 + 5 * x + rng.normal(size=n)
    mass = np.exp(0.3 * x + 0.1 * rng.normal(size=n))
    table = read_table({"x": x, "y": y, "mass": mass, "sort": np.where(y > 10, "a", "b").tolist()})
    schema = Schema.infer(table)
    return schema, encode(schema, table)


@pytest.fixture(scope="module")
def mixture() -> tuple[FittedTable, Rows]:
    schema, rows = chained()
    return fit_table(schema, rows, Job(ks=(2,), refit=False)), rows


def test_all_are_judged_on_the_same_rows_and_the_mixture_is_what_they_are_compared_to(
    mixture: tuple[FittedTable, Rows],
) -> None:
    fitted, rows = mixture
    found = compare_densities(fitted, rows, list(DENSITIES), training=SHORT)
    names = [figure.name for figure in found.figures]
    assert names[:3] == ["mixture of 2", "one Gaussian", "independent columns"]
    assert names[3:] == ["discrete VAE of 8 bits", "VAE of 2", "MADE, no latent"]
    assert {figure.n for figure in found.figures} == {60}
    assert len({figure.reference for figure in found.figures}) == 1
    kinds = {figure.name: figure.kind for figure in found.figures}
    assert {kinds[name] for name in names if name != "VAE of 2"} == {"exact"}
    assert "quadrature, largest error" in found.figures[names.index("VAE of 2")].note  # exact, if that is small
    for figure, gap in zip(found.figures[1:], found.differences, strict=True):
        assert gap.name == f"mixture of 2 - {figure.name}"
        assert gap.value == pytest.approx(found.figures[0].value - figure.value, rel=1e-6, abs=1e-9)
        assert gap.kind == ("exact" if figure.kind == "exact" else "estimate")
    assert set(found.left_out) == {"linear-gaussian"}


@pytest.mark.slow
def test_an_estimate_is_told_and_a_linear_model_chooses_its_size_without_the_held_out_rows() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(400, 2))
    X = z @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(400, 6))
    table = read_table({f"x{j}": X[:, j] for j in range(6)})
    schema = Schema.infer(table)
    rows = encode(schema, table)
    fitted = fit_table(schema, rows, Job(ks=(1,), refit=False))
    found = compare_densities(fitted, rows, ["vae", "linear-gaussian"], training=SHORT)
    estimate = found.figures[-2]  # more than two normal latents: importance weights
    assert (estimate.kind, found.differences[-2].kind) == ("estimate", "estimate")
    assert estimate.monte_carlo_error is not None
    assert estimate.monte_carlo_error > 0
    assert estimate.bias is not None
    assert found.figures[-1].name in [f"linear-Gaussian of {m}" for m in (2, 3, 5)]
    assert abs(found.differences[-1].value) < 0.1  # one Gaussian is as good
    spoiled = rows.y.copy()
    spoiled[fitted.heldout] = 0.0
    again = compare_densities(fitted, Rows(spoiled, rows.log_jacobian, rows.weight), ["linear-gaussian"])
    assert again.figures[-1].name == found.figures[-1].name


@pytest.mark.slow
def test_an_autoregressive_density_finds_what_depends_on_what() -> None:
    schema, rows = chained()
    training = Training(hidden_layer_sizes=(16,), max_epochs=60, learning_rate=0.01)
    model = fit_autoregressive(schema, rows.take(np.arange(240)), training)
    held = rows.take(np.arange(240, 300))
    independent = fit_table(schema, rows.take(np.arange(240)), Job(ks=(1,), holdout=0.2, refit=False))
    plain = next(figure for figure in independent.figures if figure.name == "independent columns")
    assert model.log_prob(held).mean() > plain.value + 1.0
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(model.log_prob(held.take(order)), model.log_prob(held)[order], rtol=1e-5)


def test_who_cannot_be_compared_is_said(mixture: tuple[FittedTable, Rows]) -> None:
    fitted, rows = mixture
    holes = rows.y.copy()
    holes[fitted.train[0], 0] = np.nan
    holed = Rows(holes, rows.log_jacobian, rows.weight)
    found = compare_densities(fitted, holed, ["made", "linear-gaussian"])
    assert found.left_out["made"] == "some cells are missing"
    assert len(found.figures) == 3
    with pytest.raises(DataError, match="missing"):
        fit_autoregressive(fitted.model.schema, holed, SHORT)
    with pytest.raises(UsageError, match="no density"):
        compare_densities(fitted, rows, ["no-such"])
    rain = Schema.infer(read_table({"rain": [0.0, 1.5, 0.0, 2.5] * 9, "x": [0.1 * i for i in range(36)]}),
                        types={"rain": "zero-inflated"})  # fmt: skip
    assert "zeros" in str(obstacle(rain, rows.y))


def test_the_time_that_is_announced_grows_with_the_densities() -> None:
    schema, rows = chained()
    times: list[Any] = [seconds(schema, len(rows), names) for names in ([], ["made"], ["made", "vae"])]
    assert times[0] == 0
    assert times[2] == pytest.approx(2 * times[1])
