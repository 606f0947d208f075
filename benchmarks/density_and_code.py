"""A good density and a good code are two aims: both measured, over beta x states x strength of the decoder.

Images binarised at half of the range, labels kept aside: scikit-learn's digits, 8 x 8, and the test images of MNIST,
averaged to 14 x 14.
Latents of digits: one category of 10, one of 30, two of 8; of MNIST one of 10, one of 50, two of 10. Weak decoder: a
network to independent pixels. Strong decoder: a masked autoregressive network over the pixels that is given the code,
able to do without it. Objective: `E_q log p(y|z) - beta KL(q || p)`, leave-one-out gradients of 4 draws; betas and
seeds are one population. On test rows: the exact log-likelihood, the states listed; mutual information of row and code;
normalised mutual information of the most probable code with the labels, and the accuracy of a linear probe on q, both
beside the labels that took no part. Intervals: 95 % over seeds.

`python -m benchmarks.density_and_code` writes the table and docs/pictures/density_and_code.png; `... mnist` those of
MNIST; `... draw` and `... mnist draw` the picture alone, from the table that is kept.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmarks._common import RESULTS, data, report
from tacit.data.batch import Batch
from tacit.evaluation.code import code
from tacit.evaluation.latent_use import latent_mean
from tacit.evaluation.log_likelihood import listed
from tacit.evaluation.mutual_information import mutual_information
from tacit.gradients import LeaveOneOut
from tacit.inference.optimizers import Descent
from tacit.models import Decoder, LatentModel, Prior, Recognition
from tacit.models.autoregressive import Autoregressive
from tacit.models.columns import ColumnFamily
from tacit.models.deep import ColumnInputs
from tacit.models.latents import AbstractLatent, CategoricalsLatent
from tacit.networks import MADE, Dense, Linear
from tacit.objectives import ELBO
from tacit.training import Population, stack, train
from tacit.training.population import take

BATCH = 64
BETAS = (0.1, 0.3, 1.0, 3.0)
STRENGTHS = ("weak", "strong")
COLOURS = ("#1b6ca8", "#c8553d", "#4f772d")


class Problem(NamedTuple):
    """Images with their labels, and what is trained on them."""

    name: str  # of the table and of the picture
    read: Callable[[], tuple[np.ndarray, np.ndarray]]  # values from 0 to 1 (n, pixels), and labels (n,)
    parts: tuple[int, int, int]  # rows to train on, to choose the epoch with, for the figures
    latents: dict[str, AbstractLatent]
    told: str  # the code whose betas the picture names
    widths: tuple[int, int]  # hidden units of networks, of the masked network
    seeds: int
    epochs: int

    @property
    def picture(self) -> Path:
        return Path(f"docs/pictures/{self.name}.png")


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The test images of MNIST, each four pixels averaged to one: 10,000 of 14 x 14."""
    found = []
    for file, skip in (("t10k-images-idx3-ubyte.gz", 16), ("t10k-labels-idx1-ubyte.gz", 8)):
        found.append(np.frombuffer(gzip.decompress(data(f"mnist/{file}").read_bytes())[skip:], np.uint8))
    squares = found[0].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) / 255
    return squares.reshape(len(squares), -1), found[1]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits."""
    images, labels = load_digits(return_X_y=True)
    return images / 16, labels


PROBLEMS = {
    "digits": Problem(
        "density_and_code",
        digits,
        (1200, 200, 397),
        {
            "1 of 10": CategoricalsLatent(1, 10),
            "1 of 30": CategoricalsLatent(1, 30),
            "2 of 8": CategoricalsLatent(2, 8),
        },
        "1 of 30",
        (64, 128),
        5,
        150,
    ),
    "mnist": Problem(
        "density_and_code_mnist",
        mnist,
        (7000, 1000, 2000),
        {
            "1 of 10": CategoricalsLatent(1, 10),
            "1 of 50": CategoricalsLatent(1, 50),
            "2 of 10": CategoricalsLatent(2, 10),
        },
        "1 of 50",
        (128, 256),
        3,
        40,
    ),
}


def split(problem: Problem) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Bits and labels of the parts."""
    images, labels = problem.read()
    order = np.random.default_rng(0).permutation(len(images))
    places = dict(zip(("train", "valid", "test"), np.split(order, np.cumsum(problem.parts)[:2]), strict=True))
    bits = (images >= 0.5).astype(np.float32)
    return {k: bits[v] for k, v in places.items()}, {k: labels[v] for k, v in places.items()}


def build(
    key: jax.Array, latent: AbstractLatent, strength: str, mean: np.ndarray, widths: tuple[int, int]
) -> tuple[Any, Any]:
    """Model and posterior before training; pixels begin at their mean."""
    keys, pixels, width = jax.random.split(key, 5), len(mean), widths[0]
    start = jnp.asarray(np.log(mean / (1 - mean)), jnp.float32)
    likelihood: Any
    if strength == "weak":
        up = Dense.init(keys[0], latent.size, (width,))
        head = Linear(0.1 * Linear.init(keys[1], width, pixels).weight, start)
        likelihood = Decoder(latent, up, head, ColumnFamily(None, pixels, ()))
    else:
        likelihood = Autoregressive(MADE.init(keys[0], pixels, 1, (widths[1],), n_context=latent.size))
    down = Dense.init(keys[2], pixels, (width,))
    encoder = Recognition(ColumnInputs(0, pixels, ()), down, Linear.init(keys[3], width, latent.width), latent)
    return LatentModel(Prior.standard(latent, learned=True), likelihood), encoder


