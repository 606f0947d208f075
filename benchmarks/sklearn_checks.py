"""scikit-learn's own mixture tests with our class in place, `check_estimator`, and a 3x5 GridSearchCV with two jobs."""

import subprocess
import sys
import time
import warnings

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from benchmarks._common import report
from tacit import GaussianMixture


def run_tests(path: str, select: str) -> dict[str, object]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow", path]
    command += ["-k", select] if select else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counts = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    return {"what": f"{path} {select}".strip(), "exit": done.returncode, "counts": counts}


def main() -> None:
    rows: list[dict[str, object]] = [
        run_tests("tests/estimators/test_gaussian_mixture_sklearn_suite.py", ""),
        run_tests("tests/estimators", "check_estimator or conventions"),
    ]
    X = load_iris().data
    grid = {"n_components": [1, 2, 3], "covariance_type": ["full"]}
    search = GridSearchCV(GaussianMixture(random_state=0), grid, cv=5, n_jobs=2)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X)
    seconds = time.perf_counter() - began
    rows.append({"what": "GridSearchCV 3 x 5, n_jobs=2, iris", "seconds": seconds, "counts": str(search.best_params_)})
    report("sklearn_checks", rows)


if __name__ == "__main__":
    main()
