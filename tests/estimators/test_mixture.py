"""The table mixture behind scikit-learn's interface: conventions, frames in and out, answers, files, intervals."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import tacit
from tacit import GaussianMixture, Mixture
from tacit._errors import DataError, ModelFileError, OutputError, TacitWarning, UsageError
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.report import write_report

N = 240
SETTINGS: dict[str, Any] = {"random_state": 0, "n_init": 2}


def _failures(estimator: Mixture) -> dict[str, str]:
    reason = "a repeated row is not a weight: repeats raise the variance floor and are dealt to folds one by one"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


@pytest.mark.slow  # minutes of compilation: every check has a table of another shape
@parametrize_with_checks([Mixture(1)], expected_failed_checks=_failures)
def test_conventions_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Two groups of rows with shares .4 and .6, a constant column, and holes in two columns."""
    random = np.random.default_rng(3)
    big = random.random(N) < 0.4
    table = pd.DataFrame(
        {
            "size": np.where(big, 8.0, 0.0) + random.normal(size=N),
            "kind": np.where(random.random(N) < np.where(big, 0.9, 0.2), "b", "a"),
            "year": 2020,
            "price": np.exp(random.normal(size=N) + np.where(big, 2.0, 0.0)),
        },
        index=np.arange(N) + 1000,
    )
    table.loc[table.index[:30], "size"] = np.nan
    table.loc[table.index[20:60], "price"] = np.nan
    return table


@pytest.fixture(scope="module")
def mixture(frame: pd.DataFrame) -> Mixture:
    return Mixture(2, types={"price": "positive"}, **SETTINGS).fit(frame)


def test_fitted_attributes(mixture: Mixture, frame: pd.DataFrame) -> None:
    assert mixture.n_components_ == 2
    assert_allclose(mixture.weights_, [0.6, 0.4], atol=0.08)
    assert [column.kind for column in mixture.schema_.columns] == ["real", "binary", "id", "positive"]
    assert mixture.n_features_in_ == 4
    assert mixture.feature_names_in_.tolist() == list(frame.columns)
    assert mixture.verdict_ == "converged"
    assert mixture.converged_
    assert mixture.selection_.chosen == 2
    assert len(mixture.restarts_) == 2
    assert mixture.fitted_.model is mixture.model_
    assert any(finding.code == "constant" and finding.column == "year" for finding in mixture.findings_)
    best = mixture.restarts_[0]["log_likelihood"]
    assert_allclose(best, mixture.score(frame), rtol=1e-4)  # in the user's units
    assert_allclose(best * N, mixture.selection_.candidate.log_likelihood, rtol=1e-12)


