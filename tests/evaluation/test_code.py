"""Rate, distortion, units in use, mutual information and the two gaps, against closed forms and lists of states."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from tacit._errors import UsageError
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Categorical, DiagonalNormal
from tacit.evaluation.code import code
from tacit.evaluation.gaps import gaps
from tacit.evaluation.log_likelihood import log_likelihood
from tacit.evaluation.mutual_information import mutual_information
from tacit.models import AbstractConditional, Autoregressive, Constant, LatentModel
from tacit.models.enumeration import log_joints
from tacit.networks import MADE
from tests.evaluation._latent_models import Encoder, codes, encoder, gaussian, linear_posterior, rows_of

KEY = jax.random.key(5)


def test_rate_and_distortion_of_a_code_are_those_of_the_listed_states() -> None:
    model, posterior = codes()
    rows = rows_of(model, 20)
    found = code(model, posterior, rows, key=KEY, num_samples=64)
    rate = distortion = 0.0
    usage = np.zeros((20, 2, 3))
    for i, y in enumerate(rows.y):
        q = posterior((y, None))
        q_states, prior = np.exp(np.asarray(q.log_probs(), float)), np.asarray(model.prior(None).log_probs(), float)
        rate += q_states @ (np.log(q_states) - prior) / 20
        distortion -= q_states @ (np.asarray(log_joints(model, y), float) - prior) / 20
        usage[i] = np.exp(np.asarray(jax.nn.log_softmax(q.logits)))
    assert found.rate.kind == "exact"
    np.testing.assert_allclose(found.rate.value, rate, rtol=1e-4)
    np.testing.assert_allclose(found.kl.sum(), rate, rtol=1e-4)
    assert abs(found.distortion.value - distortion) < 4 * found.distortion.monte_carlo_error
    np.testing.assert_allclose(found.variance, usage.var(axis=0).max(axis=1), rtol=1e-3)
    np.testing.assert_allclose(found.usage, usage.mean(axis=0), rtol=1e-4)
    rare = usage.mean(axis=0) < 0.1 / 3
    assert found.unused == [(d, s) for d in range(2) for s in range(3) if rare[d, s] and found.active[d]]


def test_a_divergence_without_closed_form_is_drawn() -> None:
    """q is one row's; the prior is autoregressive: 16 states, listed by hand."""
    prior = Autoregressive(jax.tree.map(lambda a: a + 0.5, MADE.init(KEY, 4, 1, (6,))))
    q = Bernoulli(jnp.array([0.5, -1.0, 2.0, 0.0]))
    model = LatentModel(prior, Constant(Bernoulli(jnp.zeros(2))))
    rows = Batch(np.zeros((20, 2)), None, None, None, None)
    found = code(model, Constant(q), rows, key=KEY, num_samples=200)
    log_q, log_p = (np.asarray(d.log_probs(), float) for d in (q, prior(None)))
    assert found.kl is None
    assert found.rate.kind == "estimate"
    assert abs(found.rate.value - np.exp(log_q) @ (log_q - log_p)) < 4 * found.rate.monte_carlo_error


@pytest.mark.parametrize(("used", "verdict"), [(2, "in use"), (1, "partly collapsed"), (0, "collapsed")])
def test_collapse_is_seen_and_has_a_remedy(used: int, verdict: str) -> None:
    model = gaussian(2, 3, bent=0.0)
    matrix = np.asarray(linear_posterior(model)[0]) * (np.arange(2) < used)[:, None]
    log_scale = np.where(np.arange(2) < used, -1.0, 0.0)
    posterior = Encoder(jnp.asarray(matrix, float), jnp.asarray(log_scale, float))
    found = code(model, posterior, rows_of(model, 60), key=KEY)
    assert found.verdict == verdict
    assert found.active.sum() == used
    assert bool(found.remedy) == (used < 2)
    assert (found.usage, found.unused) == (None, [])
    np.testing.assert_allclose(found.kl[used:], 0.0, atol=1e-7)


def test_mutual_information_of_a_code_is_that_of_the_listed_states() -> None:
    model, posterior = codes()
    rows = rows_of(model, 40)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=40)
    found = mutual_information(model, posterior, rows._replace(weight=weight), key=KEY)
    q = np.exp([np.asarray(posterior((y, None)).log_probs(), float) for y in rows.y])
    share = weight / weight.sum()
    asked = float(share @ np.sum(q * np.log(q / (share @ q)), axis=1))
    assert found.mutual_information.kind == "exact"
    np.testing.assert_allclose(found.mutual_information.value, asked, rtol=1e-4)
    rate = code(model, posterior, rows._replace(weight=weight), key=KEY).rate.value
    assert asked < rate  # by the divergence of the aggregate from the prior


