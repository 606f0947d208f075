"""One mixture by EM (written out here) and by variational training from the same start: the same log-likelihood."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.data.batch import Batch
from tacit.gradients import Enumeration, LeaveOneOut
from tacit.inference.optimizers import Descent
from tacit.models import (
    CategoricalLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    LatentModel,
    Prior,
    Recognition,
)
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO
from tacit.training import train
from tacit.workflow.latent_density import log_joints, log_marginals

N, D, K, STEPS = 300, 6, 3, 1500


def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    probs = np.array([[0.9, 0.8, 0.2, 0.2, 0.5, 0.1], [0.2, 0.3, 0.9, 0.8, 0.4, 0.2], [0.3, 0.6, 0.2, 0.5, 0.9, 0.9]])
    return (rng.random((N, D)) < probs[rng.integers(0, K, N)]).astype(float)


def em(y: np.ndarray, weights: np.ndarray, probs: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Plain EM: weights, probabilities, and the mean log-likelihood before the last step."""
    log_likelihood = -np.inf
    for _ in range(steps):
        joints = np.log(weights) + y @ np.log(probs).T + (1 - y) @ np.log1p(-probs).T
        log_likelihood = float(np.mean(np.logaddexp.reduce(joints, axis=1)))
        r = np.exp(joints - np.logaddexp.reduce(joints, axis=1, keepdims=True))
        weights = r.mean(axis=0)
        probs = np.clip(r.T @ y / r.sum(axis=0)[:, None], 1e-9, 1 - 1e-9)
    return weights, probs, log_likelihood


def networks(weights: np.ndarray, probs: np.ndarray) -> tuple[LatentModel, Recognition]:
    """The mixture as a linear decoder with a learned prior, and the linear encoder that is exact for it."""
    logits = np.log(probs) - np.log1p(-probs)
    latent, linear = CategoricalLatent(K), Dense((), "identity")
    family, inputs = ColumnFamily(None, D, (), None), ColumnInputs(0, D, (), None)
    decoder = Decoder(latent, linear, Linear(jnp.asarray(logits.T, jnp.float32), jnp.zeros(D)), family)
    bias = np.log(weights) + logits.sum(axis=1) / 2 - np.logaddexp(0, logits).sum(axis=1)
    head = Linear(jnp.asarray(logits / 2, jnp.float32), jnp.asarray(bias, jnp.float32))
    prior = Prior(latent, jnp.asarray(np.log(weights), jnp.float32))
    return LatentModel(prior, decoder), Recognition(inputs, linear, head, latent)


@pytest.fixture(scope="module")
def start() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    weights, probs, _ = em(rows(), np.full(K, 1 / K), rng.uniform(0.25, 0.75, (K, D)), 3)
    return weights, probs


def test_the_linear_encoder_is_the_exact_posterior_of_the_mixture(start: tuple[np.ndarray, np.ndarray]) -> None:
    y = rows()
    model, posterior = networks(*start)
    joints = log_joints(model, y, None)
    q = jax.vmap(lambda row: posterior((row, None)).log_probs())(jnp.asarray(y, jnp.float32))  # type: ignore[attr-defined]
    np.testing.assert_allclose(q, joints - np.logaddexp.reduce(joints, axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize(
    ("gradient", "draws", "within"),
    [
        pytest.param(Enumeration(), 1, 1e-3, id="listed"),
        pytest.param(LeaveOneOut(), 8, 1e-2, id="sampled", marks=pytest.mark.slow),
    ],
)
def test_variational_training_reaches_what_em_reaches(
    gradient: Any, draws: int, within: float, start: tuple[np.ndarray, np.ndarray]
) -> None:
    y = rows()
    *_, reached = em(y, *start, 5000)
    model, posterior = networks(*start)
    fitted = train(
        model,
        posterior,
        Batch(y, None, None, None, None),
        key=jax.random.key(0),
        objective=ELBO(),
        gradient=gradient,
        optimizer=Descent(0.03, decay_steps=float(STEPS)),
        num_samples=draws,
        batch_size=N,
        max_epochs=STEPS,
    )
    before = float(log_marginals(model, y, None).mean())
    after = float(log_marginals(jax.tree.map(np.asarray, fitted.model), y, None).mean())
    assert before < reached - 2 * within, "the start is not the end"
    assert abs(after - reached) < within
