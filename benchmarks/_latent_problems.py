"""The networks that are compared with peers, step by step and to an equal bound: ours, and the rows they see."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, DiagonalNormal
from tacit.gradients import LeaveOneOut, Pathwise
from tacit.inference.optimizers import Descent
from tacit.models import AbstractConditional, AbstractLatent, BernoulliLatent, LatentModel, NormalLatent, Prior
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO

RATE = 1e-3


class Problem(NamedTuple):
    """d columns, bits or normals of scale 1, perhaps given p covariates; z normal or bits; hidden layers both ways."""

    d: int
    p: int
    widths: tuple[int, ...]
    latents: int
    normal: bool  # z
    batch: int
    steps: int  # an epoch

    @property
    def binary(self) -> bool:
        """Whether the columns are bits."""
        return self.d > 100

    @property
    def draws(self) -> int:
        """One, through which the gradient goes; or two that are judged by each other."""
        return 1 if self.normal else 2


PROBLEMS = {
    "VAE 784-200-200-50": Problem(784, 0, (200, 200), 50, True, 128, 100),
    "VAE 784-200-200-50 given 10": Problem(784, 10, (200, 200), 50, True, 128, 100),
    "VAE 8-64-64-5": Problem(8, 0, (64, 64), 5, True, 64, 100),
    "VAE 8-64-64-5 given 4": Problem(8, 4, (64, 64), 5, True, 64, 100),
    "200 bits 784-200-200-200": Problem(784, 0, (200, 200), 200, False, 128, 50),
}


class Decoder(AbstractConditional):
    """Bits of 784 pixels, or normals of scale 1, from z and x."""

    latent: AbstractLatent
    features: Dense
    head: Linear
    binary: bool = eqx.field(static=True)

    def __call__(self, context: Any) -> Any:
        z, x = context
        inputs = self.latent.inputs(z)
        out = self.head(self.features(inputs if x is None else jnp.concatenate([inputs, x])))
        return Bernoulli(out) if self.binary else DiagonalNormal(out, jnp.zeros_like(out))


class Encoder(AbstractConditional):
    """The other way."""

    latent: AbstractLatent
    features: Dense
    head: Linear
    binary: bool = eqx.field(static=True)

    def __call__(self, context: Any) -> Any:
        y, x = context
        read = 2 * y - 1 if self.binary else y
        return self.latent(self.head(self.features(read if x is None else jnp.concatenate([read, x]))))


def rows(problem: Problem, n: int) -> tuple[np.ndarray, np.ndarray | None]:
    """n rows from five normal causes and, where asked for, covariates: y (n, d), x (n, p)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, problem.p))
    noisy = rng.normal(size=(n, 5)) @ rng.normal(size=(5, problem.d)) + rng.normal(size=(n, problem.d))
    noisy = noisy + x @ rng.normal(size=(problem.p, problem.d))
    y = (noisy > 0).astype(np.float32) if problem.binary else noisy.astype(np.float32)
    return y, x.astype(np.float32) if problem.p else None


def member(key: jax.Array, problem: Problem) -> tuple[LatentModel, Encoder]:
    """Model and posterior before training."""
    keys = jax.random.split(key, 4)
    latent: AbstractLatent = (NormalLatent if problem.normal else BernoulliLatent)(problem.latents)
    widths, p = problem.widths, problem.p
    up, down = Dense.init(keys[0], problem.latents + p, widths[::-1]), Dense.init(keys[1], problem.d + p, widths)
    decoder = Decoder(latent, up, Linear.init(keys[2], widths[0], problem.d, gain=0.1), problem.binary)
    encoder = Encoder(latent, down, Linear.init(keys[3], widths[-1], latent.width, gain=0.1), problem.binary)
    return LatentModel(Prior.standard(latent), decoder), encoder


def settings(problem: Problem, y: np.ndarray, x: np.ndarray | None) -> dict[str, Any]:
    """What `tacit.train` is told besides the model: closed divergence of normals, leave-one-out of bits, Adam."""
    return {
        "data": Batch(y, x, None, None, None),
        "objective": ELBO(kl="closed") if problem.normal else ELBO(),
        "gradient": Pathwise() if problem.normal else LeaveOneOut(),
        "num_samples": problem.draws,
        "optimizer": Descent(RATE),
        "batch_size": problem.batch,
    }