def test_score_is_the_mean_and_evaluate_says_its_error(mixture: Mixture, frame: pd.DataFrame) -> None:
    each, weight = mixture.score_samples(frame), np.arange(N) % 3
    assert_allclose(mixture.score(frame), each.mean())
    assert_allclose(mixture.score(frame, sample_weight=weight), weight @ each / weight.sum())
    result = mixture.evaluate(frame)
    assert result.kind == "exact"
    assert_allclose([result.value, result.standard_error], [each.mean(), each.std(ddof=1) / np.sqrt(N)])
    assert mixture.evaluate(frame, groups=np.arange(N) // 4).n_groups == N // 4


def test_weights_that_count_few_rows_are_told(frame: pd.DataFrame) -> None:
    weight = np.full(N, 1 / N)
    told = Mixture(1, random_state=0).fit(frame, sample_weight=weight).findings_
    assert any(finding.code == "few-by-weight" and "sum to 1" in finding.message for finding in told)
    reals = frame[["size"]].to_numpy()
    assert GaussianMixture().fit(reals, sample_weight=weight).findings_[0].code == "few-by-weight"
    assert GaussianMixture().fit(reals, sample_weight=np.ones(N)).findings_ == []


def test_no_cell_of_a_column_that_is_not_modelled_is_kept(frame: pd.DataFrame, tmp_path: Path) -> None:
    named = frame.assign(owner=[f"Jane Doe {2 * i // 3}" for i in range(N)])
    mixture = Mixture(1, random_state=0).fit(named)
    assert mixture.schema_["owner"].role != "model"
    mixture.save(tmp_path / "m.tacit")
    write_report(tmp_path / "r.html", mixture.record_)
    for file in ("m.tacit", "r.html"):
        assert b"Jane Doe" not in (tmp_path / file).read_bytes()


def test_means_are_over_the_weights_and_groups_that_the_schema_names(frame: pd.DataFrame) -> None:
    held = frame.assign(count=np.arange(N) % 3, house=np.arange(N) // 4)
    schema = Schema.infer(read_table(held), weight="count", group="house")
    mixture = Mixture(1, schema=schema, random_state=0).fit(held)
    weight = held["count"].to_numpy()
    assert_allclose(mixture.score(held), weight @ mixture.score_samples(held) / weight.sum())
    assert mixture.evaluate(held).n_groups == N // 4
    assert mixture.evaluate(held, groups=np.arange(N) // 2).n_groups == N // 2
    plain = held.drop(columns=["count", "house"])
    assert_allclose(mixture.score(plain), mixture.score_samples(plain).mean())


def test_columns_are_found_by_name_and_extra_ones_ignored(mixture: Mixture, frame: pd.DataFrame) -> None:
    shuffled = frame[["price", "year", "kind", "size"]].assign(more=1.0)
    assert_allclose(mixture.score_samples(shuffled), mixture.score_samples(frame))
    with pytest.raises(DataError, match="lacks column 'kind'"):
        mixture.score_samples(frame.drop(columns="kind"))


@pytest.mark.parametrize("to", [pl.from_pandas, pa.Table.from_pandas, lambda f: {c: f[c].to_numpy() for c in f}])
def test_all_frames_are_the_same_table(mixture: Mixture, frame: pd.DataFrame, to: Any) -> None:
    other = to(frame.reset_index(drop=True))
    assert_allclose(mixture.score_samples(other), mixture.score_samples(frame))
    filled = mixture.impute(other)
    assert type(filled) is type(other)
    assert_allclose(np.asarray(filled["size"], float), mixture.impute(frame)["size"])


def test_impute_fills_holes_and_touches_nothing_else(mixture: Mixture, frame: pd.DataFrame) -> None:
    filled = mixture.impute(frame)
    assert list(filled.columns) == list(frame.columns)
    assert filled.index.equals(frame.index)
    assert not filled.isna().to_numpy().any()
    seen = frame.notna()
    assert filled.where(seen).equals(frame.where(seen))
    holes = frame["size"].isna()
    assert_allclose(filled.loc[holes, "size"], mixture.predict(frame, "size")[holes])
    assert_allclose(filled.loc[frame["price"].isna(), "price"], mixture.predict(frame, "price")[frame["price"].isna()])


def test_draws_differ_in_the_holes_only_and_repeat_with_the_seed(mixture: Mixture, frame: pd.DataFrame) -> None:
    first, second = mixture.impute(frame, draws=2, random_state=0)
    again, _ = mixture.impute(frame, draws=2, random_state=0)
    assert first.equals(again)
    holes = frame.isna()
    assert_allclose((first["size"] != second["size"]), holes["size"])
    with pytest.raises(UsageError, match="draws"):
        mixture.impute(frame, draws=0)


def test_arrays_by_place() -> None:
    random = np.random.default_rng(4)
    X = random.normal(size=(120, 3))
    X[:, 2] = 5.0
    X[:10, 0] = np.nan
    model = Mixture(1, **SETTINGS).fit(X)
    filled, drawn = model.impute(X), model.sample(7, random_state=1)
    assert filled.shape == X.shape
    assert_allclose(filled[10:], X[10:])
    assert not np.isnan(filled).any()
    assert drawn.shape == (7, 3)
    X[5, 2] = np.nan
    with pytest.warns(TacitWarning, match="missing cells of x2 stay as they are"):
        left = model.impute(X)
    assert np.isnan(left).sum() == 1
    assert np.isnan(drawn[:, 2]).all()  # constant: not modelled
    with pytest.raises(ValueError, match="2 features, but Mixture is expecting 3"):
        model.score_samples(X[:, :2])
    with pytest.raises(ValueError, match="infinity"):
        model.score_samples(np.full((1, 3), np.inf))


def test_predictions_of_a_column(mixture: Mixture, frame: pd.DataFrame) -> None:
    head = frame.iloc[40:60]
    size, kind = mixture.predict_distribution(head, "size"), mixture.predict_distribution(head, "kind")
    assert_allclose(mixture.predict(head, "size"), size.mean())
    assert_allclose(mixture.predict(head, "price"), mixture.predict_distribution(head, "price").quantile(0.5))
    assert mixture.predict(head, "kind").tolist() == kind.mode().tolist()
    levels = mixture.predict_quantiles(head, "size", quantiles=[0.1, 0.5, 0.9])
    assert levels.shape == (20, 3)
    assert_allclose(size.cdf(levels), np.tile([0.1, 0.5, 0.9], (20, 1)), atol=1e-9)
    interval = mixture.predict_interval(head, "price", coverage=0.8)
    assert_allclose(mixture.predict_quantiles(head, "price", [0.1, 0.9]), interval)
    for i, region in enumerate(mixture.predict_region(head, "size", coverage=0.8)):
        assert_allclose(np.diff(size[i].cdf(region.reshape(1, -1)).reshape(-1, 2)).sum(), 0.8, atol=1e-6)
    lacking = head.drop(columns=["size", "kind"])
    assert len(mixture.predict(lacking, "size")) == 20
    with pytest.raises(UsageError, match="levels"):
        mixture.predict_interval(head, "kind")
    with pytest.raises(UsageError, match="Its columns are size, kind, price"):
        mixture.predict(head, "colour")


def test_components_and_responsibilities(mixture: Mixture, frame: pd.DataFrame) -> None:
    r = mixture.responsibilities(frame)
    assert_allclose(r.sum(axis=1), 1.0)
    assert_allclose(mixture.predict_proba(frame), r)
    assert np.array_equal(mixture.predict(frame), r.argmax(axis=1))
    assert np.array_equal(clone(mixture).fit_predict(frame), r.argmax(axis=1))


def test_condition_is_joint_less_marginal(mixture: Mixture, frame: pd.DataFrame) -> None:
    given = {"kind": "b", "size": 7.5}
    complete = frame.iloc[60:80].assign(**given)
    alone = pd.DataFrame({"size": [7.5], "kind": ["b"], "price": [np.nan]})
    expected = mixture.score_samples(complete) - mixture.score_samples(alone)
    conditioned = mixture.condition(given)
    assert_allclose(conditioned.score_samples(frame.iloc[60:80]), expected, rtol=1e-9)  # its own cells are not read
    assert_allclose(conditioned.score_samples(complete[["price"]]), expected, rtol=1e-9)
    price = conditioned.predict_distribution("price")
    assert_allclose(price.log_prob(complete["price"].to_numpy()[None, :])[0], expected, rtol=1e-9)
    drawn = conditioned.sample(400, random_state=5)
    assert isinstance(drawn, pd.DataFrame)
    assert drawn[["size", "kind"]].drop_duplicates().to_numpy().tolist() == [[7.5, "b"]]
    assert stats.kstest(price.cdf(drawn["price"].to_numpy()[None, :])[0], "uniform").pvalue > 1e-4
    assert mixture.sample(400, random_state=5, given=given).equals(drawn)
    for wrong in (
        lambda: conditioned.sample(2.5),
        lambda: mixture.condition("size"),
        lambda: mixture.impute(frame, 1.5),
    ):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(UsageError, match="is given"):
        conditioned.predict_distribution("kind")
    with pytest.raises(DataError, match="not given"):
        conditioned.score_samples(complete[["kind", "year"]])
    with pytest.raises(DataError, match="neither 'a' nor 'b'"):
        mixture.condition({"kind": "c"})


def test_anomalies(mixture: Mixture, frame: pd.DataFrame) -> None:
    table = frame.copy()
    table.iloc[100, table.columns.get_loc("size")] = 60.0
    p = mixture.anomaly_pvalues(table)
    assert p.argmin() == 100
    found = mixture.anomalies(table, rate=0.01)
    assert found[0].row == 100
    assert found[0].surprise[0][0] == "size"
    with pytest.raises(UsageError, match="rate"):
        mixture.anomalies(table, rate=0.0)


def test_save_and_load(mixture: Mixture, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "model.tacit"
    mixture.save(path)
    loaded = tacit.load(path)
    assert_allclose(loaded.score_samples(frame), mixture.score_samples(frame), rtol=0, atol=0)
    assert loaded.sample(5, random_state=2).equals(mixture.sample(5, random_state=2))
    assert loaded.get_params()["types"] == {"price": "positive"}
    assert loaded.verdict_ == "converged"
    assert loaded.record_ == mixture.record_
    assert_allclose(loaded.anomaly_pvalues(frame), mixture.anomaly_pvalues(frame))
    with pytest.raises(OutputError, match="force"):
        loaded.save(path)
    loaded.save(path, force=True)
    assert_allclose(tacit.load(path).weights_, mixture.weights_)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError):
        tacit.load(path)


def test_pickle_and_clone(mixture: Mixture, frame: pd.DataFrame) -> None:
    again = pickle.loads(pickle.dumps(mixture))
    assert_allclose(again.score_samples(frame), mixture.score_samples(frame))
    assert clone(mixture).get_params() == mixture.get_params()
    with pytest.raises(NotFittedError):
        clone(mixture).predict(frame)


def test_bootstrap_matches_the_errors_of_theory(mixture: Mixture, frame: pd.DataFrame) -> None:
    """Components lie 8 standard deviations apart, so errors are nearly those of sample means and shares."""
    found = mixture.bootstrap(frame, n_resamples=200, random_state=1)
    rows = {(i.component, i.column, i.quantity): i for i in found.intervals}
    assert found.n_left_out == 0
    for component, share in enumerate(mixture.weights_):
        weight, mean = rows[component, "", "weight"], rows[component, "size", "mean"]
        assert_allclose(weight.standard_error, np.sqrt(share * (1 - share) / N), rtol=0.25)
        spread = rows[component, "size", "sd"].value
        assert_allclose(mean.standard_error, spread / np.sqrt(share * (N - 30)), rtol=0.25)
        assert_allclose(mean.high - mean.low, 2 * 1.96 * mean.standard_error, rtol=0.2)
        assert mean.low < mean.value < mean.high
    assert (0, "price", "median") in rows
    assert (1, "kind", "P(b)") in rows
    assert set(found.to_frame()) == {"component", "column", "quantity", "value", "standard_error", "low", "high"}
    with pytest.raises(UsageError, match="coverage"):
        mixture.bootstrap(frame, coverage=1.0)


def test_bootstrap_over_whole_groups_is_wider(mixture: Mixture, frame: pd.DataFrame) -> None:
    copies, groups = pd.concat([frame, frame, frame, frame]), np.tile(np.arange(N), 4)
    apart = mixture.bootstrap(copies, n_resamples=60, random_state=1).intervals[0]
    together = mixture.bootstrap(copies, groups=groups, n_resamples=60, random_state=1).intervals[0]
    assert 1.5 < together.standard_error / apart.standard_error < 2.7  # sqrt(4)


@pytest.fixture(scope="module")
def reals() -> np.ndarray:
    random = np.random.default_rng(6)
    return np.concatenate([random.normal(-4, 1, 60), random.normal(4, 1, 60)])[random.permutation(120), None]


def test_number_of_components_is_chosen_inside_the_rows_given(reals: np.ndarray) -> None:
    model = Mixture([1, 2, 3], cv=3, **SETTINGS).fit(reals)
    assert model.n_components_ == 2
    assert [candidate.k for candidate in model.selection_.candidates] == [1, 2, 3]
    assert len(model.fitted_.heldout) == 0
    near = model.selection_.candidate
    assert near.cv == pytest.approx(model.score(reals), abs=0.1)  # the user's units


def test_held_out_rows_judge_only_when_asked_for(reals: np.ndarray) -> None:
    model = Mixture(2, holdout=0.25, **SETTINGS).fit(reals)
    assert len(model.fitted_.heldout) == 30
    assert model.fitted_.figures[0].n == 30
    assert model.fitted_.refitted


def test_zero_weights_are_inert(reals: np.ndarray) -> None:
    weight = np.repeat([1.0, 0.0], [120, 40])
    odd = np.concatenate([reals, np.full((40, 1), 77.7)])
    model = Mixture(2, **SETTINGS).fit(odd, sample_weight=weight)
    assert model.schema_ == Mixture(2, **SETTINGS).fit(reals).schema_
    assert_allclose(model.score(reals), Mixture(2, **SETTINGS).fit(reals).score(reals), rtol=1e-12)


def test_groups_stay_together(reals: np.ndarray) -> None:
    groups = np.arange(120) % 12
    model = Mixture([1, 2], cv=3, **SETTINGS).fit(reals, groups=groups)
    assert model.n_components_ == 2
    with pytest.raises(DataError, match="groups"):
        Mixture([1, 2], **SETTINGS).fit(reals, groups=groups % 2)
    with pytest.raises(DataError, match="groups"):
        Mixture(1, **SETTINGS).fit(reals, groups=groups[:5])


def test_grid_search_cross_validation_and_pipeline(reals: np.ndarray) -> None:
    search = GridSearchCV(Mixture(**SETTINGS), {"n_components": [1, 2, 3]}, cv=5, n_jobs=1).fit(reals)
    assert search.best_params_["n_components"] in (2, 3)
    scores = cross_val_score(Mixture(2, **SETTINGS), reals, cv=5)
    assert_allclose(scores.mean(), search.cv_results_["mean_test_score"][1])
    pipeline = make_pipeline(FunctionTransformer(lambda X: 2 * X), Mixture(2, **SETTINGS)).fit(reals)
    assert_allclose(pipeline.score(reals), Mixture(2, **SETTINGS).fit(reals).score(reals) - np.log(2), rtol=1e-6)


def test_schema_may_be_given(reals: np.ndarray, tmp_path: Path) -> None:
    fitted = Mixture(1, **SETTINGS).fit({"x": reals[:, 0]})
    path = tmp_path / "schema.toml"
    path.write_text(fitted.schema_.to_toml())
    for schema in (fitted.schema_, path):
        again = clone(Mixture(1, schema=schema, **SETTINGS)).fit({"x": reals[:, 0]})
        assert again.schema_ == fitted.schema_
    with pytest.raises(UsageError, match="types"):
        Mixture(1, schema=fitted.schema_, types={"x": "real"}).fit({"x": reals[:, 0]})
    with pytest.raises(DataError, match="schema"):
        Mixture(1, schema=str(tmp_path / "none.toml")).fit({"x": reals[:, 0]})


@pytest.mark.parametrize(
    "setting", [{"n_components": 0}, {"n_components": 500}, {"cv": 1}, {"select": "best"}, {"holdout": 1.0}]
)
def test_settings_out_of_range(reals: np.ndarray, setting: dict[str, Any]) -> None:
    with pytest.raises((UsageError, DataError), match=next(iter(setting))):
        Mixture(**setting).fit(reals)


def test_unseen_levels_and_unfinished_fits_are_said(reals: np.ndarray) -> None:
    letters = np.array(["a", "b", "c"])[np.arange(120) % 3]
    model = Mixture(1, **SETTINGS).fit({"x": reals[:, 0], "letter": letters})
    with pytest.warns(TacitWarning, match="no known level"):
        found = model.score_samples({"x": [1.0], "letter": ["z"]})
    assert_allclose(found, model.score_samples({"x": [1.0], "letter": [None]}))
    with pytest.warns(ConvergenceWarning, match="ran out of steps"):
        assert not Mixture(2, max_iter=1, **SETTINGS).fit(reals).converged_


@pytest.mark.slow
def test_a_fair_coin_does_not_draw_the_starts_away_from_the_clusters() -> None:
    random = np.random.default_rng(0)
    table = {"x": np.r_[random.normal(0, 1, 100), random.normal(8, 1, 100)], "coin": random.integers(0, 2, 200)}
    model = Mixture(2, random_state=0, n_init=4).fit(table)
    found = np.array([start["log_likelihood"] for start in model.restarts_])
    assert np.all(found > found[0] - 0.01)  # every start finds the two clusters
    assert abs(model.weights_[0] - 0.5) < 0.01
