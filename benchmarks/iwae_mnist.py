"""The one-layer network of Burda et al. 2016 on statically binarised MNIST, beside the same network in eager PyTorch.

784-200-200-50 each way with tanh, 50 normal latents, batches of 20, Adam. Stage i = 0, ..., 7 makes 3^i passes at the
learning rate .001 x 10^(-i/7): 3,280 passes in all. Objectives: the importance-weighted bound of S = 1 (the ELBO) and 5
draws. Published (static, test, bound of 5,000 draws): 88.71 and 87.63. Their Adam had epsilon 1e-4, ours 1e-8; ours
starts its moments anew at every stage, as the peer does. Both begin with the same weights, and take the divergence of
S = 1 in closed form: sampled, the test ELBO after the first four passes was -119.0 in the place of -115.7.

    python -m benchmarks.iwae_mnist [--stages 4] [--samples 1,5] [--rows 1000] [--draws 5000] [--peer] [--train-rows N]

A stage that is done is kept under benchmarks/runs, so a run with more stages goes on from there, and one that was
stopped inside a stage as well. The peer makes the same stages; its figure stands beside ours at equal steps.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import _torch_vae
from benchmarks._binary_images import binary_images
from benchmarks._common import report
from benchmarks._gaussian_vae import bounds, build, told
from tacit.data.batch import Batch
from tacit.gradients import Pathwise
from tacit.inference.optimizers import Descent
from tacit.objectives import ELBO, IWAE
from tacit.training import Checkpoint, train

WIDTHS, LATENTS, BATCH = (200, 200), 50, 20
STAGES = 8
PUBLISHED = {1: 88.71, 5: 87.63}
RUNS = Path(__file__).parent / "runs"
NO_CLIP = 1e9


def passes(stage: int) -> int:
    """Passes over the rows in a stage."""
    return int(3**stage)


def rate(stage: int) -> float:
    """The learning rate of a stage."""
    return float(1e-3 * 10 ** (-stage / 7))


def start(images: np.ndarray) -> tuple[Any, Any]:
    """Model and posterior before training."""
    return build(jax.random.key(0), LATENTS, WIDTHS, images.mean(0), "tanh")


def ours(images: np.ndarray, samples: int, stages: int, folder: Path) -> tuple[Any, Any, float]:
    """Model, posterior, and the seconds of this call, after all stages; those that are kept are not made again."""
    model, posterior = start(images)
    began = time.perf_counter()
    for stage in range(stages):
        fitted = train(
            model,
            posterior,
            Batch(images, None, None, None, None),
            key=jax.random.key(1 + stage),
            objective=ELBO(kl="closed") if samples == 1 else IWAE(),
            gradient=Pathwise(),
            optimizer=Descent(rate(stage), clip=NO_CLIP),
            num_samples=samples,
            batch_size=BATCH,
            max_epochs=passes(stage),
            checkpoint=Checkpoint(folder / f"iwae-{samples}-{len(images)}-stage-{stage}.safetensors"),
        )
        model, posterior = (jax.tree.map(jax.numpy.asarray, part) for part in (fitted.model, fitted.posterior))
        print(f"S = {samples}, stage {stage}: {float(fitted.training[-1]):.2f} in training", flush=True)
    return model, posterior, time.perf_counter() - began


def peer(images: np.ndarray, samples: int, stages: int, folder: Path) -> tuple[Any, float]:
    """The same in eager PyTorch; seconds of the stages that were made in this call."""
    networks = _torch_vae.dense(images.shape[1], WIDTHS, LATENTS, images.mean(0), tanh=True)
    _torch_vae.begin_as(networks, *start(images))
    seconds = 0.0
    for stage in range(stages):
        kept = folder / f"iwae-peer-{samples}-{len(images)}-stage-{stage}.pt"
        if kept.exists():
            _torch_vae.load(networks, kept)
            continue
        settings: dict[str, Any] = {"batch": BATCH, "learning_rate": rate(stage), "draws": samples}
        seconds += _torch_vae.run(networks, images, epochs=passes(stage), **settings)[0]
        _torch_vae.save(networks, kept)
        print(f"PyTorch, S = {samples}, stage {stage}: {seconds:.0f} s", flush=True)
    return networks, seconds


def line(name: str, samples: int, stages: int, n: int, seconds: float, figures: dict[str, float]) -> dict[str, Any]:
    """A row of the table."""
    made = sum(passes(stage) for stage in range(stages))
    whole = sum(passes(stage) for stage in range(STAGES))
    return {
        "network by": name,
        "S": samples,
        "passes": made,
        "steps": made * -(-n // BATCH),
        "share of the published": f"{made / whole:.2%}",
        **figures,
        "published at the end": PUBLISHED.get(samples, float("nan")),
        "seconds here": seconds,
    }


def compare(
    parts: dict[str, np.ndarray], sizes: list[int], stages: int, draws: int, with_peer: bool, folder: Path
) -> list[dict[str, Any]]:
    """The lines of the table; `parts` are train and test rows."""
    folder.mkdir(exist_ok=True, parents=True)
    rows, n = [], len(parts["train"])
    what = f"log p, {draws} draws"
    for samples in sizes:
        model, posterior, seconds = ours(parts["train"], samples, stages, folder)
        found = bounds(model, posterior, parts["test"], draws)
        figures = told(found.bounds[:, 2], found.error, what) | {"-ELBO": -float(found.elbo.mean())}
        rows.append(line("tacit", samples, stages, n, seconds, figures))
        print(rows[-1], flush=True)
        if with_peer and _torch_vae.available():
            networks, seconds = peer(parts["train"], samples, stages, folder)
            values, errors, elbos = _torch_vae.judged(networks, parts["test"], draws)
            figures = told(values, errors, what) | {"-ELBO": -float(elbos.mean())}
            rows.append(line("PyTorch", samples, stages, n, seconds, figures))
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stages", type=int, default=4, choices=range(1, STAGES + 1))
    parser.add_argument("--samples", default="1,5")
    parser.add_argument("--rows", type=int, default=1000, help="test rows judged")
    parser.add_argument("--draws", type=int, default=5000, help="of q, a multiple of 4")
    parser.add_argument("--train-rows", type=int, default=50_000)
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    images = binary_images()
    parts = {"train": images["train"][: options.train_rows], "test": images["test"][: options.rows]}
    sizes = [int(text) for text in options.samples.split(",")]
    rows = compare(parts, sizes, options.stages, options.draws, options.peer, RUNS)
    note = (
        f"{options.rows} of 10,000 test rows; {options.train_rows:,} to train on. The bound of {options.draws} draws "
        "is a lower bound of log p in expectation. Seconds are of this call: stages that were kept cost none."
    )
    report("iwae_mnist", rows, note)


if __name__ == "__main__":
    main()
