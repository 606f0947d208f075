"""Discrete codes of tables behind scikit-learn's interface: what is learned, answers, frames, files, bad input."""

from __future__ import annotations

import itertools
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import tacit
from tacit import DiscreteVAE
from tacit._errors import DataError, ModelFileError, OutputError, TacitWarning, UsageError
from tacit.estimators.discrete_vae import plan_of
from tacit.gradients import GRADIENTS

N, D = 160, 6
FAST: dict[str, Any] = {"preset": "fast", "random_state": 0, "max_iter": 40}


def bits(n: int = N, seed: int = 0) -> np.ndarray:
    """Two groups of rows of 0/1 columns."""
    random = np.random.default_rng(seed)
    high = random.random((n, 1)) < 0.4
    return (random.random((n, D)) < np.where(high, 0.9, 0.15)).astype(float)


def mixed(n: int = N) -> pd.DataFrame:
    random = np.random.default_rng(1)
    high = random.random(n) < 0.5
    frame = pd.DataFrame(
        {
            "size": 5 + 4 * high + random.normal(size=n),
            "hits": random.poisson(2 + 6 * high),
            "kind": np.where(random.random(n) < 0.1, "c", np.where(high, "b", "a")),
        }
    )
    frame.loc[::9, "size"] = np.nan
    return frame


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return bits()


@pytest.fixture(scope="module")
def one(rows: np.ndarray) -> DiscreteVAE:
    """One latent of two states: a mixture."""
    return DiscreteVAE(gradient="enumeration", **FAST).fit(rows)


@pytest.fixture(scope="module")
def many(rows: np.ndarray) -> DiscreteVAE:
    """Three bits, by leave-one-out."""
    return DiscreteVAE(3, **FAST).fit(rows)


@pytest.fixture(scope="module")
def table() -> DiscreteVAE:
    """Two latents of three states over mixed columns with holes."""
    return DiscreteVAE(2, 3, types={"hits": "count"}, **FAST).fit(mixed())


def test_a_density_sums_to_one_over_all_rows(one: DiscreteVAE, many: DiscreteVAE) -> None:
    every = np.array(list(itertools.product([0.0, 1.0], repeat=D)))
    for model in (one, many):
        assert np.exp(model.score_samples(every)).sum() == pytest.approx(1.0, abs=1e-6)


def test_cells_left_out_are_summed_out(many: DiscreteVAE) -> None:
    every = np.array(list(itertools.product([0.0, 1.0], repeat=D)))
    holes = every[::4].copy()
    holes[:, -2:] = np.nan
    summed = np.logaddexp.reduce(many.score_samples(every).reshape(-1, 4), axis=1)
    np.testing.assert_allclose(many.score_samples(holes), summed, atol=1e-6)


def test_relax_trains_by_its_name(rows: np.ndarray) -> None:
    fresh = bits(400, seed=5)
    independent = np.clip(rows.mean(axis=0), 0.01, 0.99)
    plain = (fresh * np.log(independent) + (1 - fresh) * np.log1p(-independent)).sum(axis=1)
    assert DiscreteVAE(2, gradient="relax", **FAST).fit(rows).score(fresh) > plain.mean() + 0.2


def test_one_latent_is_a_mixture_that_finds_the_groups(one: DiscreteVAE, rows: np.ndarray) -> None:
    fresh = bits(400, seed=5)
    independent = np.clip(rows.mean(axis=0), 0.01, 0.99)
    plain = (fresh * np.log(independent) + (1 - fresh) * np.log1p(-independent)).sum(axis=1)
    assert one.score(fresh) > plain.mean() + 0.3
    states = one.predict(fresh)
    groups = fresh.mean(axis=1) > 0.5
    assert max(np.mean(states == groups), np.mean(states != groups)) > 0.95
    np.testing.assert_allclose(one.responsibilities(fresh).sum(axis=1), 1.0)


def test_the_log_likelihood_is_the_bound_and_the_gap(many: DiscreteVAE, rows: np.ndarray) -> None:
    log_p, bound, gap, rate, distortion = many.evaluate(rows)
    assert (log_p.kind, bound.kind) == ("exact", "lower bound")
    assert log_p.value == pytest.approx(many.score(rows))
    assert log_p.value == pytest.approx(bound.value + gap.value, abs=1e-9)
    assert bound.value == pytest.approx(-rate.value - distortion.value, abs=1e-6)
    assert gap.value >= 0
    assert log_p.reference == many.schema_.reference()


