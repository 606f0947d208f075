"""Importance-weighted bounds, their jackknife, bias and error; the tail of the weights; the sandwich; one front."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from tacit._errors import UsageError
from tacit.data.batch import Batch
from tacit.evaluation.log_likelihood import listed, log_likelihood
from tacit.evaluation.pareto import generalised_pareto, k_hat
from tacit.evaluation.rows import over_rows
from tacit.evaluation.sandwich import sandwich
from tacit.evaluation.weights import LogWeights, error_of_mean, from_log_weights, jackknife, weighted
from tacit.models.enumeration import log_joints
from tests.evaluation._latent_models import codes, encoder, gaussian, rows_of

KEY = jax.random.key(3)
LOG_P = -3.0 + 0.32  # of the log-weights below


def some_log_weights(n: int, s: int) -> np.ndarray:
    return np.random.default_rng(0).normal(-3.0, 0.8, size=(n, s))


def test_the_jackknife_is_that_by_hand_even_where_one_weight_is_nearly_all() -> None:
    log_w = some_log_weights(3, 8)
    log_w[1, 4] = 50.0
    for row, found in zip(log_w, jackknife(log_w), strict=True):
        left = [logsumexp(np.delete(row, i)) - np.log(7) for i in range(8)]
        np.testing.assert_allclose(found, 8 * (logsumexp(row) - np.log(8)) - 7 * np.mean(left), rtol=1e-12)


def test_one_draw_that_has_all_the_weight_is_not_trusted_and_has_no_error() -> None:
    log_w = np.zeros((2, 256))
    log_w[0, 7] = 30.0
    assert from_log_weights(log_w).k_hat[0] == np.inf
    assert from_log_weights(log_w).k_hat[1] < 0.5
    values = np.random.default_rng(0).normal(size=(2, 256, 1))
    found = error_of_mean(log_w - logsumexp(log_w, axis=1, keepdims=True), values)
    assert found[0] == np.inf
    np.testing.assert_allclose(found[1], values[1].std() / 16, rtol=1e-9)


@pytest.mark.parametrize("lead", [12.0, 40.0, 1e4])
def test_the_estimate_is_no_more_than_a_nat_above_the_bound_where_one_draw_has_all_the_weight(lead: float) -> None:
    log_w = np.full((1, 256), -lead)
    log_w[0, 7] = 0.0
    found = from_log_weights(log_w)
    assert 0 <= found.jackknife[0] - found.bounds[0, 2] <= 1 + 1e-9
    assert np.isfinite(found.jackknife_bias).all()
    assert jackknife(log_w)[0] > found.jackknife[0]


def test_halves_are_never_above_the_whole_and_the_gap_is_half_the_variance() -> None:
    """Lognormal weights: log p = m + s²/2, Var(w/p) = exp(s²) - 1; `mean w/p - 1`, of mean nought, takes noise away."""
    log_w = some_log_weights(10_000, 256)
    found = from_log_weights(log_w)
    assert np.all(np.diff(found.bounds, axis=1) >= 0)
    control = np.exp(log_w - LOG_P).mean(axis=1) - 1
    asked = 0.5 * np.expm1(0.64)
    for j, draws in enumerate((64, 128, 256)):
        gap = control - (found.bounds[:, j] - LOG_P)
        np.testing.assert_allclose(draws * gap.mean(), asked, rtol=0.05)
    np.testing.assert_allclose(-found.bias.mean() * 256, asked, rtol=0.05)
    np.testing.assert_allclose(found.error.mean(), np.sqrt(2 * asked / 256), rtol=0.05)
    left = found.jackknife - LOG_P - control
    assert abs(left.mean()) < 4 * left.std() / 100
    assert 0.9 < ((found.jackknife - LOG_P) / found.error).std() < 1.15


def test_the_jackknifes_remaining_bias_is_seen_where_draws_are_few() -> None:
    log_w = some_log_weights(60_000, 32)
    found = from_log_weights(log_w)
    left = found.jackknife - LOG_P - (np.exp(log_w - LOG_P).mean(axis=1) - 1)
    assert left.mean() < -4 * left.std() / np.sqrt(60_000)  # there is something to see
    assert abs(found.jackknife_bias.mean() / left.mean() - 1) < 0.5


def test_rows_without_any_weight_are_impossible_and_the_others_as_before() -> None:
    log_w = some_log_weights(3, 32)
    log_w[2, ::3] = -np.inf
    alone = from_log_weights(log_w)
    found = from_log_weights(np.r_[log_w, np.full((1, 32), -np.inf)])
    for a, b in zip(alone, found, strict=True):
        np.testing.assert_array_equal(a, b[:3])
        assert np.all(np.isfinite(a[:2]))
    assert np.all(np.isfinite([alone.jackknife[2], alone.error[2], alone.jackknife_bias[2], alone.k_hat[2]]))
    assert (alone.elbo[2], alone.elbo_error[2]) == (-np.inf, np.inf)
    assert found.jackknife[3] == found.bounds[3, 2] == -np.inf
    assert found.error[3] == found.k_hat[3] == np.inf


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.7, 1.3])
def test_the_shape_of_generalised_pareto_draws_is_found(k: float) -> None:
    x = stats.genpareto(k, scale=3.0).rvs(size=(40, 4000), random_state=0)
    found = generalised_pareto(x)
    error = (1 + k) / np.sqrt(4000) if k > -0.5 else 0.02  # asymptotic, of the maximum likelihood
    assert abs(found.mean() - k) < 4 * error / np.sqrt(40) + 0.01
    assert 0.7 < found.std() / error < 1.4


@pytest.mark.parametrize("k", [0.3, 0.7, 1.0])
def test_k_hat_tells_known_tails(k: float) -> None:
    log_w = -k * np.log(np.random.default_rng(1).random((50, 10_000)))
    found = k_hat(log_w)
    error = (1 + k) / np.sqrt(300)  # of 300 draws in the tail
    assert abs(found.mean() - (300 * k + 5) / 310) < 4 * error / np.sqrt(50) + 0.03
    np.testing.assert_allclose(k_hat(log_w + 500.0), found, rtol=1e-6)
    assert np.all(k_hat(np.zeros((2, 100))) == -np.inf)
    rounding = 1e-10 * np.random.default_rng(0).pareto(0.5, (2, 100))  # as float32 leaves of equal ones
    assert np.all(k_hat(rounding) == -np.inf)
    with pytest.raises(UsageError, match="24 draws"):
        k_hat(np.zeros((2, 24)))


def test_weights_of_a_code_meet_the_listed_states_and_do_not_change_with_the_tile() -> None:
    model, posterior = codes()
    rows = rows_of(model, 30)
    exact = listed(model, rows)
    by_hand = [float(logsumexp(np.asarray(log_joints(model, jnp.asarray(y)), float))) for y in rows.y]
    np.testing.assert_allclose(exact, by_hand, rtol=1e-5)
    found = weighted(model, posterior, rows, num_samples=200, key=KEY)
    z = (found.jackknife - exact) / found.error
    assert np.abs(z).max() < 4.5
    assert 0.6 < z.std() < 1.4
    other = over_rows(LogWeights(40), model, posterior, rows, key=KEY, tile=7).log_w
    np.testing.assert_allclose(other, over_rows(LogWeights(40), model, posterior, rows, key=KEY).log_w, rtol=1e-5)


def test_the_sandwich_holds_the_truth_and_its_gaps_are_the_leading_bias() -> None:
    """Both gaps are Var(w/p)/(2 S) to leading order, with the variance under q, here by listing."""
    model, posterior = codes()
    n, s = 4000, 32
    found = sandwich(model, posterior, n, key=KEY, num_samples=s)
    states = model.prior.distribution.support()
    events = ((np.arange(32)[:, None] >> np.arange(5)) & 1).astype(float)
    truth = gap = 0.0
    for y in events:
        joint = np.asarray(log_joints(model, jnp.asarray(y, jnp.float32)), float)
        log_p = logsumexp(joint)
        log_q = np.asarray(jax.vmap(posterior((jnp.asarray(y, jnp.float32), None)).log_prob)(states), float)
        truth += np.exp(log_p) * log_p
        gap += np.exp(log_p) * (np.exp(2 * (joint - log_p) - log_q).sum() - 1) / (2 * s)
    assert found.lower.kind == "lower bound"
    assert found.upper.kind == "upper bound"
    for result, sign in ((found.lower, -1), (found.upper, 1)):
        z = (result.value - truth - sign * gap) / result.standard_error
        assert abs(z) < 4.5
    # paired, the rows' own noise cancels
    assert abs(found.gap.value - 2 * gap) < 4.5 * found.gap.standard_error + 0.2 * gap
    assert found.gap.value > 10 * found.gap.standard_error


def test_the_front_takes_the_best_way_there_is_and_all_ways_agree() -> None:
    model, posterior = codes()
    rows = rows_of(model, 40)
    best = log_likelihood(model, posterior, rows, key=KEY)
    assert (best.method, best.result.kind, best.result.monte_carlo_error) == ("listing", "exact", None)
    drawn = log_likelihood(model, posterior, rows, key=KEY, method="importance", num_samples=50)
    assert [r.kind for r in drawn.results] == ["estimate"] + 4 * ["lower bound"]
    values = [r.value for r in drawn.results[1:]]
    assert values == sorted(values, reverse=True)
    for result in drawn.results[:4]:
        assert result.standard_error is not None
        assert result.monte_carlo_error > 0
        assert abs(result.value - result.bias - best.result.value) < 4 * result.monte_carlo_error
    again = log_likelihood(model, posterior, rows, key=KEY, method="importance", num_samples=50)
    assert again.results == drawn.results
    normal = gaussian(1, 3, bent=1.0)
    rows = rows_of(normal, 20)
    best = log_likelihood(normal, encoder(normal), rows, key=KEY)
    drawn = log_likelihood(normal, encoder(normal), rows, key=KEY, method="importance")
    assert (best.method, best.result.kind) == ("quadrature", "exact")
    assert abs(drawn.result.value - best.result.value) < 4 * drawn.result.monte_carlo_error


def test_weights_of_rows_and_offsets_count() -> None:
    model, posterior = codes()
    rows = rows_of(model, 6)
    weight = np.array([1.0, 2.0, 0.0, 1.0, 0.0, 3.0])
    repeated = np.repeat(np.arange(6), weight.astype(int))
    shift = np.arange(6.0)
    found = log_likelihood(model, posterior, rows._replace(weight=weight), key=KEY, offset=shift)
    plain = log_likelihood(model, posterior, Batch(rows.y[repeated], *4 * [None]), key=KEY, offset=shift[repeated])
    np.testing.assert_allclose(found.result.value, plain.result.value, rtol=1e-6)


def test_what_makes_no_sense_is_refused() -> None:
    model, posterior = codes()
    rows = rows_of(model, 2)
    with pytest.raises(UsageError, match="not known"):
        log_likelihood(model, posterior, rows, key=KEY, method="annealed")
    with pytest.raises(UsageError, match="no q to draw from"):
        log_likelihood(model, None, rows, key=KEY, method="importance")
    with pytest.raises(UsageError, match="too few draws"):
        log_likelihood(model, posterior, rows, key=KEY, method="importance", num_samples=3)
    with pytest.raises(UsageError, match="no rows"):
        listed(model, Batch(np.zeros((0, 5)), None, None, None, None))
    with pytest.raises(UsageError, match="give no bounds"):
        sandwich(model, posterior, 0, key=KEY)