def figures(model: Any, encoder: Any, rows: Batch, labels: dict[str, np.ndarray], train_rows: Batch) -> dict[str, Any]:
    """What density and code are worth on the test rows."""
    key = jax.random.key(3)
    found = code(model, encoder, rows, key=key)

    def shares(batch: Batch) -> np.ndarray:
        return latent_mean(jax.vmap(lambda y: encoder((y, None)))(jnp.asarray(batch.y))).reshape(len(batch.y), -1)

    q = shares(rows)
    best = q.reshape(len(q), *q.shape[1:])
    d = encoder.latent.d
    states = best.reshape(len(q), d, -1).argmax(-1) @ (encoder.latent.k ** np.arange(d))
    probe = LogisticRegression(C=10.0, max_iter=2000).fit(shares(train_rows), labels["train"])
    return {
        "log-likelihood": listed(model, rows).mean(),
        "rate": found.rate.value,
        "distortion": found.distortion.value,
        "mutual information": mutual_information(model, encoder, rows, key=key).mutual_information.value,
        "NMI": normalized_mutual_info_score(labels["test"], states),
        "ARI": adjusted_rand_score(labels["test"], states),
        "probe": probe.score(q, labels["test"]),
    }


def main() -> None:
    given = sys.argv[1:]
    problem = PROBLEMS["mnist" if "mnist" in given else "digits"]
    if "draw" in given:
        draw(json.loads((RESULTS / f"{problem.name}.json").read_text())["figures"], problem)
        return
    images, labels = split(problem)
    n, n_valid, n_test = problem.parts
    whole = np.concatenate([images["train"], images["valid"]])
    mean = np.clip(images["train"].mean(0), 0.01, 0.99)
    members = [(beta, seed) for beta in BETAS for seed in range(problem.seeds)]
    rows_of = [np.tile(np.arange(a, b, dtype=np.int32), (len(members), 1)) for a, b in ((0, n), (n, n + n_valid))]
    test, seen = (Batch(images[part], None, None, None, None) for part in ("test", "train"))
    table = []
    for strength in STRENGTHS:
        for name, latent in problem.latents.items():
            began = time.perf_counter()
            pairs = [build(jax.random.key(seed), latent, strength, mean, problem.widths) for _, seed in members]
            models, encoders = (stack(list(trees)) for trees in zip(*pairs, strict=True))
            steps = problem.epochs * -(-n // BATCH)
            fitted = train(
                models,
                encoders,
                Batch(whole, None, None, None, None),
                key=jax.random.key(1),
                objective=ELBO(beta=jnp.array([beta for beta, _ in members])),
                gradient=LeaveOneOut(),
                optimizer=Descent(3e-3, 0.01, float(steps)),
                num_samples=4,
                batch_size=BATCH,
                max_epochs=problem.epochs,
                population=Population(*rows_of),
            )
            found = [
                figures(take(fitted.model, m), take(fitted.posterior, m), test, labels, seen)
                for m in range(len(members))
            ]
            for beta in BETAS:
                mine = [f for f, (b, _) in zip(found, members, strict=True) if b == beta]
                line: dict[str, Any] = {"decoder": strength, "code": name, "beta": beta}
                for figure in mine[0]:
                    values = np.array([f[figure] for f in mine])
                    half = stats.t.ppf(0.975, problem.seeds - 1) * values.std(ddof=1) / np.sqrt(problem.seeds)
                    line[figure], line[f"{figure} +-"] = round(float(values.mean()), 3), round(float(half), 3)
                table.append(line)
            print(strength, name, f"{time.perf_counter() - began:.0f} s", flush=True)
    draw(table, problem)
    note = f"{problem.seeds} seeds; +- is half of a 95 % interval over seeds; {n_test} test rows."
    report(problem.name, table, note)


def draw(table: list[dict[str, Any]], problem: Problem) -> None:
    """Density across, code upwards; a line goes through the betas. A column for each decoder, with its own range."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    shown = {"mutual information": "mutual information of\nrow and code (nats)", "NMI": "agreement with labels (NMI)"}
    figure, axes = plt.subplots(len(shown), 2, figsize=(10, 7), sharex="col", sharey="row", layout="constrained")
    for place, strength in enumerate(STRENGTHS):
        for axis, (column, label) in zip(axes[:, place], shown.items(), strict=True):
            for name, colour, mark in zip(problem.latents, COLOURS, "osD", strict=True):
                lines = [r for r in table if r["decoder"] == strength and r["code"] == name]
                x, y = ([r[c] for r in lines] for c in ("log-likelihood", column))
                errors = [[r[f"{c} +-"] for r in lines] for c in ("log-likelihood", column)]
                style = {"ls": "-", "lw": 1, "alpha": 0.5, "color": colour}
                axis.plot(x, y, **style)
                axis.errorbar(x, y, errors[1], errors[0], fmt=mark, color=colour, ms=5, capsize=2, label=name)
                if name == problem.told:
                    for r in lines:
                        words, where = f"β {r['beta']:g}", (r["log-likelihood"], r[column])
                        axis.annotate(words, where, (6, 5), "data", "offset points", fontsize=8, color=colour)
            axis.grid(alpha=0.2)
            if place == 0:
                axis.set_ylabel(label)
        axes[0, place].set_title(f"{strength} decoder", fontsize=11)
        axes[-1, place].set_xlabel("exact test log-likelihood (nats a row)")
    axes[0, 0].legend(fontsize=8, title="code")
    figure.savefig(problem.picture, dpi=110)


if __name__ == "__main__":
    main()
