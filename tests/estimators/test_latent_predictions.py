"""Deep models asked for any column given others, and for odd rows; runaway training; settings that come back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import tacit
from tacit import VAE, DiscreteVAE
from tacit._errors import FitError, TacitWarning, UsageError

N = 200
FAST: dict[str, Any] = {"preset": "fast", "random_state": 0, "max_iter": 60}


def frame(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Two groups of rows; length and hits are known from the group but for noise."""
    random = np.random.default_rng(seed)
    high = random.random(n) < 0.5
    return pd.DataFrame(
        {
            "length": 5 + 4 * high + 0.5 * random.normal(size=n),
            "mass": np.exp(0.8 * high + 0.2 * random.normal(size=n)),
            "hits": random.poisson(2 + 8 * high),
            "kind": np.where(random.random(n) < 0.1, "c", np.where(high, "b", "a")),
        }
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    found = frame(40, seed=7)
    found.loc[::3, "length"] = np.nan
    found.loc[::4, "kind"] = None
    found.loc[::5, "mass"] = np.nan
    found["hits"] = found["hits"].astype(object)
    found.loc[1::5, "hits"] = None
    found.loc[39] = [np.nan, np.nan, np.nan, None]
    return found


@pytest.fixture(scope="module")
def listed() -> DiscreteVAE:
    settings: dict[str, Any] = {"gradient": "enumeration", "types": {"hits": "count", "mass": "positive"}, **FAST}
    return DiscreteVAE(1, 3, **settings).fit(frame())


@pytest.fixture(scope="module")
def drawn() -> VAE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        return VAE(3, types={"hits": "count", "mass": "positive"}, **FAST).fit(frame())


@pytest.mark.parametrize("which", ["listed", "drawn"])
def test_any_column_given_any_others(which: str, rows: pd.DataFrame, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(which)
    for name in rows:
        found = model.predict_distribution(rows, name)
        assert found.kind == ("exact" if which == "listed" else "estimate")
        assert ("monte_carlo_error" in found.to_frame()) == (which == "drawn")
        assert len(found) == 40
    quantiles = model.predict_quantiles(rows, "length", [0.1, 0.5, 0.9])
    assert np.all(np.diff(quantiles, axis=1) > 0)
    np.testing.assert_array_equal(quantiles, model.predict_quantiles(rows, "length", [0.1, 0.5, 0.9]))
    np.testing.assert_allclose(model.predict_interval(rows, "length", 0.8), quantiles[:, [0, 2]])
    with pytest.raises(UsageError, match="levels"):
        model.predict_quantiles(rows, "kind")
    truth = frame(40, seed=7)["length"].to_numpy()[:39]
    best = model.predict(rows, "length")
    assert np.mean((best[:39] - truth) ** 2) < 0.5 * truth.var()
    whole = model.impute(rows)
    for name in rows:
        missing = rows[name].isna().to_numpy()
        asked = model.predict(rows, name)[missing]
        if name == "kind":
            assert whole[name][missing].tolist() == asked.tolist()
        else:
            np.testing.assert_allclose(whole[name][missing].astype(float), asked, rtol=1e-4)


def test_a_row_far_off_spoils_no_other(drawn: VAE, rows: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        usual, whole = {name: drawn.predict(rows, name) for name in rows}, drawn.impute(rows)
        far = rows.copy()
        far.loc[40] = [1e7, np.nan, None, None]
        far.loc[41] = [1e300, 2.0, 3, "a"]
        for name in rows:
            found = drawn.predict(far, name)
            if name == "kind":
                assert found[:40].tolist() == usual[name].tolist()
            else:
                np.testing.assert_allclose(found[:40], usual[name], rtol=1e-4)
        filled = drawn.impute(far)
    pd.testing.assert_frame_equal(filled.iloc[:40], whole, check_dtype=False)
    assert not filled.isna().any(axis=None)


def test_a_row_that_holds_nothing_is_predicted_as_all_rows_are(listed: DiscreteVAE, drawn: VAE) -> None:
    nothing = pd.DataFrame({"length": [np.nan], "mass": [np.nan], "hits": [np.nan], "kind": [None]})
    for model in (listed, drawn):
        assert model.score_samples(nothing)[0] == pytest.approx(0.0, abs=1e-9)
        sample = model.sample(4000, random_state=0)
        found = model.predict_distribution(nothing, "length")
        error = np.hypot(sample["length"].std() / np.sqrt(4000), found.monte_carlo_error or 0.0)
        assert abs(found.mean()[0] - sample["length"].mean()) < 5 * error
        levels = model.predict_distribution(nothing, "kind").probabilities[0]
        shares = [np.mean(sample["kind"] == level) for level in model.schema_["kind"].levels]
        np.testing.assert_allclose(levels, shares, atol=0.06)
        assert model.anomaly_pvalues(nothing)[0] == 1.0


@pytest.mark.parametrize("which", ["listed", "drawn"])
def test_an_odd_row_is_found_and_its_column_named(which: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(which)
    table = frame(60, seed=3)
    table.loc[17] = [9.2, np.exp(0.8), 0, "b"]  # one group by all columns but the hits
    table.loc[5, "length"] = np.nan
    p = model.anomaly_pvalues(table)
    np.testing.assert_array_equal(p, model.anomaly_pvalues(table))
    backwards = model.anomaly_pvalues(table.iloc[::-1].reset_index(drop=True))[::-1]
    np.testing.assert_allclose(backwards, p, atol=1e-3)
    first = model.anomalies(table, rate=0.05)[0]
    assert (first.row, first.surprise[0][0]) == (17, "hits")
    assert len(model.anomalies(table, rate=1.0)) == 60
    with pytest.raises(UsageError, match="share"):
        model.anomalies(table, rate=0.0)


def test_p_values_of_rows_that_the_model_draws_are_uniform(drawn: VAE) -> None:
    """Though their densities are estimates from few draws."""
    sample = drawn.sample(400, random_state=5)
    assert stats.kstest(drawn.anomaly_pvalues(sample), "uniform").pvalue > 1e-4


def test_surprises_by_draws_meet_those_of_densities(drawn: VAE) -> None:
    """Against the change of the estimated log density when the column is left out."""
    table = frame(30, seed=4)
    found = {one.row: dict(one.surprise) for one in drawn.anomalies(table, rate=1.0)}
    whole = drawn.score_samples(table)
    for name in ("hits", "kind"):
        rest = table.copy()
        rest[name] = np.nan if name == "hits" else None
        asked = drawn.score_samples(rest) - whole
        own = np.array([found[i][name] for i in range(30)])
        assert np.corrcoef(own, asked)[0, 1] > 0.95
        assert np.abs(own - asked).mean() < 0.3


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_that_runs_away_is_an_error_or_is_told(optimizer: str) -> None:
    settings: dict[str, Any] = {**FAST, "max_iter": 20, "optimizer": optimizer, "learning_rate": 1e12}
    for model in (DiscreteVAE(2, **settings), VAE(2, **settings)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                model.fit(frame())
            except FitError as error:
                text = str(error)
            else:
                text = " ".join(str(one.message) for one in told)
        assert any(word in text for word in ("run away", "finite", "come to nothing")), text


def test_settings_are_told_as_used_and_come_back(listed: DiscreteVAE, tmp_path: Path) -> None:
    told = listed.record_["settings"]
    assert (told["batch_size"], told["max_epochs"]) == (64, 60)
    assert "None" not in map(str, told.values())
    usual = DiscreteVAE(2, preset="fast", random_state=0).fit(frame(100))
    assert usual.record_["settings"]["max_epochs"] == usual.n_iter_
    path = tmp_path / "m.tacit"
    listed.save(path)
    again = tacit.load(path)
    assert again.get_params()["hidden_layer_sizes"] == listed.get_params()["hidden_layer_sizes"] == (128, 128)
    np.testing.assert_array_equal(again.anomaly_pvalues(frame(9)), listed.anomaly_pvalues(frame(9)))


@pytest.mark.parametrize("seed", ["a", -1, 1.5])
def test_a_seed_that_is_none_is_refused(seed: Any, listed: DiscreteVAE) -> None:
    with pytest.raises(UsageError, match="random_state"):
        listed.sample(3, random_state=seed)
    with pytest.raises(UsageError, match="random_state"):
        listed.impute(frame(3), draws=1, random_state=seed)
