"""Which reward goes with the baseline log p_eta(y): the full log-weight, or the likelihood with the KL in closed form.

Two parts: the exact variance of one draw of the gradient between a uniform q and the posterior (eight states, listed,
b = log p(y), mean over 200 problems), and training of a discrete VAE on scikit-learn's digits, 3 seeds.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import log_softmax, logsumexp
from sklearn.datasets import load_digits

from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli
from tacit.gradients import AbstractGradient, LearnedDensity, LeaveOneOut, MovingAverage, NetworkBaseline, Reinforce
from tacit.inference.optimizers import Descent, Separate
from tacit.models import AbstractConditional, Constant, FiniteMixture, LatentModel
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO
from tacit.training import train

STATES, PROBLEMS, COLUMNS, BITS, EPOCHS, SEEDS = 8, 200, 16, 20, 60, 3


class Decoder(AbstractConditional):
    linear: Linear

    def __call__(self, context: Any) -> Bernoulli:
        return Bernoulli(self.linear(2 * context[0] - 1))


class Encoder(AbstractConditional):
    network: Dense
    head: Linear

    def __call__(self, evidence: Any) -> Bernoulli:
        return Bernoulli(self.head(self.network(evidence[0])))


def variances(nearness: float) -> dict[str, Any]:
    """Mean over problems of the variance of `(reward - b) grad log q`, summed over the logits of q."""
    random, found = np.random.default_rng(0), []
    for _ in range(PROBLEMS):
        logits = 1.5 * random.normal(size=(STATES, COLUMNS))
        y = random.random(COLUMNS) < 1 / (1 + np.exp(-logits[random.integers(STATES)]))
        log_lik = -np.logaddexp(0, np.where(y, -logits, logits)).sum(1)
        log_joint = log_lik - np.log(STATES)
        log_q = log_softmax(nearness * log_lik)
        q, b = np.exp(log_q), logsumexp(log_joint)
        score = np.eye(STATES) - q

        def variance(reward: np.ndarray, q: np.ndarray = q, score: np.ndarray = score) -> float:
            draws = reward[:, None] * score
            return float((q @ draws**2 - (q @ draws) ** 2).sum())

        found.append((variance(log_joint - log_q - b), variance(log_lik - b), variance(log_lik - q @ log_lik)))
    full, closed, centred = np.mean(found, axis=0)
    return {
        "part": "variance",
        "q": f"{nearness:g} of the way",
        "full": full,
        "closed KL": closed,
        "closed KL, b = E f": centred,
    }


def trained(gradient: AbstractGradient, kl: str, num_samples: int) -> dict[str, float]:
    rows = (load_digits().data >= 8).astype(np.float32)
    bounds = []
    for seed in range(SEEDS):
        keys = jax.random.split(jax.random.key(seed), 4)
        model = LatentModel(Constant(Bernoulli(jnp.zeros(BITS))), Decoder(Linear.init(keys[0], BITS, 64)))
        posterior = Encoder(Dense.init(keys[1], 64, (64,)), Linear.init(keys[2], 64, BITS))
        fitted = train(
            model,
            posterior,
            Batch(rows, None, None, None, None),
            key=keys[3],
            objective=ELBO(kl=kl),
            gradient=gradient,
            num_samples=num_samples,
            optimizer=Separate(Descent(3e-3), Descent(3e-3), Descent(1e-2)),
            batch_size=100,
            max_epochs=EPOCHS,
            validation=np.arange(0, len(rows), 5),
        )
        bounds.append(fitted.validation[[9, EPOCHS // 2 - 1, EPOCHS - 1]])
    mean = np.mean(bounds, axis=0, dtype=float).tolist()
    error = float(np.std(bounds, axis=0, ddof=1)[-1] / np.sqrt(SEEDS))
    return {"epoch 10": mean[0], f"epoch {EPOCHS // 2}": mean[1], f"epoch {EPOCHS}": mean[2], "error over seeds": error}


def density() -> Constant:
    """A mixture of ten components over the 64 pixels, started at small random logits."""
    stack = Bernoulli(0.5 * jax.random.normal(jax.random.key(9), (10, 64)))
    return Constant(FiniteMixture.of(jnp.zeros(10), stack))


def main() -> None:
    lines = [variances(nearness) for nearness in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)]
    estimators: dict[str, tuple[AbstractGradient, int]] = {
        "learned density": (Reinforce(LearnedDensity(density())), 1),
        "moving average": (Reinforce(MovingAverage()), 1),
        "network": (Reinforce(NetworkBaseline()), 1),
        "leave-one-out, 2 draws": (LeaveOneOut(), 2),
    }
    for name, (gradient, draws) in estimators.items():
        for kl in ("sampled", "closed"):
            reward = "full" if kl == "sampled" else "closed KL"
            lines.append({"part": "training", "estimator": name, "reward": reward, **trained(gradient, kl, draws)})
            print(lines[-1], flush=True)
    note = "Variance: lower is better. Training: bound on rows set aside, nats a row, higher is better."
    report("learned_density", lines, note)


if __name__ == "__main__":
    main()
