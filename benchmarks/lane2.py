"""Speed given flow on a motorway lane: `tacit compare` shows the multimodal models ahead of the linear Gaussian.

Asked: by more than 3 standard errors.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._common import data, report


def main() -> None:
    tacit = str(Path(sys.executable).parent / "tacit")
    command = (tacit, "compare", str(data("conditional/lane2.csv")), "--target", "speed", "--json")
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    rows = []
    for model in json.loads(done.stdout)["result"]["models"]:
        figure, gap = model["log_likelihood"], model["difference"]
        row = {"model": model["name"]}
        if figure is not None:
            row |= {"held-out nats a row": figure["value"], "s.e.": figure["standard_error"], "kind": figure["kind"]}
        if gap is not None:
            ratio = gap["value"] / gap["standard_error"]
            row |= {"less linear Gaussian": gap["value"], "its s.e.": gap["standard_error"], "in s.e.": ratio}
            row |= {} if "Gaussian" in model["name"] else {"met": ratio > 3}
        rows.append(row)
    report("lane2", rows, f"One comparison, compilation included, in {seconds:.0f} s; 264 rows held out.")


if __name__ == "__main__":
    main()
