"""scikit-learn's own mixture tests with our class in place, `check_estimator`, and a 3x5 GridSearchCV with two jobs."""

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from xml.etree import ElementTree

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from benchmarks._common import report
from tacit import GaussianMixture


def run_tests(path: str, select: str) -> dict[str, object]:
    """Run some tests, and count how they ended."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.xml"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "slow or not slow", path]
        command += ["-k", select, f"--junitxml={told}"] if select else [f"--junitxml={told}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        suite = next(ElementTree.parse(told).iter("testsuite")).attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    counts = (
        f"{int(suite['tests']) - failed - int(suite['skipped'])} passed, {failed} failed, {suite['skipped']} expected"
    )
    return {"what": f"{path} {select}".strip(), "counts": counts, "met": done.returncode == 0 and not failed}


def main() -> None:
    rows: list[dict[str, object]] = [
        run_tests("tests/estimators/test_gaussian_mixture_sklearn_suite.py", ""),
        run_tests("tests/estimators", "check_estimator or conventions or scikit_learns_checks"),
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
    report("sklearn_checks", rows, "Failures that are expected, and why: docs/questions.md.")


if __name__ == "__main__":
    main()
