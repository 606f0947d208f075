"""EM against scikit-learn from the same start: 50 iterations, four covariance types. Asked: equal to rtol 1e-9."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Peer

from benchmarks._common import report
from tacit import GaussianMixture


def main() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 3)) * 3
    X = np.concatenate([rng.normal(size=(250, 3)) @ rng.normal(size=(3, 3)) + c for c in centres])
    means = X[rng.choice(len(X), 4, replace=False)]
    precisions = {
        "full": np.stack([np.eye(3)] * 4),
        "tied": np.eye(3),
        "diag": np.ones((4, 3)),
        "spherical": np.ones(4),
    }
    rows = []
    for kind, precision in precisions.items():
        given = {
            "n_components": 4, "covariance_type": kind, "tol": 0.0, "max_iter": 50, "n_init": 1,
            "weights_init": np.full(4, 0.25), "means_init": means, "precisions_init": precision,
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            ours, theirs = GaussianMixture(**given).fit(X), Peer(**given).fit(X)
        row = {"covariance": kind, "iterations": ours.n_iter_}
        for name in ("means_", "covariances_"):
            a, b = getattr(ours, name), getattr(theirs, name)
            row[f"{name} worst relative"] = float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-3 * np.abs(b).max())))
        row["log-likelihood relative"] = abs(ours.score(X) / theirs.score(X) - 1)
        row["met"] = max(v for k, v in row.items() if "relative" in k) <= 1e-9
        rows.append(row)
    report("em_equality", rows, "Relative to the entry, or to 1e-3 of the largest entry where it is smaller.")


if __name__ == "__main__":
    main()
