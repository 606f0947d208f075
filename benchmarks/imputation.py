"""Imputation: 30 % of the cells of penguins, wine, wdbc and digits removed at random.

Ours: the exact `Mixture`, `VAE` and `DiscreteVAE`; beside them the mean, one Gaussian (a mixture of one component:
exact conditionals) and scikit-learn's IterativeImputer. Asked: ours better in error and in the density of the true
value, or said where not. Error: root mean squared error over standardised numeric cells. Density: mean log density, in
nats, of the true value under each method's own distribution of the cell (for the mean and IterativeImputer, which give
a normal at most, a normal with the method's own standard deviation, in the same standardised units; that of
IterativeImputer is taken from 20 draws with sample_posterior). Of deep models both are estimates by weighted draws of
z.

    python -m benchmarks.imputation [--data penguins,wine,wdbc,digits] [--repeats 3] [--steps 8000] [--rows N]

`--data penguins --repeats 1 --steps 500` ends in a minute or two; the recorded digits are of `--rows 600 --repeats 1`.
"""

from __future__ import annotations

import argparse
import math
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from benchmarks._common import data, report
from tacit import VAE, DiscreteVAE, Mixture
from tacit.data.encode import encode
from tacit.data.table import read_table

SHARE, REPEATS, DRAWS = 0.3, 3, 20
STEPS, BATCH = 8000, 64
LEAST = 5
OURS = ("tacit.Mixture", "tacit.VAE", "tacit.DiscreteVAE")
SETS = ("penguins", "wine", "wdbc", "digits")


def tables(names: list[str], rows: int | None) -> dict[str, dict[str, np.ndarray]]:
    """Columns of the sets; of at most so many rows, drawn at random."""
    found = {name: _penguins() if name == "penguins" else _bundled(name) for name in names}
    for name, columns in found.items():
        n = len(next(iter(columns.values())))
        places = np.random.default_rng(0).permutation(n)[: rows or n]
        some = {key: column[places] for key, column in columns.items()}
        found[name] = {key: column for key, column in some.items() if column.dtype == object or _varies(column)}
    return found


def _varies(column: np.ndarray) -> bool:
    """Whether five rows at least differ from the commonest value, so that some are left when cells are removed."""
    return bool(np.sum(column != np.median(column)) >= LEAST)


def _bundled(name: str) -> dict[str, np.ndarray]:
    bunch = {"wine": load_wine, "wdbc": load_breast_cancer, "digits": load_digits}[name]()
    names = [str(name).replace(" ", "_") for name in bunch.feature_names]
    return {name: column.astype(float) for name, column in zip(names, bunch.data.T, strict=True)}


def _penguins() -> dict[str, np.ndarray]:
    penguins = read_table(str(data("mixtures/penguins.csv")))
    numeric = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    found = {name: penguins.numbers(name) for name in numeric}
    for name in ("species", "island", "sex"):
        found[name] = np.array(penguins.column(name).to_pylist(), dtype=object)
    complete = np.all([np.isfinite(found[name]) for name in numeric], axis=0)
    return {name: column[complete] for name, column in found.items()}


