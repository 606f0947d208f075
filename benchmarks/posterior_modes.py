"""What normals about the modes of each row's posterior add to the densities of a `VAE`, and what they cost.

Two parts. *Exact*: a linear `VAE` of columns that tell much of z, its rows complete and with 40 % of the cells missing;
the exact density and the exact conditional means are those of the normal that the fitted weights make. *Real*: held-out
fifths of wdbc and digits with the networks that `VAE` takes; the exact density is not known, and 4,096 draws a row
stand for it. In every part: all draws of q, or two thirds about modes (what `score_samples` does); 1,024 and 256 draws.

    python -m benchmarks.posterior_modes [--epochs 150]
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import jax
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from benchmarks._common import report
from tacit import VAE
from tacit._errors import TacitWarning
from tacit.evaluation.pareto import TRUSTED
from tacit.evaluation.weights import weighted

LINEAR = ((5, 20), (10, 30), (16, 40))  # latents, columns
TRAIN, TEST, NOISE, MISSING = 1500, 200, 0.2, 0.4
REAL = (("wdbc", load_breast_cancer, 8), ("wdbc", load_breast_cancer, 16), ("digits", load_digits, 16))
DRAWS, MANY = 256, 4096


def estimates(model: VAE, X: np.ndarray, draws: int, *, modes: bool) -> tuple[dict[str, Any], np.ndarray]:
    """Figures of the rows' densities, and the densities themselves, nats, in the units of the data."""
    density, rows = model.model_, model._rows(X)
    settings: dict[str, Any] = {"num_samples": draws // 4, "key": jax.random.key(0), "modes": modes}
    for _ in range(2):  # the second time it is compiled
        began = time.perf_counter()
        found = weighted(density.model, density.posterior, density.batch(rows), **settings)
        seconds = time.perf_counter() - began
    log_p = found.jackknife + rows.log_jacobian
    told = {
        "draws": draws,
        "of": "q and about modes" if modes else "q",
        "log p": float(log_p.mean()),
        "Monte Carlo error of a row": float(found.error.mean()),
        "k-hat above .7": float(np.mean(found.k_hat > TRUSTED)),
        "ms a row": 1e3 * seconds / len(X),
    }
    return told, log_p


def exact(model: VAE, X: np.ndarray, filled: np.ndarray) -> tuple[np.ndarray, float]:
    """Exact log p of rows under a linear `VAE`, and how far off `filled` is of the conditional means, in their s.d."""
    latents = model.n_latents
    mean = model.inverse_transform(np.zeros((1, latents)))[0]
    weight = np.stack([row - mean for row in model.inverse_transform(np.eye(latents))], axis=1)
    covariance = weight @ weight.T + np.diag(np.array(list(model.noise_scale_.values())) ** 2)
    log_p, off = [], []
    for row, own in zip(X, filled, strict=True):
        seen = ~np.isnan(row)
        inverse = np.linalg.inv(covariance[np.ix_(seen, seen)])
        left = row[seen] - mean[seen]
        log_p.append(-0.5 * (left @ inverse @ left + np.linalg.slogdet(2 * np.pi * covariance[np.ix_(seen, seen)])[1]))
        if not seen.all():
            slopes = covariance[np.ix_(~seen, seen)] @ inverse
            variance = np.diag(covariance[np.ix_(~seen, ~seen)] - slopes @ covariance[np.ix_(seen, ~seen)])
            off.extend((own[~seen] - mean[~seen] - slopes @ left) / np.sqrt(variance))
    return np.array(log_p), float(np.sqrt(np.mean(np.square(off)))) if off else 0.0


def linear(latents: int, d: int, epochs: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(latents, d))
    X = rng.normal(size=(TRAIN + TEST, latents)) @ weight + NOISE * rng.normal(size=(TRAIN + TEST, d))
    model = VAE(latents, hidden_layer_sizes=(), max_iter=epochs, learning_rate=5e-3, random_state=0).fit(X[:TRAIN])
    rows = []
    for share in (0.0, MISSING):
        held = np.where(rng.uniform(size=(TEST, d)) < share, np.nan, X[TRAIN:])
        log_p, off = exact(model, held, np.asarray(model.impute(held)) if share else held)
        for draws in (4 * DRAWS, DRAWS):
            for modes in (False, True):
                told, found = estimates(model, held, draws, modes=modes)
                short = {"less the exact": float(np.mean(found - log_p)), "worst row": float(np.min(found - log_p))}
                where = {"data": f"linear, {d} columns", "latents": latents, "cells missing": share}
                rows.append(where | told | short | ({"imputations off, s.d.": off} if modes and share else {}))
    return rows


def real(name: str, load: Any, latents: int) -> list[dict[str, Any]]:
    X = load().data
    X = X[np.random.default_rng(0).permutation(len(X))][:, X.std(axis=0) > 0]
    held, X = X[: len(X) // 5], X[len(X) // 5 :]
    model = VAE(latents, random_state=0).fit(X)
    each = [(MANY, True), *((draws, modes) for draws in (4 * DRAWS, DRAWS) for modes in (False, True))]
    found = [estimates(model, held, draws, modes=modes) for draws, modes in each]
    best = found[0][1]
    where = {"data": name, "latents": latents, "cells missing": 0.0}
    return [
        where
        | told
        | {"less 4,096 about modes": float(np.mean(log_p - best)), "worst row": float(np.min(log_p - best))}
        for told, log_p in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=150)
    epochs = parser.parse_args().epochs
    rows: list[dict[str, Any]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        for latents, d in LINEAR:
            rows += linear(latents, d, epochs)
        for name, load, latents in REAL:
            rows += real(name, load, latents)
    report("posterior_modes", rows, "Jackknifed estimates, nats a row; ms a row without compilation.")


if __name__ == "__main__":
    main()
