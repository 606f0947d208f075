"""The records that pictures of deep models are drawn from: figures against other ways to them, counts, no rows."""

from __future__ import annotations

import json
from typing import Any

import jax
import numpy as np
import pytest

from tacit.data.schema import Schema
from tacit.data.table import Table, read_table
from tacit.gradients import LeaveOneOut, Pathwise
from tacit.models import AbstractLatent, BernoulliLatent, NormalLatent
from tacit.objectives import ELBO
from tacit.workflow.latent_fit import FittedLatent, fit_latent
from tacit.workflow.latent_pictures import bound_curve, code_means, picture_record, plane, walk
from tacit.workflow.latent_plan import LatentPlan, Training
from tacit.workflow.latent_points import best_columns
from tacit.workflow.latent_rows import encode_rows

N = 240
TRAINING = Training(hidden_layer_sizes=(8,), max_epochs=150, learning_rate=0.01)


def circle() -> Table:
    """Points near a circle, a positive column and a sort that follow the angle, and a label that is not modelled."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, N)
    noise = 0.1 * rng.normal(size=(3, N))
    return read_table(
        {
            "x": np.cos(angle) + noise[0],
            "y": np.sin(angle) + noise[1],
            "mass": np.exp(np.cos(angle) + noise[2]),
            "sort": [("north", "south")[int(a > np.pi)] for a in angle],
            "side": [("east", "west")[int(np.cos(a) < 0)] for a in angle],
        }
    )


def fit(latent: AbstractLatent, gradient: Any, table: Table) -> tuple[FittedLatent, Any]:
    schema = Schema.infer(table, types={"mass": "positive"}, ids=["side"])
    rows = encode_rows(schema, table)
    plan = LatentPlan(latent, "vae", ELBO(), gradient, 2, training=TRAINING)
    return fit_latent(schema, rows, plan, holdout=0.25, seed=0), rows


@pytest.fixture(scope="module")
def normal() -> tuple[FittedLatent, Any]:
    return fit(NormalLatent(3), Pathwise(), circle())


@pytest.fixture(scope="module")
def record(normal: tuple[FittedLatent, Any]) -> dict[str, Any]:
    return picture_record(*normal, circle())


def test_bounds_rise_with_their_draws_to_the_best_figure(
    record: dict[str, Any], normal: tuple[FittedLatent, Any]
) -> None:
    told = record["bound_curve"]
    fitted, rows = normal
    judged = (fitted.judged or fitted.model).log_likelihood(rows.take(fitted.heldout))
    assert told["best"]["value"] == pytest.approx(judged.result.value)
    points = told["points"]
    assert [point["draws"] for point in points] == [1, 64, 128, 256]
    assert {point["kind"] for point in points} == {"lower bound"}
    values = [point["value"] for point in points]
    assert values == sorted(values)
    assert told["best"]["kind"] == "estimate"
    assert abs(told["best"]["value"] - values[-1]) < 0.1
    assert told["rows"] == points[0]["n"] == N // 4


def test_the_best_of_two_normal_latents_is_an_integral() -> None:
    fitted, rows = fit(NormalLatent(2), Pathwise(), circle())
    model, held = fitted.judged or fitted.model, rows.take(fitted.heldout)
    told = bound_curve(model, held)
    assert told["method"] == "quadrature"
    assert told["best"]["value"] == pytest.approx(model.log_likelihood(held).result.value)
    assert told["best"]["value"] != pytest.approx(model.weighted(held).jackknife.mean() + held.log_jacobian.mean())


def test_bounds_of_a_latent_that_can_be_listed_approach_the_exact_figure() -> None:
    fitted, rows = fit(BernoulliLatent(2), LeaveOneOut(), circle())
    told = bound_curve(fitted.judged or fitted.model, rows.take(fitted.heldout))
    best, points = told["best"], told["points"]
    assert best["kind"] == "exact"
    assert best["value"] == pytest.approx(np.mean((fitted.judged or fitted.model).log_prob(rows.take(fitted.heldout))))
    assert points[0]["value"] < best["value"]
    last = points[-1]
    assert abs(last["value"] - last["bias"] - best["value"]) < 5 * last["monte_carlo_error"] + 1e-3
    assert "plane" not in picture_record(fitted, rows, circle())


def test_the_plane_counts_codes_and_is_coloured_by_the_label_that_took_no_part(
    record: dict[str, Any], normal: tuple[FittedLatent, Any]
) -> None:
    fitted, rows = normal
    told = record["plane"]
    assert told["column"] == "side"
    assert told["levels"] == ["east", "west"]
    assert 0.3 < told["explained"] <= 1.0
    means = code_means(fitted.model, rows)
    order = np.argsort(-means.var(axis=0))[:2]
    assert told["latents"] == [j + 1 for j in order]
    counts, _, _ = np.histogram2d(means[:, order[1]], means[:, order[0]], [told["edges"][1], told["edges"][0]])
    assert np.array_equal(told["counts"], counts)
    assert np.sum(counts) >= 0.97 * N


def test_what_comes_back_is_told_with_its_share_of_variance(
    record: dict[str, Any], normal: tuple[FittedLatent, Any]
) -> None:
    fitted, rows = normal
    told = {one["column"]: one for one in record["returned"]}
    assert set(told) == {"x", "y", "mass"}
    back = best_columns(fitted.model.schema, fitted.model.moments(code_means(fitted.model, rows)))
    held = fitted.model.decode(rows.y)
    assert told["x"]["explained"] == pytest.approx(1 - np.mean((held["x"] - back["x"]) ** 2) / np.var(held["x"]))
    logs = np.log(held["mass"]), np.log(back["mass"])
    assert told["mass"]["explained"] == pytest.approx(1 - np.mean((logs[0] - logs[1]) ** 2) / np.var(logs[0]))
    assert np.sum(told["x"]["counts"]) == N


def test_a_walk_goes_through_the_decoder_at_quantiles_of_the_prior(normal: tuple[FittedLatent, Any]) -> None:
    model = normal[0].model
    places, decoded = walk(model, [2, 0], 5)
    assert len(decoded["x"]) == 25
    np.testing.assert_allclose(places[0], [-1.2816, -0.5244, 0.0, 0.5244, 1.2816], atol=0.06)
    z = np.array([[places[1][4], 0.0, places[0][1]]])  # the second place of latent 3, the last of latent 1
    there = best_columns(model.schema, model.moments(z))
    assert decoded["x"][4 * 5 + 1] == pytest.approx(there["x"][0], abs=0.05)
    assert decoded["sort"].shape == (25,)


def test_a_plane_takes_the_column_that_it_tells_most_of_and_means_of_numbers() -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(600, 2))
    told = plane(codes, {"noise": rng.normal(size=600), "sum": codes.sum(axis=1), "holes": np.full(600, np.nan)})
    assert (told["column"], told["kind"]) == ("sum", "number")
    assert told["explained"] > 0.9
    edges, values = told["edges"], told["values"]
    up, across = np.argwhere(np.asarray(told["counts"]) > 3)[0]
    inside = np.all(
        [(codes[:, j] >= edges[j][p]) & (codes[:, j] < edges[j][p + 1]) for j, p in ((0, across), (1, up))], axis=0
    )
    assert values[up, across] == pytest.approx(codes[inside].sum(axis=1).mean())
    assert abs(plane(codes, {"noise": rng.normal(size=600)})["explained"]) < 0.1


def test_no_cell_of_the_table_is_in_the_record(record: dict[str, Any]) -> None:
    text = json.dumps(record)
    cells = {str(v) for name in ("x", "y", "mass") for v in circle().numbers(name)}
    assert len(cells) > 600
    assert not any(cell in text for cell in cells)


def test_draws_of_the_bounds_are_the_same_at_every_call(normal: tuple[FittedLatent, Any]) -> None:
    fitted, rows = normal
    part = rows.take(np.arange(40))
    first, second = (bound_curve(fitted.model, part)["best"]["value"] for _ in range(2))
    assert first == second
    assert jax.config.jax_enable_x64 is False
