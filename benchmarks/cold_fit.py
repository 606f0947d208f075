"""A cold process: `tacit fit -k 1:10` on 5,000 x 10, report included, and again; beside scikit-learn's sweep.

Asked: the wall times printed; the second run faster than scikit-learn's ten fits with ten starts each.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._common import report

PEER = """
import numpy as np, sys, warnings
warnings.simplefilter("ignore")
from sklearn.mixture import GaussianMixture
X = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1)
bics = [GaussianMixture(k, n_init=10, max_iter=1000, tol=1e-5, random_state=0).fit(X).bic(X) for k in range(1, 11)]
print(1 + int(np.argmin(bics)))
"""


def main() -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(5, 10, 10)) / np.sqrt(10) + 0.3 * np.eye(10)
    z = rng.integers(0, 5, 5000)
    X = 1.5 * rng.normal(size=(5, 10))[z] + np.einsum("nij,nj->ni", factors[z], rng.normal(size=(5000, 10)))
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "table.csv"
        np.savetxt(csv, X, delimiter=",", header=",".join("abcdefghij"), comments="", fmt="%.8f")
        environment = os.environ | {"TACIT_CACHE": str(Path(folder) / "cache")}

        def timed(*command: str) -> float:
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            return time.perf_counter() - began

        fit = (str(Path(sys.executable).parent / "tacit"), "fit", str(csv), "-k", "1:10", "--force")
        fit += ("-o", f"{folder}/model.tacit", "--report", f"{folder}/report.html")
        first, second = timed(*fit), timed(*fit)
        peer = timed(sys.executable, "-c", PEER, str(csv))
    rows = [
        {"what": "tacit fit -k 1:10, first run (compiles)", "seconds": first},
        {"what": "tacit fit -k 1:10, second run", "seconds": second, "met": second < peer},
        {"what": "scikit-learn, k = 1..10, 10 starts each, BIC", "seconds": peer},
    ]
    note = "tacit: 5 folds and all rows x starts x sizes, until the curve has fallen; held-out figures, refit, report."
    report("cold_fit", rows, note)


if __name__ == "__main__":
    main()