def test_mutual_information_of_normals_meets_a_grid() -> None:
    model = gaussian(1, 2, bent=0.0)
    rows = rows_of(model, 30)
    found = mutual_information(model, encoder(model), rows, key=KEY, num_samples=400)
    qs = [encoder(model)((jnp.asarray(y), None)) for y in rows.y]
    z = np.linspace(-8, 8, 8001)
    loc, scale = (np.array([float(v[0]) for v in a]) for a in ([q.loc for q in qs], [jnp.exp(q.log_scale) for q in qs]))
    densities = np.exp(-0.5 * ((z - loc[:, None]) / scale[:, None]) ** 2) / scale[:, None] / np.sqrt(2 * np.pi)
    ratio = np.log(np.maximum(densities, 1e-300) / densities.mean(0))
    asked = float(np.mean(np.sum(densities * ratio, axis=1) * (z[1] - z[0])))
    result = found.mutual_information
    assert result.kind == "estimate"
    assert abs(result.value - asked) < 4 * result.monte_carlo_error
    assert result.value < np.log(30)


def test_gaps_of_a_linear_model_are_the_closed_ones() -> None:
    """Independent normals: at their best they lack half the log determinant of the posterior's correlations."""
    model = gaussian(2, 3, bent=0.0)
    matrix, covariance = linear_posterior(model)
    rows = rows_of(model, 16)
    shifted = Encoder(jnp.asarray(matrix + 0.2, float), jnp.full(2, -0.5))
    log_p = log_likelihood(model, shifted, rows, key=KEY)
    found = gaps(model, shifted, rows, log_p, key=KEY)
    precision = np.linalg.inv(covariance)
    family = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    gap = np.zeros(16)
    for i, y in enumerate(rows.y):
        shift = 0.2 * y.sum() * np.ones(2)
        spread = np.exp(-1.0) * np.trace(precision)
        gap[i] = 0.5 * (spread + shift @ precision @ shift - 2 + np.linalg.slogdet(covariance)[1] + 2)
    assert family > 0.05
    assert abs(found.approximation.value - family) < 4 * found.approximation.monte_carlo_error + 0.01
    assert abs(found.amortisation.value - (gap.mean() - family)) < 4 * found.amortisation.monte_carlo_error + 0.01
    assert (found.amortisation.kind, found.approximation.kind) == ("lower bound", "upper bound")


def test_gaps_of_one_category_are_the_divergence_and_nought() -> None:
    class Logits(AbstractConditional):
        weight: jax.Array

        def __call__(self, context):
            return Categorical(self.weight @ (2 * context[0] - 1))

    model, _ = codes(digits=1, states=4)
    single = LatentModel(Constant(Categorical(model.prior(None).logits[0])), _Row(model.likelihood))
    posterior = Logits(jax.random.normal(KEY, (4, 5)))
    rows = rows_of(single, 12)
    found = gaps(single, posterior, rows, log_likelihood(single, posterior, rows, key=KEY), key=KEY)
    divergence = []
    for y in rows.y:
        joint, log_q = (np.asarray(a, float) for a in (log_joints(single, y), posterior((y, None)).log_probs()))
        divergence.append(np.exp(log_q) @ (log_q - joint + logsumexp(joint)))
    assert found.approximation.monte_carlo_error is None
    assert -1e-5 < found.approximation.value < 0.002
    np.testing.assert_allclose(found.amortisation.value, np.mean(divergence), atol=0.002)


class _Row(AbstractConditional):
    """A likelihood of a code of one digit, of its category."""

    likelihood: AbstractConditional

    def __call__(self, context):
        z, x = context
        return self.likelihood((z[None], x))


def test_too_few_draws_and_unknown_latents_are_refused() -> None:
    model = gaussian(1, 2, bent=0.0)
    rows = rows_of(model, 3)
    with pytest.raises(UsageError, match="at least 2"):
        code(model, encoder(model), rows, key=KEY, num_samples=1)
    with pytest.raises(UsageError, match="at least 2"):
        mutual_information(model, encoder(model), rows, key=KEY, num_samples=1)
    made = LatentModel(Autoregressive(MADE.init(KEY, 2, 1, ())), Constant(DiagonalNormal(jnp.zeros(2), jnp.zeros(2))))
    with pytest.raises(UsageError, match="is not known"):
        code(made, made.prior, rows, key=KEY)