def test_densities_of_a_long_code_are_labelled_estimates(rows: np.ndarray) -> None:
    with pytest.warns(TacitWarning, match="come to nothing"):  # long steps make a poor q
        model = DiscreteVAE(20, objective="iwae", n_mc_samples=2, learning_rate=0.1, **{**FAST, "max_iter": 5}).fit(
            rows
        )
    with pytest.warns(TacitWarning, match="importance weights cannot be trusted"):
        log_p, bound, *_ = model.evaluate(rows)
    assert (log_p.kind, bound.kind) == ("estimate", "lower bound")
    assert log_p.monte_carlo_error is not None
    assert log_p.bias is not None
    assert bound.value < log_p.value
    np.testing.assert_array_equal(model.score_samples(rows), model.score_samples(rows))


def test_an_autoregressive_prior_is_a_density_too(rows: np.ndarray, tmp_path: Path) -> None:
    every = np.array(list(itertools.product([0.0, 1.0], repeat=D)))
    model = DiscreteVAE(3, prior="autoregressive", **{**FAST, "max_iter": 5}).fit(rows)
    assert np.exp(model.score_samples(every)).sum() == pytest.approx(1.0, abs=1e-6)
    log_p, bound, _, rate, distortion = model.evaluate(rows)
    assert (log_p.kind, rate.kind) == ("exact", "estimate")
    assert bound.value == pytest.approx(-rate.value - distortion.value, abs=1e-6)
    model.save(tmp_path / "m.tacit")
    np.testing.assert_array_equal(tacit.load(tmp_path / "m.tacit").score_samples(rows), model.score_samples(rows))


def test_codes_and_back(many: DiscreteVAE, table: DiscreteVAE, rows: np.ndarray) -> None:
    probabilities, states = many.transform(rows), many.transform(rows, states=True)
    assert probabilities.shape == states.shape == (N, 3)
    np.testing.assert_array_equal(states, probabilities > 0.5)
    np.testing.assert_allclose(many.inverse_transform(states), many.reconstruct(rows))
    assert many.get_feature_names_out().tolist() == ["discretevae0", "discretevae1", "discretevae2"]
    frame = mixed()
    wide = table.transform(frame)
    assert wide.shape == (N, 6)
    np.testing.assert_allclose(wide.reshape(N, 2, 3).sum(axis=2), 1.0, rtol=1e-6)
    back = table.inverse_transform(table.transform(frame, states=True))
    assert isinstance(back, pd.DataFrame)
    assert list(back.columns) == list(frame.columns)
    assert set(back["kind"]) <= {"a", "b", "c"}
    with pytest.raises(UsageError, match="is no code"):
        table.inverse_transform(np.zeros((2, 5)))
    for odd in (5.0, -1.0, 0.5):
        with pytest.raises(UsageError, match=rf"Z, row 1, column 0: {odd:g} is no state.*0 to 2: 3 states"):
            table.inverse_transform([[0, 1], [odd, 7]])
    for model, odd in ((many, np.full((2, 3), 7.0)), (many, np.full((2, 3), -0.5)), (table, np.full((2, 6), 7.0))):
        with pytest.raises(UsageError, match=rf"row 0, column 0: {odd[0, 0]:g} is no probability.*[23] states"):
            model.inverse_transform(odd)
    with pytest.raises(UsageError, match="is no code"):
        many.inverse_transform(np.zeros((2, 6)))  # both states of two are not what transform gives
    for holes in ([[np.nan, 0, 1]], [[0, np.inf, 1]], [[None, 0, 1]]):
        with pytest.raises(UsageError, match="missing or infinite"):
            many.inverse_transform(holes)
    with pytest.raises(UsageError, match="not numbers"):
        many.inverse_transform([["a", "b", "c"]])
    with pytest.raises(UsageError, match="a state is of one latent"):
        many.predict(rows)


def test_rows_drawn_have_the_shares_of_the_data(one: DiscreteVAE, rows: np.ndarray) -> None:
    drawn = one.sample(3000, random_state=1)
    assert drawn.shape == (3000, D)
    assert np.isin(drawn, (0, 1)).all()
    assert np.abs(drawn.mean(axis=0) - rows.mean(axis=0)).max() < 0.12
    np.testing.assert_array_equal(one.sample(5, random_state=2), one.sample(5, random_state=2))
    with pytest.raises(UsageError, match="n_samples"):
        one.sample(0)


