"""Optimisers and objectives on one network: SGD, Adam, RMSProp, Lion x ELBO, IWAE-5, DReG.

VAE 64-64-64-8 each way on scikit-learn's digits in black and white: 1,200 rows to train on, 200 that choose the
learning rate, 397 for the figure. Every objective takes 5 draws a row and step. Learning rates (five a rule) and seeds
are one population; the rate with the best importance-weighted bound of 64 draws on the 200 rows, mean over seeds, is
shown, at equal steps and at equal time. Time is that of one member, compilation left out, measured apart.

    python -m benchmarks.optimisers [--epochs 200] [--seeds 3]

writes the table and docs/pictures/optimisers.png. `--epochs 20 --seeds 1` ends in minutes.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

from benchmarks._common import report
from benchmarks._gaussian_vae import bounds, build
from tacit.data.batch import Batch
from tacit.gradients import DoublyReparameterised, Pathwise
from tacit.inference.optimizers import Descent
from tacit.inference.procedure import evidence
from tacit.objectives import ELBO, IWAE
from tacit.training import Population, stack, train
from tacit.training.population import take

WIDTHS, LATENTS, BATCH, DRAWS = (64, 64), 8, 64, 5
JUDGES = 64  # draws of the bound that every epoch is judged by
RULES = {
    "sgd": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "adam": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    "rmsprop": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    "lion": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3),
}
OBJECTIVES: dict[str, tuple[Any, Any]] = {
    "ELBO": (ELBO(), Pathwise()),
    "IWAE-5": (IWAE(), Pathwise()),
    "DReG": (IWAE(), DoublyReparameterised()),
}
PICTURE = Path("docs/pictures/optimisers.png")


def digits() -> dict[str, np.ndarray]:
    """Black and white images of the three parts."""
    images = load_digits().data
    order = np.random.default_rng(0).permutation(len(images))
    parts = zip(("train", "valid", "test"), np.split(order, [1200, 1400]), strict=True)
    return {name: (images[places] > 7.5).astype(np.float32) for name, places in parts}


def judge(key: Any, model: Any, posterior: Any, y: Any, x: Any) -> Any:
    """The importance-weighted bound of one row."""
    q, prior = posterior(evidence(y, x, None)), model.prior(x)

    def log_weight(key: Any) -> Any:
        z = q.sample(key)
        return model.log_likelihood(z, x, y) + prior.log_prob(z) - q.log_prob(z)

    return jax.nn.logsumexp(jax.vmap(log_weight)(jax.random.split(key, JUDGES))) - jnp.log(JUDGES)


def trained(
    parts: dict[str, np.ndarray], objective: str, rule: str, rates: list[float], seeds: int, epochs: int
) -> Any:
    """All learning rates and seeds at once, rate by rate; and when the chunks of epochs ended."""
    whole = np.concatenate([parts["train"], parts["valid"]])
    members = [(rate, seed) for rate in rates for seed in range(seeds)]
    pairs = [build(jax.random.key(seed), LATENTS, WIDTHS, parts["train"].mean(0)) for _, seed in members]
    models, posteriors = (stack(list(trees)) for trees in zip(*pairs, strict=True))
    n, m = len(parts["train"]), len(members)
    spans = [np.tile(np.arange(a, b, dtype=np.int32), (m, 1)) for a, b in ((0, n), (n, len(whole)))]
    maximised, gradient = OBJECTIVES[objective]
    seen: list[tuple[int, float]] = []
    fitted = train(
        models,
        posteriors,
        Batch(whole, None, None, None, None),
        key=jax.random.key(1),
        objective=maximised,
        gradient=gradient,
        optimizer=Descent(jnp.array([rate for rate, _ in members]), rule=rule),
        num_samples=DRAWS,
        batch_size=BATCH,
        max_epochs=epochs,
        population=Population(*spans),
        metrics={"bound": judge},
        callbacks=[lambda epoch: seen.append((epoch.number, time.perf_counter()))],
    )
    return fitted, seen


def milliseconds(parts: dict[str, np.ndarray], objective: str, rule: str, epochs: int) -> float:
    """Of a step of one member, the judging of every epoch counted in; of the chunks after the first, the fastest."""
    _, seen = trained(parts, objective, rule, [1e-4], 1, epochs)
    steps = -(-len(parts["train"]) // BATCH)
    pace = [(t1 - t0) / (e1 - e0) for (e0, t0), (e1, t1) in itertools.pairwise(seen) if e1 > e0]
    return 1e3 * min(pace) / steps if pace else float("nan")


def compare(parts: dict[str, np.ndarray], epochs: int, seeds: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines of the table, and the curves."""
    table, curves = [], []
    steps = -(-len(parts["train"]) // BATCH)
    for objective, rule in itertools.product(OBJECTIVES, RULES):
        rates = list(RULES[rule])
        fitted, _ = trained(parts, objective, rule, rates, seeds, epochs)
        curve = np.asarray(fitted.metrics["bound"], float).reshape(epochs, len(rates), seeds)
        ends = np.nan_to_num(curve[-1].mean(axis=1), nan=-np.inf)
        best = int(np.argmax(ends))
        members = [best * seeds + seed for seed in range(seeds)]
        found = [bounds(take(fitted.model, m), take(fitted.posterior, m), parts["test"], 500) for m in members]
        tests, elbos = [float(f.bounds[:, 2].mean()) for f in found], [float(f.elbo.mean()) for f in found]
        pace = milliseconds(parts, objective, rule, min(max(epochs, 12), 40))
        mean = curve[:, best].mean(axis=1)
        table.append(
            {
                "objective": objective,
                "optimiser": rule,
                "learning rate": rates[best],
                "at the edge of the rates": "yes" if best in (0, len(rates) - 1) else "no",
                "steps": epochs * steps,
                "valid, 64 draws": float(mean[-1]),
                "test, 500 draws": float(np.mean(tests)),
                "s.e. over seeds": float(np.std(tests, ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("nan"),
                "test ELBO": float(np.mean(elbos)),
                "ms a step": pace,
            }
        )
        curves.append({"objective": objective, "rule": rule, "bound": mean, "steps": steps, "ms": pace})
        print(table[-1], flush=True)
    return table, curves


def draw(curves: list[dict[str, Any]], path: Path) -> None:
    """Equal steps at the left, equal time at the right; a colour an optimiser, a dash an objective."""
    from matplotlib.lines import Line2D

    from tacit.plots.style import INK, SMALL, TEXT, component_colour, new_figure, plain_settings, png, tidy

    dashes = dict(zip(OBJECTIVES, ("solid", (0, (5, 2)), (0, (1.2, 1.4))), strict=False))
    colours = {rule: component_colour(i) for i, rule in enumerate(RULES)}
    with plain_settings():
        figure = new_figure(9.0, 4.1)
        left, right = figure.subplots(1, 2, sharey=True)
        limit = min(len(c["bound"]) * c["steps"] * c["ms"] for c in curves) / 1e3
        for curve in curves:
            x = np.arange(1, len(curve["bound"]) + 1) * curve["steps"]
            look: dict[str, Any] = {"color": colours[curve["rule"]], "linestyle": dashes[curve["objective"]]}
            left.plot(x, curve["bound"], linewidth=1.4, **look)
            right.plot(x * curve["ms"] / 1e3, curve["bound"], linewidth=1.4, **look)
        ends = [float(curve["bound"][-1]) for curve in curves if np.isfinite(curve["bound"][-1])]
        high, low = max(ends), min(ends)
        left.set_ylim(low - 0.6 * max(high - low, 0.5), high + 0.1 * max(high - low, 0.5))
        left.set_xlim(left=0)
        right.set_xlim(0, limit)
        left.set_xlabel("steps")
        right.set_xlabel("seconds of training, one member")
        left.set_ylabel("bound of 64 draws, validation rows (nats a row)")
        for axes, title in ((left, "At equal steps"), (right, "At equal time")):
            tidy(axes)
            axes.set_title(title, loc="left", size=TEXT + 1, color=INK)
        shown = [Line2D([], [], color=colours[rule], label=rule) for rule in RULES]
        shown += [Line2D([], [], color=INK, linestyle=dashes[name], label=name) for name in OBJECTIVES]
        figure.legend(handles=shown, loc="outside lower center", ncols=7, frameon=False, fontsize=SMALL, labelcolor=INK)
        path.write_bytes(png(figure))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    table, curves = compare(digits(), options.epochs, options.seeds)
    draw(curves, PICTURE)
    note = f"Best of five constant learning rates by the validation rows, {options.seeds} seeds; {DRAWS} draws a row."
    report("optimisers", table, note)


if __name__ == "__main__":
    main()
