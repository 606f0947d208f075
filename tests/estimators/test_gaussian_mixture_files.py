"""GaussianMixture in a model file: what comes back, what the command line makes of it, and what is refused."""

from __future__ import annotations

import json
import unittest.mock
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

import tacit
from tacit import GaussianMixture, persistence
from tacit._errors import DataError, ModelFileError, OutputError, UsageError
from tacit.cli.app import app
from tacit.data.table import read_table
from tacit.workflow.model_file import load_model
from tacit.workflow.table_mixture import TableMixture

NAMES = ["a", "b", "c"]
SETTINGS: dict[str, Any] = {"n_components": 2, "n_init": 2, "random_state": 3, "max_iter": 200}


def _rows(n: int = 120) -> np.ndarray:
    """Two components of offset, scaled columns, with holes."""
    random = np.random.default_rng(0)
    label = random.random(n) < 0.3
    X = np.where(label[:, None], random.normal(4.0, 1.0, (n, 3)), random.normal(-1.0, 0.6, (n, 3)))
    X[:, 1] += X[:, 0]
    X = X * [1.0, 300.0, 0.02] + [1e6, 0.0, -5.0]
    X[random.random(X.shape) < 0.1] = np.nan
    return X[~np.isnan(X).all(axis=1)]


def _run(*arguments: str) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["result"]


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_every_covariance_comes_back_exactly(kind: str, tmp_path: Path) -> None:
    X, path = _rows(), tmp_path / "m.tacit"
    fitted = GaussianMixture(covariance_type=kind, **SETTINGS).fit(X)
    fitted.save(path)
    again = tacit.load(path)
    assert isinstance(again, GaussianMixture)
    assert again.get_params() == fitted.get_params()
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert_array_equal(getattr(again, name), getattr(fitted, name))
    for name in ("n_components_", "n_features_in_", "n_iter_", "converged_", "verdict_", "lower_bound_", "findings_"):
        assert getattr(again, name) == getattr(fitted, name)
    assert_array_equal(again.score_samples(X), fitted.score_samples(X))
    assert again.bic(X) == fitted.bic(X)
    again.save(tmp_path / "again.tacit")
    assert (tmp_path / "again.tacit").read_bytes() == path.read_bytes()
    scores = pd.DataFrame(X, columns=["x0", "x1", "x2"])
    scores.to_csv(tmp_path / "rows.csv", index=False)
    told = _run("score", str(path), str(tmp_path / "rows.csv"))["columns"]
    assert_allclose(told["log_density"], fitted.score_samples(X), rtol=1e-10)


def test_the_command_line_asks_any_column_given_the_others(tmp_path: Path) -> None:
    frame = pd.DataFrame(_rows(), columns=NAMES)
    path, holes = str(tmp_path / "m.tacit"), frame.head(6).assign(b=np.nan, a=frame["a"].fillna(1e6))
    fitted = GaussianMixture(**SETTINGS).fit(frame)
    fitted.save(path)
    holes["c"] = holes["c"].fillna(-5.0)
    holes.to_csv(tmp_path / "holes.csv", index=False)
    told = _run("predict", path, str(tmp_path / "holes.csv"), "--target", "b")["columns"]
    others = [0, 2]
    given = holes[["a", "c"]].to_numpy()
    parts = list(zip(fitted.weights_, fitted.means_, fitted.covariances_, strict=True))
    density = np.stack([w * multivariate_normal.pdf(given, m[others], s[np.ix_(others, others)]) for w, m, s in parts])
    means = [m[1] + (given - m[others]) @ np.linalg.solve(s[np.ix_(others, others)], s[others, 1]) for _, m, s in parts]
    expected = (density * means).sum(axis=0) / density.sum(axis=0)
    assert_allclose(told["mean"], expected, rtol=1e-6)
    assert len(_run("sample", path, "-n", "5", "--given", "a=1000000")["columns"]["b"]) == 5
    found = CliRunner().invoke(app, ["anomalies", path, str(tmp_path / "holes.csv"), "--rate", "0.5"])
    assert found.exit_code == 0
    assert "rows that the model draws" in found.output


def test_info_and_report_tell_what_the_fit_was(tmp_path: Path) -> None:
    frame = pd.DataFrame(_rows(), columns=NAMES)
    path, page = str(tmp_path / "m.tacit"), tmp_path / "r.html"
    fitted = GaussianMixture([1, 2], n_init=2, cv=KFold(3), random_state=np.random.RandomState(0)).fit(frame)
    fitted.save(path)
    record = _run("info", path)["record"]
    assert (record["data"]["rows"], record["k"]) == (len(frame), fitted.n_components_)
    assert record["data"]["fingerprint"] == read_table(frame).fingerprint()
    assert [column["missing"] for column in record["data"]["columns"]] == frame.isna().sum().tolist()
    assert [row["k"] for row in record["selection"]["table"]] == [1, 2]
    assert record["restarts"][0]["log_likelihood"] == pytest.approx(fitted.score(frame), rel=1e-9)
    words = CliRunner().invoke(app, ["info", path])
    assert words.exit_code == 0
    assert f"{len(frame)} rows, 3 columns modelled" in words.output
    written = CliRunner().invoke(app, ["report", path, "-o", str(page)])
    assert written.exit_code == 0, written.output
    assert "The components" in page.read_text()
    assert "held-out" not in page.read_text()
    for more in (["latent"], ["impute", "--draws", "2"], ["report"]):
        frame.head(5).to_csv(tmp_path / "few.csv", index=False)
        out = str(tmp_path / f"{more[0]}.{'html' if more == ['report'] else 'csv'}")
        asked = CliRunner().invoke(app, [more[0], path, str(tmp_path / "few.csv"), *more[1:], "-o", out])
        assert asked.exit_code == 0, asked.output
    again = tacit.load(path)
    assert isinstance(again, GaussianMixture)
    assert (again.random_state, again.cv, again.n_components) == (None, 5, [1, 2])
    assert list(again.feature_names_in_) == NAMES


