"""DiscreteVAE with columns one after the other given the code: a density that sums to one, draws of it, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import pandas as pd
import pytest

import tacit
from tacit import DataError, DiscreteVAE, ModelFileError, UsageError
from tacit.data.schema import Schema
from tacit.workflow.latent_file import save_latent

D = 6
SETTINGS: dict[str, Any] = {"decoder": "autoregressive", "hidden_layer_sizes": (16,), "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::tacit._errors.TacitWarning", "ignore:training ended while")


def bits(n: int = 400) -> np.ndarray:
    """0/1 columns of which the fourth is the exclusive or of two others, which no code of two states tells."""
    random = np.random.default_rng(0)
    rows = random.integers(0, 2, (n, D))
    rows[:, 3] = rows[:, 1] ^ rows[:, 2]
    return rows


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return bits()


@pytest.fixture(scope="module")
def ordered(rows: np.ndarray) -> DiscreteVAE:
    return DiscreteVAE(2, 3, max_iter=150, learning_rate=0.01, **SETTINGS).fit(rows)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(1)
    kind = random.choice(list("abc"), 300)
    size = np.where(kind == "a", random.choice([-2.0, 2.0], 300), 0.0) + 0.2 * random.normal(size=300)
    return pd.DataFrame({"size": size, "hits": random.poisson(np.where(kind == "b", 8.0, 1.0)), "kind": kind})


@pytest.fixture(scope="module")
def kinds(table: pd.DataFrame) -> DiscreteVAE:
    return DiscreteVAE(1, max_iter=60, learning_rate=0.01, **SETTINGS).fit(table)


def test_the_density_sums_to_one_and_finds_what_independent_columns_cannot(
    ordered: DiscreteVAE, rows: np.ndarray
) -> None:
    states = np.array(list(itertools.product((0, 1), repeat=D)))
    density = np.exp(ordered.score_samples(states))
    assert density.sum() == pytest.approx(1.0, abs=1e-9)
    odd = states[:, 3] != states[:, 1] ^ states[:, 2]
    assert density[odd].sum() < 0.1
    assert ordered.score(rows) > -0.88 * D * np.log(2)  # five free columns: 5/6 of it; of independent ones it is all
    worth = {figure.name: figure for figure in ordered.evaluate(rows)}
    assert worth["log-likelihood"].kind == "exact"
    gap = worth["log-likelihood"].value - worth["ELBO"].value
    assert gap == pytest.approx(worth["gap, KL(q || p(z | y))"].value, abs=1e-9)
    assert gap >= 0


def test_many_codes_give_an_estimate_that_agrees_with_the_listed_density(rows: np.ndarray) -> None:
    model = DiscreteVAE(3, max_iter=10, **SETTINGS).fit(rows)
    drawn = model.model_.weighted(model._rows(rows[:50]), 4000)
    assert drawn.jackknife == pytest.approx(model.score_samples(rows[:50]), abs=5 * drawn.error.max() + 1e-4)


def test_draws_have_the_density(ordered: DiscreteVAE) -> None:
    n = 4000
    states = np.array(list(itertools.product((0, 1), repeat=D)))
    drawn = ordered.sample(n, random_state=0) @ (1 << np.arange(D)[::-1])
    shares = np.bincount(drawn, minlength=2**D) / n
    density = np.exp(ordered.score_samples(states))
    assert np.all(np.abs(shares - density) < 5 * np.sqrt(density / n) + 1e-3)


def test_columns_of_several_kinds(kinds: DiscreteVAE, table: pd.DataFrame, tmp_path: Path) -> None:
    grid = np.linspace(-8, 8, 4001)
    total = 0.0
    for hits, kind in itertools.product(range(40), "abc"):
        part = pd.DataFrame({"size": grid, "hits": hits, "kind": kind})
        total += np.trapezoid(np.exp(kinds.score_samples(part)), grid)
    assert total == pytest.approx(1.0, abs=1e-3)
    assert list(kinds.sample(5, random_state=0)) == list(table)
    kinds.save(tmp_path / "kinds.tacit")
    again = tacit.load(tmp_path / "kinds.tacit")
    assert again.decoder == "autoregressive"
    assert np.array_equal(again.score_samples(table), kinds.score_samples(table))


def test_a_file_whose_columns_are_not_those_of_the_schema_is_refused(kinds: DiscreteVAE, tmp_path: Path) -> None:
    fewer = replace(kinds.model_, schema=Schema(kinds.schema_.columns[:-1]))
    columns = kinds.model_.model.likelihood.columns
    forged = eqx.tree_at(lambda m: m.likelihood.columns.floor.value, kinds.model_.model, -columns.floor.value)
    for name, model in {"fewer": fewer, "forged": replace(kinds.model_, model=forged)}.items():
        save_latent(model, kinds.record_, tmp_path / f"{name}.tacit")
        with pytest.raises(ModelFileError, match="do not fit together"):
            tacit.load(tmp_path / f"{name}.tacit")


ASKED: dict[str, Callable[[DiscreteVAE, np.ndarray], Any]] = {
    "one column": lambda model, rows: model.predict(rows, target="x1"),
    "filling": lambda model, rows: model.impute(np.where(np.eye(len(rows), D) > 0, np.nan, rows)),
    "decoding": lambda model, rows: model.reconstruct(rows),
    "given cells": lambda model, rows: model.condition({"x1": 1}).sample(2),
    "odd rows": lambda model, rows: model.anomalies(rows),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_needs_independent_columns_is_refused_in_words(what: str, ordered: DiscreteVAE, rows: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"one after the other.*decoder='independent'"):
        ASKED[what](ordered, rows[:20])


def test_rows_with_holes_are_refused_with_their_place(ordered: DiscreteVAE, rows: np.ndarray) -> None:
    holed = rows[:20].astype(float)
    holed[3, 2] = np.nan
    for ask in (ordered.score_samples, ordered.transform, ordered.evaluate, ordered.cost):
        with pytest.raises(DataError, match=r"row 4.*none can be left out"):
            ask(holed)
    assert np.array_equal(ordered.impute(rows[:20]), rows[:20])  # nothing to fill


def test_codes_that_would_take_long_to_list_are_drawn(rows: np.ndarray) -> None:
    model = DiscreteVAE(11, max_iter=2, **SETTINGS).fit(rows[:100])
    assert model.evaluate(rows[:30])[0].kind == "estimate"


def test_no_real_column_is_narrower_than_its_floor(table: pd.DataFrame) -> None:
    model = DiscreteVAE(1, scale_floor=0.3, max_iter=60, learning_rate=0.01, **SETTINGS).fit(table[["size"]])
    scale = model.schema_["size"].scale
    assert model.score_samples(table[["size"]]).max() <= -np.log(0.3 * scale * np.sqrt(2 * np.pi)) + 1e-6


def test_settings_and_rows_that_make_no_sense(rows: np.ndarray) -> None:
    with pytest.raises(UsageError, match="scale"):
        DiscreteVAE(scale="floored", **SETTINGS).fit(rows)
    with pytest.raises(UsageError, match="masked dense network"):
        DiscreteVAE(network="patches", image=(2, 3), **SETTINGS).fit(rows)
    with pytest.raises(DataError, match="grey levels"):
        DiscreteVAE(likelihood="bernoulli", **SETTINGS).fit(np.random.default_rng(0).random((50, 3)))
    with pytest.raises(DataError, match="5,250 numbers"):
        DiscreteVAE(likelihood="gaussian", **SETTINGS).fit(np.random.default_rng(0).normal(size=(20, 350)))
    with pytest.raises(DataError, match=r"row 1: some cells are missing"):
        DiscreteVAE(**SETTINGS).fit(np.where(np.eye(len(rows), D) > 0, np.nan, rows))