def models(columns: dict[str, np.ndarray], seed: int, steps: int) -> dict[str, Any]:
    """Ours, and one Gaussian; digits are grey levels, which are read as real numbers."""
    n, d = len(next(iter(columns.values()))), len(columns)
    types = {name: "real" for name, column in columns.items() if column.dtype != object} if d > 40 else None
    epochs = max(math.ceil(steps / math.ceil(n / BATCH)), 10)
    deep: dict[str, Any] = {"types": types, "max_iter": epochs, "batch_size": min(BATCH, n // 2), "random_state": seed}
    k: Any = "auto" if d <= 40 else range(1, 13)
    return {
        "one Gaussian": Mixture(1, types=types, random_state=seed),
        "tacit.Mixture": Mixture(k, types=types, random_state=seed),
        "tacit.VAE": VAE(min(16, max(2, d // 2)), objective="iwae", n_mc_samples=5, **deep),
        "tacit.DiscreteVAE": DiscreteVAE(12, 2, **deep),
    }


def one(columns: dict[str, np.ndarray], seed: int, steps: int) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(seed)
    numeric = [name for name, column in columns.items() if column.dtype != object]
    truth = np.column_stack([columns[name] for name in numeric])
    sd = truth.std(0)
    removed = rng.random((len(truth), len(columns))) < SHARE
    removed[removed.all(1), 0] = False
    holes = {}
    for j, (name, column) in enumerate(columns.items()):
        holed = column.copy()
        holed[removed[:, j]] = None if column.dtype == object else np.nan
        holes[name] = holed
    gone = removed[:, [list(columns).index(name) for name in numeric]]
    X = np.where(gone, np.nan, truth)

    def figures(filled: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
        z, s = ((filled - truth) / sd)[gone], (spread / sd)[gone]
        return float(np.sqrt(np.mean(z**2))), float(np.mean(-0.5 * (z / s) ** 2 - np.log(s) - 0.9189385332046727))

    mean, spread = np.nanmean(X, 0), np.nanstd(X, 0)
    results = {"mean": figures(np.broadcast_to(mean, X.shape), np.broadcast_to(spread, X.shape))}

    near: dict[str, Any] = {"n_nearest_features": 10} if X.shape[1] > 40 else {}  # all would take hours
    filled = IterativeImputer(max_iter=30, random_state=0, **near).fit_transform(X)
    draws = [
        IterativeImputer(max_iter=10, random_state=k, sample_posterior=True, **near).fit_transform(X)
        for k in range(DRAWS)
    ]
    results["IterativeImputer"] = figures(filled, np.std(draws, axis=0, ddof=1) + 1e-12 * sd)

    for method, model in models(columns, seed, steps).items():
        model.fit(holes)
        error, density, cells = 0.0, 0.0, 0
        for j, name in enumerate(numeric):
            rows = np.flatnonzero(gone[:, j])
            table = read_table({key: column[rows] for key, column in holes.items()})
            prediction = model.model_.predict(encode(model.schema_, table, require="any", roles=False), name)
            error += float(np.sum(((prediction.mean() - truth[rows, j]) / sd[j]) ** 2))
            density += float(np.sum(prediction.log_prob(truth[rows, j]) + np.log(sd[j])))
            cells += len(rows)
        results[method] = (float(np.sqrt(error / cells)), density / cells)
        print(method, results[method], flush=True)
    return results


def compare(sets: dict[str, dict[str, np.ndarray]], repeats: int, steps: int) -> list[dict[str, Any]]:
    """The lines of the table: means over removals, and whether each of ours is better than each of the others."""
    rows = []
    for name, columns in sets.items():
        runs = [one(columns, seed, steps) for seed in range(repeats)]
        means = {method: np.mean([run[method] for run in runs], axis=0) for method in runs[0]}
        for method, (error, density) in means.items():
            row: dict[str, Any] = {"data": name, "method": method, "error (sd)": float(error)}
            row["log density (nats)"] = float(density)
            if method not in OURS:
                for ours in OURS:
                    better = f"error {bool(means[ours][0] < error)}, density {bool(means[ours][1] > density)}"
                    row[f"{ours.removeprefix('tacit.')} better"] = better
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=",".join(SETS))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the deep models")
    parser.add_argument("--rows", type=int, default=None, help="at most, of each set")
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = compare(tables(options.data.split(","), options.rows), options.repeats, options.steps)
    note = f"Mean of {options.repeats} removals{f' of {options.rows:,} rows' if options.rows else ''}. "
    note += "Models of ours also use the columns of text; the others cannot."
    some = "" if options.data == ",".join(SETS) else "_" + options.data.replace(",", "_")
    report("imputation" + some, rows, note)


if __name__ == "__main__":
    main()
