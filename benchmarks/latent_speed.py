"""A training step of three latent-variable models beside the same networks in eager PyTorch and in NumPyro's SVI.

VAE 784-200-200-50 in batches of 128; VAE 8-64-64-5 in batches of 64; 200 bits 784-200-200-200 with leave-one-out over
two draws, batches of 128. Closed divergence for normal latents, Adam. Asked: at least 2.5 times faster than eager
PyTorch, 1.1 times NumPyro's jitted step; the ratios at 5 and 20 members. Runs alternate, and the best of each counts.
PyTorch and NumPyro are not dependencies: where one is not installed its column stays empty.
"""

import itertools
import os
import sys
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import report
from benchmarks._latent_peers import RATE, numpyro_step, torch_step
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, DiagonalNormal
from tacit.gradients import LeaveOneOut, Pathwise
from tacit.inference.optimizers import Descent
from tacit.models import AbstractConditional, AbstractLatent, BernoulliLatent, LatentModel, NormalLatent, Prior
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO
from tacit.training import Population, stack, train

ROUNDS = 3  # of runs that alternate
PROBLEMS = {
    "VAE 784-200-200-50": (784, (200, 200), 50, 128, "normal", 20),
    "VAE 8-64-64-5": (8, (64, 64), 5, 64, "normal", 100),
    "200 bits 784-200-200-200": (784, (200, 200), 200, 128, "bits", 20),
}


class Decoder(AbstractConditional):
    """Bits of 784 pixels, or normals of scale 1."""

    latent: AbstractLatent
    features: Dense
    head: Linear
    binary: bool = eqx.field(static=True)

    def __call__(self, context: Any) -> Any:
        out = self.head(self.features(self.latent.inputs(context[0])))
        return Bernoulli(out) if self.binary else DiagonalNormal(out, jnp.zeros_like(out))


class Encoder(AbstractConditional):
    """The other way."""

    latent: AbstractLatent
    features: Dense
    head: Linear
    binary: bool = eqx.field(static=True)

    def __call__(self, context: Any) -> Any:
        y = 2 * context[0] - 1 if self.binary else context[0]
        return self.latent(self.head(self.features(y)))


def rows(d: int, batch: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    code = rng.normal(size=(batch * steps, 5)) @ rng.normal(size=(5, d))
    noisy = code + rng.normal(size=code.shape)
    return (noisy > 0).astype(np.float32) if d > 100 else noisy.astype(np.float32)


def member(key: jax.Array, d: int, widths: tuple[int, ...], latents: int, kind: str) -> tuple[LatentModel, Encoder]:
    keys = jax.random.split(key, 4)
    latent: AbstractLatent = NormalLatent(latents) if kind == "normal" else BernoulliLatent(latents)
    binary = d > 100
    up, down = Dense.init(keys[0], latents, widths[::-1]), Dense.init(keys[1], d, widths)
    decoder = Decoder(latent, up, Linear.init(keys[2], widths[0], d), binary)
    encoder = Encoder(latent, down, Linear.init(keys[3], widths[-1], latent.width, gain=0.1), binary)
    return LatentModel(Prior.standard(latent), decoder), encoder


def ours(x: np.ndarray, problem: tuple[Any, ...], members: int, epochs: int) -> float:
    """Milliseconds a step of all members together."""
    d, widths, latents, batch, kind, steps = problem
    pairs = [member(key, d, widths, latents, kind) for key in jax.random.split(jax.random.key(0), members)]
    models, encoders = (stack(list(trees)) for trees in zip(*pairs, strict=True))
    population = Population(np.tile(np.arange(len(x), dtype=np.int32), (members, 1)), np.zeros((members, 0), np.int32))
    seen: list[tuple[int, float]] = []
    train(
        models,
        encoders,
        Batch(x, None, None, None, None),
        key=jax.random.key(1),
        objective=ELBO(kl="closed") if kind == "normal" else ELBO(),
        gradient=Pathwise() if kind == "normal" else LeaveOneOut(),
        num_samples=1 if kind == "normal" else 2,
        optimizer=Descent(RATE),
        batch_size=batch,
        max_epochs=epochs,
        population=population,
        callbacks=[lambda epoch: seen.append((epoch.number, time.perf_counter()))],
    )
    return 1e3 * min((t1 - t0) / (e1 - e0) for (e0, t0), (e1, t1) in itertools.pairwise(seen)) / steps


def main() -> None:
    sys.modules[train.__module__].LONG = 0.0  # type: ignore[attr-defined]  # steps as long trainings have them
    found, load = [], os.getloadavg()[0]
    for name, problem in PROBLEMS.items():
        d, widths, latents, batch, kind, steps = problem
        x = rows(d, batch, steps)
        one, torch_ms, numpyro_ms = [], [], []
        for _ in range(ROUNDS):
            one.append(ours(x, problem, 1, 12))
            torch_ms.append(torch_step(x, widths, latents, batch, kind, 3))
            if kind == "normal":
                numpyro_ms.append(numpyro_step(x, widths, latents, batch, 3))
        peers = {"PyTorch": _best(torch_ms), "NumPyro": _best(numpyro_ms)}
        for members in (1, 5, 20) if kind == "normal" else (1,):
            step = min(one) if members == 1 else ours(x, problem, members, 4)
            row: dict[str, Any] = {"model": name, "members": members, "ms a step and member": step / members}
            for peer, asked in (("PyTorch", 2.5), ("NumPyro", 1.1)):
                if peers[peer] is not None:
                    ratio = members * peers[peer] / step
                    row |= {f"{peer}, ms": peers[peer], f"{peer}, ratio": ratio, f"{peer}, met": bool(ratio >= asked)}
            if members == 1:
                row["ours, each round"] = ", ".join(f"{v:.3g}" for v in one)
                row["PyTorch, each round"] = ", ".join(f"{v:.3g}" for v in torch_ms if v is not None)
            found.append(row)
            print(row, flush=True)
    note = f"Load before and after: {load:.1f} and {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
    report("latent_speed", found, note + "beside other work eager PyTorch loses most, and the ratios mean nothing.")


def _best(times: list[float | None]) -> float | None:
    known = [t for t in times if t is not None]
    return min(known) if known else None


if __name__ == "__main__":
    main()
