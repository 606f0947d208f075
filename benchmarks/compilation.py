"""What compilation costs a first fit, with XLA's own settings and with ours, and what the steps then take.

Every line is a process of its own that begins with no program kept. Small: a `VAE` and a `ConditionalMixture` of a
table of 300 rows, whole first fits of 20 epochs. Steps: the networks of `latent_speed`, one member; runs of both
settings alternate, and the best of each counts. XLA's own settings are named in XLA_FLAGS, which go before ours.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from typing import Any

from benchmarks._common import report

ROUNDS = 3
OWN = "--xla_backend_optimization_level=3 --xla_cpu_use_fusion_emitters=true"
SETTINGS = {"XLA's own": OWN, "ours": ""}
FITS = ("VAE", "ConditionalMixture")


def fit(name: str) -> dict[str, float]:
    """Seconds of the first fit, of which compilation, and the number of programs."""
    import jax
    import numpy as np

    import tacit

    spent: list[float] = []
    events = "/jax/core/compile/backend_compile_duration"
    jax.monitoring.register_event_duration_secs_listener(lambda e, s, **_: spent.append(s) if e == events else None)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "VAE":
            tacit.VAE(2, preset="fast", max_iter=20, random_state=0).fit(X)
        else:
            tacit.ConditionalMixture(preset="fast", max_iter=20, random_state=0).fit(X[:, 1:], X[:, 0])
    return {"seconds": time.perf_counter() - began, "compiling": sum(spent), "programs": len(spent)}


def steps(name: str) -> dict[str, float]:
    """Milliseconds a step."""
    from benchmarks._latent_problems import PROBLEMS
    from benchmarks.latent_speed import ours

    return {"ms a step": ours(PROBLEMS[name], 1, 12)}


def measured(name: str, flags: str) -> dict[str, Any]:
    """The figures of one process."""
    environment = {**os.environ, "XLA_FLAGS": flags}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "benchmarks.compilation", name]
    found: dict[str, Any] = json.loads(subprocess.check_output(command, env=environment, text=True).splitlines()[-1])
    return found


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps((fit if sys.argv[1] in FITS else steps)(sys.argv[1])))
        return
    from benchmarks._latent_problems import PROBLEMS

    lines = []
    for name in (*FITS, *PROBLEMS):
        rounds = [{own: measured(name, flags) for own, flags in SETTINGS.items()} for _ in range(ROUNDS)]
        for own in SETTINGS:
            best = {figure: min(one[own][figure] for one in rounds) for figure in rounds[0][own]}
            each = ", ".join(f"{next(iter(one[own].values())):.3g}" for one in rounds)
            lines.append({"what": name, "settings": own, **best, "each round": each})
            print(lines[-1], flush=True)
    report("compilation", lines, "Best of the rounds.")


if __name__ == "__main__":
    main()
