"""A good density or a good code with 128 bits under an autoregressive prior, and decoders of two strengths.

Statically binarised MNIST. The encoder is 784-200-200-128 bits, the prior a masked autoregressive network of the bits
that is learned. Strong decoder: a masked autoregressive network of the pixels (200 hidden units) that is told the code
and can do without it. Weak decoder: 128-200-200 to independent pixels. Objective: `E_q log p(y | z) - beta KL(q || p)`,
ReinMax gradients of one draw; betas and seeds are one population; the epoch by the validation rows. Of test rows: rate,
distortion, and the importance-weighted bound of 100 draws. A reference in PyTorch with such a prior and a small
autoregressive decoder reports -89 nats at beta 1 (KL 7, reconstruction -82), and -105 at beta .1 (KL 58, -46).

    python -m benchmarks.strong_decoder [--epochs 30] [--seeds 3] [--rows 2000]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from benchmarks._binary_images import binary_images
from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.evaluation.code import code
from tacit.evaluation.weights import weighted
from tacit.gradients import ReinMax
from tacit.inference.optimizers import Descent
from tacit.models import BernoulliLatent, Decoder, LatentModel, Recognition
from tacit.models.autoregressive import Autoregressive
from tacit.models.columns import ColumnFamily
from tacit.models.deep import ColumnInputs
from tacit.networks import MADE, Dense, Linear
from tacit.objectives import ELBO
from tacit.training import Population, stack, train
from tacit.training.population import take

PIXELS, BITS, WIDTHS, BATCH, DRAWS = 784, 128, (200, 200), 128, 100
BETAS = (0.1, 0.3, 1.0)
STRENGTHS = ("weak", "strong")


def build(key: jax.Array, strength: str, mean: np.ndarray) -> tuple[Any, Any]:
    """Model and posterior before training; pixels begin at their mean."""
    keys, latent = jax.random.split(key, 5), BernoulliLatent(BITS)
    start = jnp.asarray(np.log(mean / (1 - mean)), jnp.float32)
    prior = Autoregressive(MADE.init(keys[0], BITS, 1, (BITS,)))
    likelihood: Any
    if strength == "weak":
        up = Dense.init(keys[1], BITS, WIDTHS[::-1])
        head = Linear(Linear.init(keys[2], WIDTHS[0], PIXELS, gain=0.3).weight, start)
        likelihood = Decoder(latent, up, head, ColumnFamily(None, PIXELS, ()))
    else:
        likelihood = Autoregressive(MADE.init(keys[1], PIXELS, 1, (200,), n_context=BITS))
    down = Dense.init(keys[3], PIXELS, WIDTHS)
    head = Linear.init(keys[4], WIDTHS[-1], latent.width)
    return LatentModel(prior, likelihood), Recognition(ColumnInputs(0, PIXELS, ()), down, head, latent)


def figures(model: Any, encoder: Any, rows: Batch) -> dict[str, float]:
    """What density and code are worth on these rows, nats a row."""
    found = code(model, encoder, rows, key=jax.random.key(3))
    bounds = weighted(model, encoder, rows, num_samples=DRAWS // 4, key=jax.random.key(2))
    rate, distortion = found.rate.value, found.distortion.value
    return {
        "rate": rate,
        "-distortion": -distortion,
        "ELBO": -rate - distortion,
        f"bound, {DRAWS} draws": float(bounds.bounds[:, 2].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000, help="test rows judged")
    options = parser.parse_args()
    parts = binary_images()
    n, n_valid = len(parts["train"]), 2000
    whole = np.concatenate([parts["train"], parts["valid"][:n_valid]])
    mean = np.clip(parts["train"].mean(axis=0), 1e-3, 1 - 1e-3)
    members = [(beta, seed) for beta in BETAS for seed in range(options.seeds)]
    places = ((0, n), (n, n + n_valid))
    population = Population(*(np.tile(np.arange(a, b, dtype=np.int32), (len(members), 1)) for a, b in places))
    test = Batch(parts["test"][: options.rows], None, None, None, None)
    table = []
    for strength in STRENGTHS:
        began = time.perf_counter()
        pairs = [build(jax.random.key(seed), strength, mean) for _, seed in members]
        models, encoders = (stack(list(trees)) for trees in zip(*pairs, strict=True))
        fitted = train(
            models,
            encoders,
            Batch(whole, None, None, None, None),
            key=jax.random.key(1),
            objective=ELBO(beta=jnp.array([beta for beta, _ in members])),
            gradient=ReinMax(),
            optimizer=Descent(1e-3, decay_steps=float(options.epochs * -(-n // BATCH))),
            batch_size=BATCH,
            max_epochs=options.epochs,
            population=population,
        )
        found = [figures(take(fitted.model, m), take(fitted.posterior, m), test) for m in range(len(members))]
        for beta in BETAS:
            mine = [f for f, (b, _) in zip(found, members, strict=True) if b == beta]
            line: dict[str, Any] = {"decoder": strength, "beta": beta}
            for figure in mine[0]:
                values = np.array([f[figure] for f in mine])
                half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
                line[figure] = round(float(values.mean()), 2)
                line[f"{figure} +-"] = round(float(half), 2) if len(values) > 1 else None
            table.append(line)
            print(line, flush=True)
        print(strength, f"{time.perf_counter() - began:.0f} s", flush=True)
    note = f"{options.epochs} epochs, {options.seeds} seeds; +- is half of a 95 % interval over seeds; "
    report("strong_decoder", table, note + f"{options.rows} test rows.")


if __name__ == "__main__":
    main()
