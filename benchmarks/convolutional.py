"""The convolutional VAE of the tutorials in eager PyTorch, beside our patches on the same images.

2 normal latents, 30 epochs, batches of 128, statically binarised MNIST (so that the bound is one of a log-likelihood).
Peer: convolutions of 32 and 64 channels with stride 2, 16 hidden units, the reverse up, Adam at 1e-3. Ours: patches and
mixer blocks (`tacit.networks.PatchEncoder`, `PatchDecoder`), with the optimiser of `VAE`. Asked: a better test bound in
less wall time. Both are judged by the ELBO and by the importance-weighted bound on the same test rows.

    python -m benchmarks.convolutional [--epochs 30] [--train-rows 50000] [--rows 2000] [--draws 256] [--peer-epochs N]

`--epochs 1 --train-rows 5000` ends in minutes.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _torch_vae
from benchmarks._binary_images import binary_images
from benchmarks._common import report
from benchmarks._gaussian_vae import bounds, told
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli
from tacit.inference.optimizers import Descent
from tacit.models import AbstractConditional, LatentModel, NormalLatent, Prior
from tacit.networks import Linear
from tacit.networks.patches import PatchDecoder, PatchEncoder
from tacit.training import train

SHAPE, LATENTS, BATCH = (28, 28, 1), 2, 128
RATE, DECAY = 2e-3, 0.01  # of `VAE`


class Pixels(AbstractConditional):
    """`z -> Bernoulli pixels` by patches; they begin at their mean."""

    network: PatchDecoder
    bias: jax.Array

    def __call__(self, context: Any) -> Bernoulli:
        return Bernoulli(self.network(context[0]) + self.bias)


class Reader(AbstractConditional):
    """`pixels -> q(z)` by patches."""

    network: PatchEncoder
    head: Linear
    latent: NormalLatent = eqx.field(static=True)

    def __call__(self, context: Any) -> Any:
        return self.latent(self.head(self.network(2 * context[0] - 1)))


def build(key: jax.Array, mean: np.ndarray) -> tuple[LatentModel, Reader]:
    """Model and posterior before training."""
    keys, latent = jax.random.split(key, 3), NormalLatent(LATENTS)
    encoder = PatchEncoder.init(keys[0], SHAPE)
    start = np.clip(mean, 1e-3, 1 - 1e-3)
    pixels = Pixels(PatchDecoder.init(keys[1], LATENTS, SHAPE), jnp.asarray(np.log(start / (1 - start)), jnp.float32))
    head = Linear.init(keys[2], encoder.width, latent.width, gain=0.3)
    return LatentModel(Prior.standard(latent), pixels), Reader(encoder, head, latent)


def ours(images: np.ndarray, epochs: int) -> tuple[Any, float]:
    """What training gave, and the seconds it took, compilation included."""
    model, posterior = build(jax.random.key(0), images.mean(0))
    steps, began = epochs * -(-len(images) // BATCH), time.perf_counter()
    fitted = train(
        model,
        posterior,
        Batch(images, None, None, None, None),
        key=jax.random.key(1),
        optimizer=Descent(RATE, DECAY, float(steps)),
        batch_size=BATCH,
        max_epochs=epochs,
    )
    return fitted, time.perf_counter() - began


def compare(parts: dict[str, np.ndarray], epochs: int, peer_epochs: int, draws: int) -> list[dict[str, Any]]:
    """The lines of the table; `parts` are train and test rows."""
    rows, n, what = [], len(parts["train"]), f"log p, {draws} draws"
    fitted, seconds = ours(parts["train"], epochs)
    found = bounds(fitted.model, fitted.posterior, parts["test"], draws)
    figures = told(found.elbo, found.elbo_error, "ELBO") | {f"-{what}": -float(found.bounds[:, 2].mean())}
    weights = sum(leaf.size for leaf in jax.tree.leaves((fitted.model, fitted.posterior)))
    rows.append(_line("tacit, patches", weights, epochs, n, seconds, figures))
    print(rows[-1], flush=True)
    if peer_epochs and _torch_vae.available():
        networks = _torch_vae.convolutional(LATENTS)
        seconds, _ = _torch_vae.run(networks, parts["train"], epochs=peer_epochs, batch=BATCH, learning_rate=1e-3)
        values, _, elbos = _torch_vae.judged(networks, parts["test"], draws)
        figures = told(elbos, np.zeros(len(elbos)), "ELBO") | {f"-{what}": -float(values.mean())}
        del figures["Monte Carlo error"]
        weights = sum(one.numel() for one in networks.parameters())
        rows.append(_line("PyTorch, convolutions", weights, peer_epochs, n, seconds, figures))
        print(rows[-1], flush=True)
        rows[0]["asked met"] = bool(rows[0]["-ELBO"] < rows[1]["-ELBO"] and rows[0]["seconds"] < rows[1]["seconds"])
    return rows


def _line(name: str, weights: int, epochs: int, n: int, seconds: float, figures: dict[str, float]) -> dict[str, Any]:
    steps = epochs * -(-n // BATCH)
    return {
        "network": name,
        "weights": weights,
        "epochs": epochs,
        **figures,
        "seconds": seconds,
        "ms a step": 1e3 * seconds / max(steps, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--peer-epochs", type=int, default=None, help="as many as ours; 0 for none")
    parser.add_argument("--train-rows", type=int, default=50_000)
    parser.add_argument("--rows", type=int, default=2000, help="test rows judged")
    parser.add_argument("--draws", type=int, default=256, help="of q, a multiple of 4")
    options = parser.parse_args()
    images = binary_images()
    parts = {"train": images["train"][: options.train_rows], "test": images["test"][: options.rows]}
    peer_epochs = options.epochs if options.peer_epochs is None else options.peer_epochs
    rows = compare(parts, options.epochs, peer_epochs, options.draws)
    note = f"{options.rows} of 10,000 test rows; {options.train_rows:,} rows trained on; seconds with compilation."
    report("convolutional", rows, note)


if __name__ == "__main__":
    main()
