"""The learned scale of a Gaussian decoder collapses on a small set without a floor; the default does not.

wine, 13 standardised columns, 100 rows to train on and 78 that took no part. `VAE` with scale="network" (no floor),
"floored" at .1 of a column's s.d., and "shared" (the default), trained for more and more epochs without early stopping,
and once as it comes, with early stopping. Asked: the collapse shown without a floor; with the default none, and the
better held-out figure. Log-likelihoods are importance-weighted estimates in nats a row, in the units of the data.

    python -m benchmarks.collapse [--epochs 50,200,800,3200] [--seeds 3]

writes the table and docs/pictures/collapse.png. `--epochs 20,80 --seeds 1` ends in a minute or two.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_wine

from benchmarks._common import report
from tacit import VAE
from tacit._errors import TacitWarning
from tacit.data.encode import Rows
from tacit.workflow.latent_scale import _scales_at_rows

SCALES: dict[str, dict[str, Any]] = {
    "network": {"scale": "network"},
    "floored": {"scale": "floored", "scale_floor": 0.1},
    "shared": {"scale": "shared"},
}
TRAIN, LATENTS = 100, 4
PICTURE = Path("docs/pictures/collapse.png")


def wine(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out rows, in the data's units."""
    X = load_wine().data
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order[:TRAIN]], X[order[TRAIN:]]


def least_scale(model: VAE, X: np.ndarray) -> float:
    """The least s.d. of a column given z at a training row, as a share of the column's own."""
    if model.scale == "shared":
        scales = np.array([model.noise_scale_[name] / model.schema_[name].scale for name in model.noise_scale_])
        return float(scales.min())
    rows: Rows = model._rows(X)
    return float(_scales_at_rows(model.model_, rows).min())


def one(X: np.ndarray, held: np.ndarray, epochs: int | None, seed: int, **settings: Any) -> dict[str, float]:
    """A fit, and what it is worth; `epochs` None is the default with its early stopping."""
    given: dict[str, Any] = {"likelihood": "gaussian", "random_state": seed, **settings}
    if epochs is not None:
        given |= {"max_iter": epochs, "validation_fraction": 0.0, "weight_decay": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        model = VAE(LATENTS, **given).fit(X)
    codes = {finding.code for finding in model.findings_}
    return {
        "train": float(model.score(X)),
        "held out": float(model.score(held)),
        "least scale": least_scale(model, X),
        "warned": float("scale-collapse" in codes),
    }


def compare(epochs: list[int], seeds: int) -> list[dict[str, Any]]:
    """A line for every scale and number of epochs, means over seeds with errors."""
    table = []
    for name, settings in SCALES.items():
        for number in (*epochs, None):
            runs = [one(*wine(seed), number, seed, **settings) for seed in range(seeds)]
            columns = {key: np.array([run[key] for run in runs]) for key in runs[0]}
            table.append(
                {
                    "scale": name,
                    "epochs": "default" if number is None else number,
                    "train log p": float(columns["train"].mean()),
                    "held-out log p": float(columns["held out"].mean()),
                    "s.e. over seeds": float(columns["held out"].std(ddof=1) / np.sqrt(seeds))
                    if seeds > 1
                    else float("nan"),
                    "least scale / s.d.": float(columns["least scale"].min()),
                    "warned": f"{columns['warned'].sum():.0f} of {seeds}",
                }
            )
            print(table[-1], flush=True)
    return table


def draw(table: list[dict[str, Any]], path: Path) -> None:
    """Training and held-out log-likelihood against epochs, and the least scale."""
    from tacit.plots.style import INK, SMALL, TEXT, component_colour, new_figure, plain_settings, png, tidy

    epochs = sorted({line["epochs"] for line in table if line["epochs"] != "default"})
    with plain_settings():
        figure = new_figure(9.0, 3.8)
        left, right = figure.subplots(1, 2)
        for i, name in enumerate(SCALES):
            lines = [line for line in table if line["scale"] == name and line["epochs"] != "default"]
            x = [line["epochs"] for line in lines]
            colour = component_colour(i)
            left.plot(x, [line["train log p"] for line in lines], color=colour, linestyle=(0, (4, 2)), linewidth=1.2)
            left.plot(x, [line["held-out log p"] for line in lines], "o-", color=colour, linewidth=1.6, markersize=4,
                      label=name)  # fmt: skip
            right.plot(
                x, [line["least scale / s.d."] for line in lines], "o-", color=colour, linewidth=1.6, markersize=4
            )
        shown = [line["held-out log p"] for line in table if line["epochs"] != "default"]
        best = max(line["train log p"] for line in table if line["scale"] != "network")
        low = np.quantile(shown, 0.25)
        left.set_ylim(low - 2 * max(best - low, 1.0), best + 1.0 * max(best - low, 1.0))
        left.set_ylabel("log-likelihood (nats a row)")
        right.set_yscale("log")
        right.set_ylabel("least scale, of a column's s.d.")
        for axes, title in ((left, "Held out (solid) and trained on (dashed)"), (right, "The narrowest scale")):
            axes.set_xscale("log")
            axes.set_xticks(epochs, [f"{number:,}" for number in epochs])
            axes.minorticks_off()
            axes.set_xlabel("epochs")
            axes.set_title(title, loc="left", size=TEXT + 0.5, color=INK)
            tidy(axes)
        left.legend(title="scale of the decoder", loc="lower left", frameon=False, fontsize=SMALL, title_fontsize=SMALL)
        path.write_bytes(png(figure))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", default="50,200,800,3200")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    table = compare([int(text) for text in options.epochs.split(",")], options.seeds)
    draw(table, PICTURE)
    note = (
        f"{TRAIN} of 178 rows of wine to train on, {options.seeds} splits; the last epoch is kept, but for the default."
    )
    report("collapse", table, note)


if __name__ == "__main__":
    main()