def test_holes_are_filled_by_what_the_rest_says(one: DiscreteVAE) -> None:
    holes = np.array([[1, 1, 1, 1, 1, np.nan], [0, 0, 0, 0, 0, np.nan]])
    filled = one.impute(holes)
    np.testing.assert_array_equal(filled[:, :5], holes[:, :5])
    np.testing.assert_array_equal(filled[:, 5], [1, 0])
    draws = one.impute(np.repeat(holes, 300, axis=0), draws=2, random_state=0)
    last = np.stack(draws)[:, :, 5].mean(axis=0)
    assert last[:300].mean() > 0.75 > 0.4 > last[300:].mean()


def test_mixed_columns_learn_and_answer_in_the_users_units(table: DiscreteVAE) -> None:
    frame = mixed()
    drawn = table.sample(500, random_state=0)
    assert isinstance(drawn, pd.DataFrame)
    assert abs(drawn["size"].mean() - frame["size"].mean()) < 1.2
    assert abs(drawn["hits"].mean() - frame["hits"].mean()) < 1.5
    full = table.impute(frame)
    assert not full["size"].isna().any()
    kept = frame["size"].notna()
    pd.testing.assert_series_equal(full["size"][kept], frame["size"][kept])
    doubled = frame.assign(size=2 * frame["size"])
    other = DiscreteVAE(2, 3, types={"hits": "count"}, **FAST).fit(doubled)
    present = frame["size"].notna().to_numpy()
    shift = table.score_samples(frame) - other.score_samples(doubled)
    np.testing.assert_allclose(shift[present], np.log(2), atol=1e-3)  # the Jacobian of the units
    np.testing.assert_allclose(shift[~present], 0.0, atol=1e-3)


def test_weights_of_zero_leave_rows_out_and_frames_come_in_any_order(rows: np.ndarray) -> None:
    weight = np.ones(N + 10)
    weight[N:] = 0
    more = np.vstack([rows, 1 - rows[:10]])
    settings = {**FAST, "max_iter": 3}
    with_weight = DiscreteVAE(2, **settings).fit(more, sample_weight=weight)
    np.testing.assert_allclose(
        with_weight.score_samples(rows), DiscreteVAE(2, **settings).fit(rows).score_samples(rows)
    )
    frame = pd.DataFrame(rows, columns=list("abcdef"))
    model = DiscreteVAE(2, **settings).fit(frame)
    np.testing.assert_allclose(model.score_samples(frame[list("fedcba")]), model.score_samples(frame))


def test_a_file_brings_the_model_back(table: DiscreteVAE, many: DiscreteVAE, rows: np.ndarray, tmp_path: Path) -> None:
    for model, X in ((table, mixed()), (many, rows)):
        path = tmp_path / f"{model.n_latents}.tacit"
        model.save(path)
        back = tacit.load(path)
        assert isinstance(back, DiscreteVAE)
        np.testing.assert_array_equal(back.score_samples(X), model.score_samples(X))
        np.testing.assert_array_equal(back.transform(X), model.transform(X))
        assert back.get_params()["n_latents"] == model.n_latents
        np.testing.assert_allclose(back.kl_per_latent_, model.kl_per_latent_)
        with pytest.raises(OutputError, match="exists"):
            model.save(path)
        back.save(path, force=True)
    again = pickle.loads(pickle.dumps(many))
    np.testing.assert_array_equal(again.score_samples(rows), many.score_samples(rows))


def test_a_file_whose_parts_do_not_fit_is_refused(many: DiscreteVAE, table: DiscreteVAE, tmp_path: Path) -> None:
    from dataclasses import replace

    from tacit import persistence

    path = tmp_path / "bad.tacit"
    for bad in (
        replace(many.model_, schema=table.schema_),
        replace(many.model_, posterior=table.model_.posterior),
        replace(many.model_, model=table.model_.model),
    ):
        persistence.save(bad, path, manifest=many._manifest, force=True)
        with pytest.raises(ModelFileError, match="do not fit together"):
            tacit.load(path)


