"""Bad optima: a default fit on 40 synthetic problems (10 overlapping full components, 10 columns, 3,000 rows).

Asked: within .05 nats a row of the best known optimum in at least 95 %. The best known is the best of all fits here,
of 50 further starts, and of EM from the truth.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Peer

from benchmarks._common import report
from tacit import GaussianMixture

PROBLEMS, N, D, K = 40, 3000, 10, 10


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(K, 5.0))
    means = rng.normal(size=(K, D)) * 1.2
    factors = rng.normal(size=(K, D, D)) / np.sqrt(D) + 0.3 * np.eye(D)
    z = rng.choice(K, N, p=weights)
    X = means[z] + np.einsum("nij,nj->ni", factors[z], rng.normal(size=(N, D)))
    return X, weights, means, factors @ factors.transpose(0, 2, 1)


def main() -> None:
    behind = {"tacit, defaults": [], "scikit-learn, defaults": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in range(PROBLEMS):
            X, weights, means, covariances = problem(seed)
            truth = Peer(
                K, tol=1e-6, max_iter=2000, weights_init=weights, means_init=means,
                precisions_init=np.linalg.inv(covariances),
            ).fit(X)  # fmt: skip
            found = {
                "tacit, defaults": GaussianMixture(K, random_state=seed).fit(X).score(X),
                "scikit-learn, defaults": Peer(K, random_state=seed).fit(X).score(X),
            }
            many = GaussianMixture(K, n_init=50, random_state=1000 + seed).fit(X).score(X)
            best = max(truth.score(X), many, *found.values())
            for name, value in found.items():
                behind[name].append(best - value)
            print(seed, {name: round(gaps[-1], 4) for name, gaps in behind.items()}, flush=True)
    rows = []
    for name, gaps in behind.items():
        share = float(np.mean(np.array(gaps) <= 0.05))
        row = {"fit": name, "within .05 of the best": share, "median gap": float(np.median(gaps)), "worst": max(gaps)}
        rows.append(row | ({"asked": ">= 95 %", "met": share >= 0.95} if name.startswith("tacit") else {}))
    report("starts", rows)


if __name__ == "__main__":
    main()
