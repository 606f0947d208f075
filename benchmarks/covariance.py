"""What a covariance of the columns given z is worth to a VAE: three tables of numbers, three splits, held out.

`VAE` of two latents with scale="shared", "floored" and "full", else as it comes, on wine (13 columns), diabetes (9,
some nearly dependent) and wdbc (30, the same); beside them one Gaussian, which has that covariance and no latent.
Columns are standardised by all rows; three folds; log-likelihoods in nats a row, estimated but for the Gaussian's.

    python -m benchmarks covariance
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import KFold

from benchmarks._common import report
from tacit import VAE, GaussianMixture
from tacit._errors import TacitWarning

TABLES = {"wine": load_wine, "diabetes": load_diabetes, "wdbc": load_breast_cancer}
MODELS: dict[str, Any] = {
    **{
        f"VAE, {scale}": VAE(2, scale=scale, hidden_layer_sizes=(32,), likelihood="gaussian", random_state=0)
        for scale in ("shared", "floored", "full")
    },
    "one Gaussian": GaussianMixture(1),
}


def standardised(table: str) -> np.ndarray:
    """The columns of a table in units of their own standard deviations."""
    X = TABLES[table]().data
    if table == "diabetes":
        X = np.delete(X, 1, axis=1)  # of two values
    return (X - X.mean(axis=0)) / X.std(axis=0)


def held_out(table: str, name: str, model: Any) -> dict[str, Any]:
    """The mean log-likelihood over three folds that took no part in a fit."""
    X = standardised(table)
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        scores = [model.fit(X[train]).score(X[held]) for train, held in folds]
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    line = {"table": table, "model": name, "held out, nats a row": np.mean(scores), "s.e. over folds": error}
    line["seconds a fit"] = (time.perf_counter() - began) / len(folds)
    print(line, flush=True)
    return line


def main() -> None:
    report("covariance", [held_out(table, name, model) for table in TABLES for name, model in MODELS.items()])


if __name__ == "__main__":
    main()
