"""One mixture of Bernoulli columns by EM and by variational inference, its gradients listed or leave-one-out."""

from __future__ import annotations

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Product
from tacit.gradients import Enumeration, LeaveOneOut
from tacit.inference import em
from tacit.inference.fit import Settings
from tacit.inference.optimizers import Descent
from tacit.inference.population import refine
from tacit.inference.source import Source
from tacit.models import (
    CategoricalLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    FiniteMixture,
    LatentModel,
    Prior,
    Recognition,
)
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO
from tacit.training import train
from tacit.workflow.latent_density import log_marginals

COLUMNS = 12  # those whose mean is nearest to a half
WARM = 25  # steps of EM from random probabilities that give the one start: after few, two methods may part
STEPS = 2500  # of gradient ascent, on all rows
RATE = 0.05
DRAWS = 4
ASKED = {"enumeration": 1e-3, "leave-one-out": 1e-2}  # nats a row


def digits() -> np.ndarray:
    """scikit-learn's digits in black and white, a few columns."""
    bits = (load_digits().data > 7).astype(float)
    return bits[:, np.argsort(np.abs(bits.mean(axis=0) - 0.5))[:COLUMNS]]


def by_em(y: np.ndarray, log_weights: np.ndarray, logits: np.ndarray, steps: int) -> FiniteMixture:
    """EM from these parameters (k,), (k, d): `steps`, or to convergence."""
    settings = Settings(max_steps=steps, tolerance=1e-10, plain_steps=steps)
    with jax.enable_x64(True):
        source = Source(y, np.ones((len(y), 1)))
        population = em.Population(log_weights[None], Product((Bernoulli(logits[None]),)), np.zeros(1, int))
        fitted = refine(source, population, (np.float64(0.0),), settings)[0]
    mixture: FiniteMixture = jax.tree.map(np.asarray, fitted.mixture)
    return mixture


def networks(log_weights: np.ndarray, logits: np.ndarray) -> tuple[LatentModel, Recognition]:
    """The same mixture as a linear decoder, and as q the linear encoder that is exact for it."""
    k, d = logits.shape
    latent = CategoricalLatent(k)
    family, inputs = ColumnFamily(None, d, (), None), ColumnInputs(0, d, (), None)
    linear = Dense((), "identity")
    decoder = Decoder(latent, linear, Linear(jnp.asarray(logits.T, jnp.float32), jnp.zeros(d)), family)
    bias = log_weights + logits.sum(axis=1) / 2 - np.logaddexp(0, logits).sum(axis=1)  # inputs are 2 y - 1
    head = Linear(jnp.asarray(logits / 2, jnp.float32), jnp.asarray(bias, jnp.float32))
    prior = Prior(latent, jnp.asarray(log_weights, jnp.float32))
    return LatentModel(prior, decoder), Recognition(inputs, linear, head, latent)


def by_gradients(y: np.ndarray, log_weights: np.ndarray, logits: np.ndarray, gradient: Any, draws: int) -> np.ndarray:
    """Log density (n,) of every row after training model and q from these parameters, exact."""
    model, posterior = networks(log_weights, logits)
    fitted = train(
        model,
        posterior,
        Batch(y, None, None, None, None),
        key=jax.random.key(1),
        objective=ELBO(),
        gradient=gradient,
        optimizer=Descent(RATE, decay_steps=float(STEPS)),
        num_samples=draws,
        batch_size=len(y),
        max_epochs=STEPS,
    )
    return log_marginals(jax.tree.map(np.asarray, fitted.model), y, None)


def compared(y: np.ndarray, k: int) -> dict[str, Any]:
    """The three log-likelihoods of k components from one start, in nats a row."""
    rng = np.random.default_rng(k)
    first = np.zeros(k) - np.log(k), rng.normal(scale=0.5, size=(k, y.shape[1]))
    start = by_em(y, *first, steps=WARM)
    parameters = np.asarray(start.log_weights), np.asarray(start.components.blocks[0].logits)
    began = time.perf_counter()
    best = by_em(y, *parameters, steps=20_000)
    log_p = np.asarray(jax.vmap(best.log_prob)(jnp.asarray(y)))
    row: dict[str, Any] = {"k": k, "EM": float(log_p.mean()), "EM s": time.perf_counter() - began}
    for name, gradient, draws in (("enumeration", Enumeration(), 1), ("leave-one-out", LeaveOneOut(), DRAWS)):
        began = time.perf_counter()
        found = by_gradients(y, *parameters, gradient, draws)
        gap = float(found.mean()) - row["EM"]
        row |= {name: float(found.mean()), f"{name} - EM": gap, f"{name} s": time.perf_counter() - began}
        row[f"{name} within"] = "yes" if abs(gap) <= ASKED[name] else "no"
    return row


def main() -> None:
    ks = [int(text) for text in sys.argv[1:]] or list(range(3, 11))
    y = digits()
    rows = []
    for k in ks:
        rows.append(compared(y, k))
        print(rows[-1], flush=True)
    note = (
        f"{len(y)} digits, {COLUMNS} columns; one start, {WARM} steps of EM from random logits; gradients on all rows, "
        f"{STEPS} steps; asked: within {ASKED['enumeration']:g} (listed) and {ASKED['leave-one-out']:g} ({DRAWS} draws)"
    )
    report("discrete_mixtures", rows, note)


if __name__ == "__main__":
    main()
