"""How long small things take, and the installed size. Asked: import .1 s; --help .25 s; second `tacit score` 1.5 s."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

from benchmarks._common import best_of, report

BIN = Path(sys.executable).parent


def installed_mib() -> float:
    """Everything in the environment, as `du` would say."""
    root = Path(sys.prefix) / "lib"
    return sum(f.stat().st_size for f in root.rglob("*") if f.is_file() and not f.is_symlink()) / 2**20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        csv, model = Path(folder) / "wine.csv", Path(folder) / "wine.tacit"
        wine = load_wine()
        np.savetxt(csv, wine.data[:, :5], delimiter=",", header="a,b,c,d,e", comments="", fmt="%.6g")
        environment = os.environ | {"TACIT_CACHE": str(Path(folder) / "cache")}

        def run(*command: str) -> None:
            subprocess.run(command, check=True, capture_output=True, env=environment)

        tacit = str(BIN / "tacit")
        run(tacit, "fit", str(csv), "-o", str(model), "-k", "2")
        bare = best_of(lambda: run(sys.executable, "-c", "pass"), 5)
        imported = best_of(lambda: run(sys.executable, "-c", "import tacit"), 5)
        helped = best_of(lambda: run(tacit, "--help"), 5)
        run(tacit, "score", str(model), str(csv))
        scored = best_of(lambda: run(tacit, "score", str(model), str(csv)), 3)
    own = sum(f.stat().st_size for f in Path("src/tacit").rglob("*.py")) / 2**10
    rows = [
        {"what": "python -c pass", "seconds": bare},
        {
            "what": "import tacit, beyond bare Python",
            "seconds": imported - bare,
            "asked": 0.1,
            "met": imported - bare <= 0.1,
        },
        {"what": "tacit --help", "seconds": helped, "asked": 0.25, "met": helped <= 0.25},
        {"what": "tacit score, small file, second run", "seconds": scored, "asked": 1.5, "met": scored <= 1.5},
        {"what": "source of tacit, KiB", "size": own},
        {"what": "the whole environment with development tools, MiB", "size": installed_mib()},
    ]
    report("startup", rows)


if __name__ == "__main__":
    main()
