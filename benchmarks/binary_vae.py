"""200 Bernoulli latents (or 20 categories of 10) on statically binarised MNIST: gradient estimators at equal epochs.

Protocol of Yin and Zhou 2019 (ARM), table 2: 784-200-200-200 each way with LeakyReLU for *nonlinear*, 784-200 for
*linear*, 784-200-200 for *two-layer*, whose second 200 bits are given the first; inputs 2 x - 1, latents 2 b - 1,
uniform prior, Adam, batches of 50; test figure: the bound by 100 draws. Published after 1200 epochs: nonlinear 98.4
(ARM), 99.6 (Concrete), 101.4 (REBAR); linear 107.2; two-layer 96.7 (ARM), 99.8 (NVIL), 159.2 (REINFORCE). 20 categories
of 10 (Jang et al. 2017): 101.5.

    python -m benchmarks.binary_vae [--network nonlinear|linear|two-layer] [--latent bits|codes] [--epochs 50]
                                    [--seeds 3] [--estimators leave-one-out,disarm,...] [--learning-rate 5e-4] [--fall]

`--fall` is not in the protocol: the learning rate falls along a half cosine to 0. Seeds are one population. A run is
kept under benchmarks/runs and goes on where it was when the command is given again, with more epochs too (but not where
the rate falls). The epoch is chosen by the validation part.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._binary_images import binary_images
from benchmarks._common import RESULTS, machine, report
from tacit.data.batch import Batch
from tacit.evaluation.weights import weighted
from tacit.gradients.names import GRADIENTS
from tacit.inference.optimizers import Descent
from tacit.models import (
    Decoder,
    LatentModel,
    Layer,
    LayeredPosterior,
    LayeredPrior,
    OfBottom,
    Prior,
    Recognition,
)
from tacit.models.columns import ColumnFamily
from tacit.models.deep import ColumnInputs
from tacit.models.latents import AbstractLatent, BernoulliLatent, CategoricalsLatent
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO
from tacit.training import Checkpoint, Population, stack, train
from tacit.training.population import take

PIXELS, BATCH, DRAWS = 784, 50, 100
STEPS = 50_000 // BATCH  # of an epoch
SHORT = 50  # epochs of the comparison
RUNS = Path(__file__).parent / "runs"
LATENTS: dict[str, AbstractLatent] = {"bits": BernoulliLatent(200), "codes": CategoricalsLatent(20, 10)}
WIDTHS = {"nonlinear": (200, 200), "linear": (), "two-layer": ()}
SAMPLES = {"leave-one-out": 2, "reinforce": 2}  # draws a step, so that evaluations are about equal: 2; others 1


def build(key: jax.Array, latent: AbstractLatent, widths: tuple[int, ...], mean: np.ndarray) -> tuple[Any, Any]:
    """Model and posterior before training; pixels begin at their mean."""
    keys = jax.random.split(key, 4)
    family, inputs = ColumnFamily(None, PIXELS, ()), ColumnInputs(0, PIXELS, ())
    down, up = Dense.init(keys[0], PIXELS, widths), Dense.init(keys[1], latent.size, widths)
    head = Linear.init(keys[2], up.width(latent.size), family.width, gain=0.3)
    head = Linear(head.weight, jnp.asarray(np.log(mean / (1 - mean)), jnp.float32))
    model = LatentModel(Prior.standard(latent), Decoder(latent, up, head, family))
    encoder = Recognition(inputs, down, Linear.init(keys[3], down.width(PIXELS), latent.width), latent)
    return model, encoder


def in_two_layers(key: jax.Array, model: Any, encoder: Any) -> tuple[Any, Any]:
    """The same with as many latents of the same kind above: linear maps between the layers, a uniform prior on top."""
    latent, (up, down) = encoder.latent, jax.random.split(key)
    prior = LayeredPrior(Prior.standard(latent), Layer.init(up, latent, latent))
    return LatentModel(prior, OfBottom(model.likelihood)), LayeredPosterior(encoder, Layer.init(down, latent, latent))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=list(WIDTHS), default="nonlinear")
    parser.add_argument("--latent", choices=list(LATENTS), default="bits")
    parser.add_argument("--epochs", type=int, default=SHORT)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--fall", action="store_true", help="let the learning rate fall until the last epoch")
    parser.add_argument("--estimators", default="leave-one-out,disarm,reinforce,straight-through")
    parser.add_argument("--rows", type=int, default=10_000, help="test rows judged")
    options = parser.parse_args()
    parts = binary_images()
    whole = np.concatenate([parts["train"], parts["valid"]])
    data = Batch(whole, None, None, None, None)
    mean = np.clip(parts["train"].mean(axis=0), 1e-3, 1 - 1e-3)
    population = Population(*(np.tile(np.arange(a, b, dtype=np.int32), (options.seeds, 1)) for a, b in SPLIT))
    RUNS.mkdir(exist_ok=True)
    rows = []
    for name in options.estimators.split(","):
        keys = jax.random.split(jax.random.key(0), options.seeds)
        pairs = [build(key, LATENTS[options.latent], WIDTHS[options.network], mean) for key in keys]
        if options.network == "two-layer":
            pairs = [in_two_layers(key, *pair) for key, pair in zip(keys, pairs, strict=True)]
        models, encoders = (stack(list(trees)) for trees in zip(*pairs, strict=True))
        rate = f"{options.learning_rate:g}{' falling' if options.fall else ''}"
        ending = f"{rate.replace(' ', '-')}{f'-{options.epochs}' if options.fall else ''}.safetensors"
        kept = RUNS / f"{options.network}-{options.latent}-{name}-{options.seeds}-{ending}"
        began = time.perf_counter()
        fitted = train(
            models,
            encoders,
            data,
            key=jax.random.key(1),
            objective=ELBO(),
            gradient=GRADIENTS[name](),
            optimizer=Descent(options.learning_rate, decay_steps=STEPS * float(options.epochs) * options.fall),
            num_samples=SAMPLES.get(name, 1),
            batch_size=BATCH,
            max_epochs=options.epochs,
            population=population,
            checkpoint=Checkpoint(kept),
        )
        seconds = time.perf_counter() - began
        bounds = [judged(fitted, m, parts["test"][: options.rows]) for m in range(options.seeds)]
        rows.append(
            {
                "processor": machine()["processor"],
                "estimator": name,
                "learning rate": rate,
                "epochs": options.epochs,
                "steps": options.epochs * STEPS,
                "validation, 1 draw": -float(np.mean(fitted.value)),
                "test, 1 draw": -np.mean([b.elbo.mean() for b in bounds]),
                f"test, {DRAWS} draws": -np.mean([b.bounds[:, 2].mean() for b in bounds]),
                "s.e. over seeds": np.std([b.bounds[:, 2].mean() for b in bounds], ddof=1) / np.sqrt(options.seeds)
                if options.seeds > 1
                else None,
                "best epoch": str(np.asarray(fitted.best_epoch).tolist()),
                "seconds here": seconds,
            }
        )
        print(rows[-1], flush=True)
    note = (
        f"Test bounds over {options.rows} rows, lower bounds on log p. Seconds are of this call, compilation included: "
        "epochs that were kept cost none."
    )
    name = f"binary_vae_{options.network}_{options.latent}{'' if options.epochs == SHORT else '_long'}"
    report(name, [*of_others(name, {(row["estimator"], row["learning rate"]) for row in rows}), *rows], note)


def of_others(name: str, made: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """The kept lines of estimators and rates that were not run now, each with the processor that it was made on."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return []
    kept = json.loads(path.read_text())
    lines = [{"processor": kept["machine"]["processor"], **line} for line in kept["figures"]]
    return [line for line in lines if (line["estimator"], line["learning rate"]) not in made]


SPLIT = ((0, 50_000), (50_000, 60_000))


def judged(fitted: Any, member: int, images: np.ndarray) -> Any:
    """Bounds of a member's best epoch on these images."""
    model, encoder = take(fitted.model, member), take(fitted.posterior, member)
    rows = Batch(images, None, None, None, None)
    return weighted(model, encoder, rows, num_samples=DRAWS // 4, key=jax.random.key(2))


if __name__ == "__main__":
    main()