def test_a_stream_counts_the_rows_of_all_chunks(tmp_path: Path) -> None:
    X, path = _rows(), str(tmp_path / "m.tacit")
    fitted = GaussianMixture(**SETTINGS)
    fitted.partial_fit(X[:60])
    fitted.save(path)
    with pytest.raises(UsageError, match="sums of a stream"):
        tacit.load(path).partial_fit(X[60:])
    fitted.partial_fit(X[60:])
    fitted.save(path, force=True)
    data = _run("info", path)["record"]["data"]
    assert data["rows"] == len(X)
    assert data["fingerprint"] is None
    assert [column["missing"] for column in data["columns"]] == np.isnan(X).sum(axis=0).tolist()
    again = tacit.load(path)
    assert again.verdict_ == "streaming"
    record = again.record_
    assert (record["selection"]["table"], record["restarts"]) == ([], [])  # of its first chunk only
    assert "each of 1 more" in record["verdict"]["text"]
    with pytest.raises(UsageError, match="sums of a stream"):
        again.partial_fit(X)
    assert again.score(X) == fitted.score(X)
    fitted.fit(X)
    fitted.save(path, force=True)  # the file is of the last fit, not of an earlier one
    assert tacit.load(path).verdict_ == fitted.verdict_ != "streaming"
    assert again.fit(X[:50]).record_["data"]["rows"] == 50


def test_the_file_is_of_the_fit_whatever_came_after_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(_rows(), columns=NAMES)
    path, other = tmp_path / "m.tacit", tmp_path / "other.tacit"
    fitted = GaussianMixture(**SETTINGS).fit(frame)
    fitted.save(path)
    fitted.set_params(covariance_type="diag", reg_covar=0.5, n_components=9)
    with pytest.raises(DataError):
        fitted.fit(frame.assign(a=np.nan).rename(columns={"a": "z"}))
    fitted._manifest = None
    for late in (fitted, tacit.load(path).set_params(reg_covar=0.25)):
        late.save(other, force=True)
        again = tacit.load(other)
        assert again.get_params() == GaussianMixture(**SETTINGS).get_params()
        assert list(again.feature_names_in_) == NAMES
        assert_array_equal(again.score_samples(frame), tacit.load(path).score_samples(frame))


def test_cards_of_components_are_worked_out_in_closed_form() -> None:
    fitted = GaussianMixture(**SETTINGS).fit(_rows())
    for card in fitted.record_["components"]:
        for standout in card["standouts"]:
            j, k = int(standout["column"][1:]), card["index"] - 1
            mean = fitted.weights_ @ fitted.means_[:, j]
            spread = fitted.weights_ @ (fitted.covariances_[:, j, j] + (fitted.means_[:, j] - mean) ** 2)
            assert standout["effect"] == pytest.approx((fitted.means_[k, j] - mean) / np.sqrt(spread), rel=1e-9)
    assert sum(len(card["standouts"]) for card in fitted.record_["components"]) >= 4
    wide = GaussianMixture(3, covariance_type="diag", n_init=1, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning):
        wide.fit(np.random.default_rng(0).normal(size=(50, 120)))
    with unittest.mock.patch.object(TableMixture, "predict", side_effect=AssertionError):
        assert len(wide.record_["components"]) == 3


def test_files_that_are_not_such_a_mixture_are_refused(tmp_path: Path) -> None:
    path, forged = tmp_path / "m.tacit", tmp_path / "forged.tacit"
    GaussianMixture(**SETTINGS).fit(_rows()).save(path)
    with pytest.raises(OutputError, match="exists"):
        GaussianMixture(**SETTINGS).fit(_rows()).save(path)
    model, found = load_model(path)
    kept = {key: value for key, value in found.items() if key not in ("format", "tacit", "class")}
    saved = kept["estimator"]
    for change in (
        *({"parameters": {**saved["parameters"], "covariance_type": kind}} for kind in ("diag", "tied", "no such")),
        *({"parameters": {**saved["parameters"], "reg_covar": value}} for value in ("foo", 0.5, -1)),
        {"parameters": {**saved["parameters"], "n_components": "seven"}},
        *({"n_iter": value} for value in (None, 1.5, True, "12")),
        {"named": "yes"},
        {"total": "many"},
    ):
        persistence.save(model, forged, manifest={**kept, "estimator": {**saved, **change}}, force=True)
        with pytest.raises(ModelFileError, match="damaged"):
            tacit.load(forged)


def test_columns_that_no_file_can_hold_are_refused(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(50, 2))
    fitted = GaussianMixture().fit(pd.DataFrame(X, columns=["a", "\t"]))
    with pytest.raises(UsageError, match="each column a name of its own"):
        fitted.save(tmp_path / "m.tacit")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::RuntimeWarning:sklearn")
@pytest.mark.filterwarnings("ignore::RuntimeWarning:numpy")  # of scikit-learn's check of X
def test_columns_as_wide_as_floats_go_come_back(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(50, 2))
    X[:, 0] = 1.7e308 * np.sign(X[:, 0])
    fitted = GaussianMixture(covariance_type="diag").fit(X)
    fitted.save(tmp_path / "m.tacit")
    scores = tacit.load(tmp_path / "m.tacit").score_samples(X)
    assert_array_equal(scores, fitted.score_samples(X))
    assert np.isfinite(scores).all()
