"""VAE: a linear one against exact factor analysis, its scale, its answers, how a learned scale collapses, bad input."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

import tacit
from tacit import VAE, LinearGaussian
from tacit._errors import DataError, TacitWarning, UsageError
from tacit.data.batch import Batch
from tacit.estimators.vae import plan_of
from tacit.gradients import Pathwise
from tacit.inference.joint import Joint
from tacit.inference.optimizers import Descent
from tacit.inference.warm_up import WarmUp
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel
from tacit.objectives import ELBO
from tacit.workflow import latent_scale
from tacit.workflow.latent_scale import with_residual_scale

D = 5


@pytest.fixture(scope="module")
def X() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 2)) @ rng.normal(size=(2, D)) * 2 + rng.uniform(0.3, 1.0, D) * rng.normal(
        size=(300, D)
    )


@pytest.fixture(scope="module")
def linear(X: np.ndarray) -> VAE:
    settings: dict[str, Any] = {"hidden_layer_sizes": (), "max_iter": 200, "learning_rate": 0.01, "n_mc_samples": 4}
    return quiet(VAE(2, weight_decay=0.0, random_state=0, validation_fraction=0.0, **settings), X)


def quiet(model: VAE, X: Any) -> VAE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", TacitWarning)
        return model.fit(X)


def test_a_linear_one_comes_to_factor_analysis(X: np.ndarray, linear: VAE) -> None:
    exact = LinearGaussian(2, noise="diagonal", random_state=0).fit(X).score(X)
    figures = {figure.name: figure for figure in linear.evaluate(X)}
    found = figures["log-likelihood"]  # of two latents: an integral
    assert (found.kind, found.monte_carlo_error) == ("exact", None)
    assert "quadrature" in found.note
    assert exact - 0.05 < found.value < exact + 1e-4
    bound = figures["ELBO"]
    assert bound.kind == "lower bound"
    assert exact - 0.1 < bound.value < exact + 5 * bound.monte_carlo_error


def test_the_shared_scale_is_the_root_of_the_residual_variance(X: np.ndarray, linear: VAE) -> None:
    """`E_q (y - mu(z))^2` of a linear decoder: the residual at the mean of q, and the slopes times its variance."""
    z = linear.transform(X)
    at = np.asarray(linear.inverse_transform(z))
    steps = np.stack([np.asarray(linear.inverse_transform(z + np.eye(2)[j])) - at for j in range(2)])
    spread = np.exp(2 * np.asarray(linear.model_.posteriors(linear._rows(X)).log_scale))
    residual = (X - at) ** 2 + np.einsum("jnd,nj->nd", steps**2, spread)
    found = np.array(list(linear.noise_scale_.values())) ** 2
    np.testing.assert_allclose(found, residual.mean(axis=0), rtol=0.03)  # 32 draws a row


def test_the_shared_scales_of_a_long_sorted_table_are_of_rows_from_all_over(
    X: np.ndarray, linear: VAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = np.sum((X - np.asarray(linear.reconstruct(X))) ** 2, axis=1)
    rows = linear._rows(X[np.argsort(off)])

    def scales() -> np.ndarray:
        decoder: Any = with_residual_scale(linear.model_, rows).model.likelihood
        return np.exp(decoder.family.normal.log_scale)

    whole = scales()
    monkeypatch.setattr(latent_scale, "_MOST_ROWS", 100)
    np.testing.assert_allclose(scales(), whole, rtol=0.2)  # 100 rows: a standard error of .06


def test_cells_that_single_precision_cannot_square_leave_no_answer_without_a_number(X: np.ndarray, linear: VAE) -> None:
    far = X[:3].copy()
    far[1, 0] = 1e25
    found, near = (linear.model_.weighted(linear._rows(rows), 64) for rows in (far, X[:3]))
    assert np.isfinite(found.bounds).all()
    assert found.bounds[1, 2] < -1e20
    np.testing.assert_array_equal(found.bounds[[0, 2]], near.bounds[[0, 2]])
    assert [one.value for one in linear.evaluate(far) if not np.isfinite(one.value)] == []
    far[1, 2] = np.nan
    assert np.isfinite(linear.impute(far)).all()


def test_answers_are_the_same_at_every_call_and_in_a_file(X: np.ndarray, linear: VAE, tmp_path: Any) -> None:
    first = linear.score_samples(X[:20])
    np.testing.assert_array_equal(first, linear.score_samples(X[:20]))
    np.testing.assert_array_equal(linear.denoise(X[:5]), linear.denoise(X[:5]))
    linear.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    assert isinstance(again, VAE)
    np.testing.assert_array_equal(again.score_samples(X[:20]), first)
    np.testing.assert_array_equal(again.transform(X[:20]), linear.transform(X[:20]))
    assert again.noise_scale_ == linear.noise_scale_


def test_cells_are_filled_as_the_exact_model_fills_them(X: np.ndarray, linear: VAE) -> None:
    exact = LinearGaussian(2, noise="diagonal", random_state=0).fit(X)
    holed = X[:40].copy()
    holed[np.arange(40), np.arange(40) % D] = np.nan
    expected, spread = exact.impute(holed), X.std(0)
    missing = np.isnan(holed)
    found = linear.impute(holed)
    np.testing.assert_array_equal(found[~missing], holed[~missing])
    error, told = (((filled - means) / spread)[missing] for filled, means in ((found, expected), (expected, X.mean(0))))
    share = np.sqrt(np.mean(error**2) / np.mean(told**2))
    assert share < 0.03  # the trained parameters are off by .01 of it, and so are the draws
    drawn = np.stack(linear.impute(holed, draws=3, random_state=0))
    assert drawn.shape == (3, 40, D)
    assert np.isfinite(drawn).all()
    assert np.std(drawn, axis=0)[missing].min() > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"posterior": "full"},
        {"objective": "iwae", "gradient": "doubly-reparameterised", "n_mc_samples": 3},
        pytest.param({"gradient": "sticking-the-landing", "kl": "sampled"}, marks=pytest.mark.slow),
        pytest.param(
            {"kl_warm_up": 0.5, "free_bits": 0.1, "beta": 0.5, "scale": "floored", "scale_floor": 0.1},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_way_of_training_beats_independent_columns(X: np.ndarray, settings: dict[str, Any]) -> None:
    found = quiet(VAE(2, preset="fast", max_iter=60, random_state=0, **settings), X)
    independent = -0.5 * D * (1 + np.log(2 * np.pi)) - np.log(X.std(0)).sum()
    assert found.score(X) > independent + 0.5
    assert found.transform(X[:3]).shape == (3, 2)
    assert np.isfinite(found.sample(5, random_state=0)).all()


def test_a_table_of_any_columns() -> None:
    rng = np.random.default_rng(1)
    big = rng.random(150) < 0.5
    table = {
        "size": np.exp(big + 0.2 * rng.normal(size=150)),
        "name": np.where(big, "b", np.where(rng.random(150) < 0.5, "a", "c")),
        "shift": np.where(rng.random(150) < 0.1, np.nan, rng.normal(size=150) - 3.0 * big),
    }
    found = quiet(VAE(1, preset="fast", max_iter=80, random_state=0), table)
    assert set(found.reconstruct(table)) == set(table)
    whole = found.impute(table)
    assert not np.isnan(np.asarray(whole["shift"], float)).any()
    assert set(found.sample(20, random_state=0)["name"]) <= {"a", "b", "c"}
    assert np.isfinite(found.score_samples(table)).all()


def test_a_scale_without_a_floor_shrinks_onto_repeated_rows_and_is_explained() -> None:
    rng = np.random.default_rng(2)
    rows = np.repeat(rng.normal(size=(4, 3)), 6, axis=0)
    new = rows + 0.2 * rng.normal(size=rows.shape)
    settings: dict[str, Any] = {
        "validation_fraction": 0.0,
        "max_iter": 800,
        "learning_rate": 0.01,
        "hidden_layer_sizes": (32,),
        "random_state": 0,
    }
    fits = {}
    for scale in ("network", "shared"):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            fits[scale] = VAE(2, scale=scale, **settings).fit(rows)
        assert any("memorised" in str(one.message) for one in told) == (scale == "network")
    assert fits["network"].score(rows) > fits["shared"].score(rows)
    assert fits["network"].score(new) < fits["shared"].score(new) - 10


def test_the_weight_of_the_divergence_rises() -> None:
    """At step t of T the gradient is that of beta min((t + 1) / T, 1); judging takes beta as it is."""
    model = LinearGaussianModel.start(jax.random.key(0), 3, 1, isotropic=True)
    y = jax.random.normal(jax.random.key(1), (8, 3))
    batch = Batch(y, None, None, jnp.ones(8), jnp.arange(8))
    encoder = LinearEncoder.zeros(3, 1, full=False)
    key = jax.random.key(2)

    def gradient(procedure: Joint, step: int) -> list[Any]:
        state = procedure.init(key, model, encoder, batch)._replace(step=jnp.array(step))
        return jax.tree.leaves(procedure.summarise(key, state, batch).gradient)

    def whole(beta: float) -> tuple[Any, ...]:
        return ELBO(beta=beta, kl="closed"), Pathwise(), Descent()

    for step, share in ((0, 0.25), (2, 0.75), (9, 1.0)):
        found = gradient(WarmUp(*whole(2.0), steps=4.0), step)
        for a, b in zip(found, gradient(Joint(*whole(2.0 * share)), step), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    state = WarmUp(*whole(2.0), steps=4.0).init(key, model, encoder, batch)
    judged = [p.evaluate(key, state, batch)[0] for p in (WarmUp(*whole(2.0), steps=4.0), Joint(*whole(2.0)))]
    np.testing.assert_allclose(*judged)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"likelihood": "cauchy"}, "bernoulli"),
        ({"likelihood": "bernoulli"}, "neither 0 nor 1"),
        ({"batch_size": 500}, "more than the"),
        ({"objective": "iwae", "kl": "closed"}, "no closed KL"),
        ({"objective": "iwae", "kl_warm_up": 0.5}, "no divergence to weigh"),
        ({"gradient": "enumeration"}, "cannot be listed"),
        ({"gradient": "reparametrised"}, "pathwise"),
        ({"scale": "free"}, "shared"),
        ({"hidden_layer_sizes": (0,)}, "widths"),
    ],
)
def test_bad_input_is_told(X: np.ndarray, settings: dict[str, Any], match: str) -> None:
    with pytest.raises((UsageError, DataError), match=match):
        VAE(2, preset="fast", random_state=0, **settings).fit(X)


@pytest.mark.parametrize("draws", [1, 0, 2.5])
def test_too_few_draws_to_tell_an_error_are_refused(X: np.ndarray, linear: VAE, draws: Any) -> None:
    with pytest.raises(UsageError, match="draws tell no error"):
        linear.evaluate(X[:5], n_mc_samples=draws)


def test_codes_of_another_shape_are_told(linear: VAE) -> None:
    with pytest.raises(UsageError, match=r"Give \(n, 2\)"):
        linear.inverse_transform(np.zeros((3, 1)))
    with pytest.raises(UsageError, match="missing or infinite"):
        linear.inverse_transform([[np.nan, 0.0]])


@pytest.mark.slow
def test_it_passes_scikit_learns_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dealt = "rows are dealt to batches and set aside one by one"
        expected = {"check_sample_weight_equivalence_on_dense_data": dealt}
        check_estimator(VAE(2, preset="fast"), expected_failed_checks=expected)


def test_sticking_the_landing_is_of_the_sampled_divergence() -> None:
    objective = plan_of(VAE(2, gradient="sticking-the-landing")).objective
    assert not objective.closed_kl
    for given in ({"kl": "closed"}, {"free_bits": 0.1}):
        with pytest.raises(UsageError, match="sampled KL"):
            plan_of(VAE(2, gradient="sticking-the-landing", **given))


@pytest.mark.parametrize(
    ("given", "where"),
    [({"n_mc_samples": 1}, "n_mc_samples"), ({"gradient": "sticking-the-landing"}, "gradient")],
    ids=str,
)
def test_an_importance_weighted_bound_needs_draws_and_a_gradient_of_it(given: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError, match="importance-weighted") as caught:
        plan_of(VAE(2, objective="iwae", **given))
    assert caught.value.where == where
    plan = plan_of(VAE(2, objective="iwae"))
    assert plan.num_samples > 1
    assert not plan.residual_scale  # s² = E_q (y - mu)² is best for the ELBO alone
    assert plan_of(VAE(2)).num_samples == 1


def test_a_pair_of_optimisers_by_name_falls_like_one() -> None:
    rules = plan_of(VAE(2, optimizer=("adam", "sgd"), learning_rate=0.02)).training.descent(100)
    assert [part.rule for part in (rules.model, rules.posterior)] == ["adam", "sgd"]
    assert all((part.learning_rate, part.decay_steps > 0) == (0.02, True) for part in (rules.model, rules.posterior))


@pytest.mark.parametrize("latents", [1, 4])
def test_holes_are_filled_and_predicted_by_the_conditional_of_the_model_itself(latents: int) -> None:
    """In units of the exact conditional's standard deviation, though q was trained on whole rows."""
    random = np.random.default_rng(1)
    loadings = 3 * random.normal(size=(latents, 7))
    rows = random.normal(size=(300, latents)) @ loadings + 0.5 * random.normal(size=(300, 7))
    model = quiet(VAE(latents, hidden_layer_sizes=(), preset="fast", max_iter=200, random_state=0), rows)
    means = np.asarray(model.inverse_transform(np.r_[np.zeros((1, latents)), np.eye(latents)]))
    weight, noise = (means[1:] - means[0]).T, np.array(list(model.noise_scale_.values()))
    covariance = weight @ weight.T + np.diag(noise**2)
    holed = rows[:60].copy()
    holed[random.random(holed.shape) < 0.4] = np.nan
    holed[:, 0] = np.where(np.isnan(holed[:, 1:]).all(axis=1), rows[:60, 0], np.nan)
    found, errors = np.asarray(model.impute(holed)), []
    predicted = model.predict_distribution(holed, "x0").mean()
    for row, filled, first in zip(holed, found, predicted, strict=True):
        seen = ~np.isnan(row)
        slopes = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, ~seen)])
        mean = means[0, ~seen] + (row - means[0])[seen] @ slopes
        spread = np.sqrt(np.diag(covariance)[~seen] - np.sum(covariance[np.ix_(seen, ~seen)] * slopes, axis=0))
        errors += list((filled[~seen] - mean) / spread)
        if not seen[0]:
            errors.append((first - mean[0]) / spread[0])
    assert np.sqrt(np.mean(np.square(errors))) < 0.1
    assert np.max(np.abs(errors)) < 0.5