def test_a_latent_that_says_nothing_is_told(rows: np.ndarray) -> None:
    with pytest.warns(TacitWarning, match="collapsed"):
        model = DiscreteVAE(3, beta=50.0, **FAST).fit(rows)
    assert model.kl_per_latent_.max() < 0.01
    assert [finding.code for finding in model.findings_] == ["collapse"]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"gradient": "no-such"}, "no gradient estimator.*leave-one-out"),
        ({"gradient": "pathwise"}, "cannot be differentiated"),
        ({"gradient": "disarm", "n_states": 3}, "gradient 'disarm': .*not binary.*'leave-one-out'"),
        ({"gradient": "enumeration", "n_latents": 30}, "too many to list"),
        ({"gradient": "enumeration", "n_latents": 3000}, "too many to list"),
        ({"gradient": "leave-one-out", "n_mc_samples": 1}, "gradient 'leave-one-out': n_mc_samples=1.*n_mc_samples=2"),
        ({"likelihood": "normal"}, "likelihood"),
        ({"objective": "iwae", "beta": 0.5}, "beta"),
        ({"objective": "iwae", "kl": "closed"}, "closed"),
        ({"objective": "iwae", "free_bits": 0.1}, "free_bits"),
        ({"free_bits": 0.1, "kl": "sampled"}, "closed"),
        ({"scale": "none"}, "scale"),
        ({"prior": "autoregressive"}, "one latent has none before it"),
        ({"prior": "autoregressive", "n_latents": 3, "kl": "closed"}, "no closed KL"),
        ({"n_states": 1}, "n_states"),
        ({"hidden_layer_sizes": (8, -1)}, "no widths"),
        ({"batch_size": 1000}, "more than the 144 rows"),
        ({"optimizer": "newton"}, "optimizer"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], match: str, rows: np.ndarray) -> None:
    with pytest.raises(UsageError, match=match):
        DiscreteVAE(**{**FAST, **settings}).fit(rows)


def test_rows_that_do_not_suit_the_likelihood(rows: np.ndarray, many: DiscreteVAE) -> None:
    grey = rows.copy()
    grey[3, 2] = 0.5
    with pytest.raises(DataError, match=r"row 3.*1\.5 is neither 0 nor 1"):
        DiscreteVAE(likelihood="bernoulli", **FAST).fit(np.where(grey == 0.5, 1.5, grey))
    with pytest.raises(DataError, match="neither 0 nor 1"):
        many.score_samples(grey)
    with pytest.raises(DataError, match=r"not a whole number.*likelihood='auto'"):
        DiscreteVAE(likelihood="poisson", **FAST).fit(grey + 0.3)
    with pytest.raises(DataError, match="not a number"):
        DiscreteVAE(likelihood="gaussian", **FAST).fit(mixed())
    with pytest.raises(DataError, match=r"60 values in 60 rows"):
        DiscreteVAE(likelihood="categorical", **FAST).fit(np.random.default_rng(0).normal(size=(60, 2)))
    with pytest.raises(UsageError, match="types"):
        DiscreteVAE(likelihood="bernoulli", types={"x0": "real"}, **FAST).fit(rows)


@pytest.mark.slow
@parametrize_with_checks(
    [DiscreteVAE(preset="fast", max_iter=3)],
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": "rows are dealt to batches and set aside one by one",
    },
)
def test_conventions_of_scikit_learn(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        check(estimator)


def test_parameters_survive_cloning() -> None:
    model = DiscreteVAE(4, 3, beta=0.5, hidden_layer_sizes=[8])
    assert clone(model).get_params() == model.get_params()


def test_listing_is_no_gradient_of_an_importance_weighted_bound() -> None:
    rows = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0]], 30, axis=0)
    with pytest.raises(UsageError, match=r"one draw|importance-weighted"):
        DiscreteVAE(objective="iwae", gradient="enumeration", preset="fast", random_state=0).fit(rows)


def test_gradients_that_do_not_apply_are_told_of_in_the_words_of_the_settings() -> None:
    core = {type(make()).__name__ for make in GRADIENTS.values()} | {"num_samples", "Categoricals", "Bernoulli"}
    refused: dict[str, UsageError] = {}
    for name in GRADIENTS:
        for settings in ({"n_mc_samples": 1}, {"n_latents": 20, "n_states": 3}, {"objective": "iwae"}):
            try:
                plan_of(DiscreteVAE(gradient=name, **settings))
            except UsageError as error:
                refused[f"{name} {settings}"] = error
    assert len(refused) > 15
    for error in refused.values():
        assert error.where.startswith("gradient")
        assert error.mend
        assert not core & set(re.findall(r"\w+", str(error)))


@pytest.mark.parametrize("gradient", ["sum-and-sample", "unordered-set"])
def test_estimators_of_one_draw_need_no_setting_for_it(gradient: str) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (40, 4))
    fitted = DiscreteVAE(3, gradient=gradient, preset="fast", max_iter=3, random_state=0).fit(rows)
    assert np.isfinite(fitted.score(rows))
