"""What every benchmark prints: the machine, the versions, the figures; and where the real data lies."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("tacit-lvm", "jax", "jaxlib", "numpy", "scipy", "scikit-learn")


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory and versions."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "system": platform.system(),
        **versions,
    }


def data(name: str) -> Path:
    """A file of the real data, or a plain end where there is none."""
    folder = Path(os.environ.get("TACIT_DATA", "../shared/data"))
    path = folder / name
    if not path.exists():
        sys.exit(f"{path} is not here: set TACIT_DATA to the folder of the data sets (see benchmarks/README.md).")
    return path


def report(name: str, rows: Sequence[dict[str, Any]], note: str = "") -> None:
    """Print the figures as a table and keep them, with the machine, under benchmarks/results."""
    described = machine()
    print(f"# {name}\n")
    print(", ".join(f"{key} {value}" for key, value in described.items()), "\n")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_shown(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
    for line in [columns, ["-" * width for width in widths], *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"\n{note}\n" if note else "")
    RESULTS.mkdir(exist_ok=True)
    kept = {"benchmark": name, "machine": described, "figures": list(rows), "note": note}
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1, default=float) + "\n")


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def best_of(function: Callable[[], Any], repeats: int) -> float:
    """Least wall time of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def peak_rss() -> float:
    """Peak resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
