"""Seconds until a VAE says as much of new rows as another, compilation included: ours, eager PyTorch, NumPyro's SVI.

The networks of `latent_speed` with normal latents, alone and given covariates, the same rate and batches; 50,000 rows
to learn from and 2,000 to judge after every epoch. Each runs in a process of its own that has compiled nothing before;
imports are not counted, nor the judging of the peers, while ours counts its own. NumPyro's update is called from
Python, and once more in a compiled loop. The mark is the bound that the slowest learner ends at. PyTorch and NumPyro
are not dependencies: where one is not installed its column stays empty.
"""

import json
import math
import os
import subprocess
import sys
import time

import jax
import numpy as np

from benchmarks._common import report
from benchmarks._latent_peers import installed
from benchmarks._latent_problems import PROBLEMS, Problem, member, rows, settings
from tacit.training import Epoch, train

N, HELD = 50_000, 2_000
EPOCHS = {True: 20, False: 30}  # of bits, of numbers
Curve = list[tuple[float, float]]  # seconds so far and the bound on the rows set aside, in nats a row, of every epoch


def ours(problem: Problem) -> Curve:
    y, x = rows(problem, N + HELD)
    model, encoder = member(jax.random.key(0), problem)
    ends: list[Epoch] = []
    times: list[float] = []
    began = time.perf_counter()

    def seen(epoch: Epoch) -> None:
        ends.append(epoch)
        times.append(time.perf_counter() - began)

    train(
        model,
        encoder,
        **settings(problem, y, x),
        key=jax.random.key(1),
        max_epochs=EPOCHS[problem.binary],
        validation=np.arange(N, N + HELD),
        callbacks=[seen],
    )
    numbers = np.arange(1, ends[-1].number + 1)  # epochs are run in chunks: within one, time is laid out evenly
    spread = np.interp(numbers, [0, *(one.number for one in ends)], [0.0, *times])
    spread[0] = times[0]  # but for the first, which is a chunk, and compiles
    return [(float(s), float(v)) for s, v in zip(spread, ends[-1].validation[:, 0], strict=True)]


def peer(name: str, problem: Problem) -> Curve:
    y, x = rows(problem, N + HELD)
    (learn, judge), (learn_x, judge_x) = ((a, a) if a is None else (a[:N], a[N:]) for a in (y, x))
    made, spent, found = installed(problem)[name], 0.0, []
    began = time.perf_counter()
    model = made(problem)
    for _ in range(EPOCHS[problem.binary]):
        model.epoch(learn, learn_x)
        spent += time.perf_counter() - began
        found.append((spent, model.bound(judge, judge_x)))
        began = time.perf_counter()
    return found


def measured(who: str, name: str) -> Curve:
    """The curve of one process."""
    environment = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"}
    command = [sys.executable, "-m", "benchmarks.latent_time", who, name]
    found: Curve = json.loads(subprocess.check_output(command, env=environment, text=True).splitlines()[-1])
    return found


def main() -> None:
    if len(sys.argv) > 1:
        who, name = sys.argv[1:]
        print(json.dumps(ours(PROBLEMS[name]) if who == "tacit" else peer(who, PROBLEMS[name])))
        return
    lines = []
    for name, problem in PROBLEMS.items():
        if not problem.normal:
            continue
        curves = {who: measured(who, name) for who in ("tacit", *installed(problem))}
        mark = min(curve[-1][1] for curve in curves.values())
        line: dict[str, object] = {"model": name, "mark": mark}
        reached = {
            who: next(((s, i) for i, (s, v) in enumerate(curve, 1) if v >= mark), (math.nan, 0))
            for who, curve in curves.items()
        }
        for who, (seconds, epochs) in reached.items():
            line |= {f"{who}, s": seconds, f"{who}, epochs": epochs, f"{who}, first epoch, s": curves[who][0][0]}
            if who != "tacit":
                line[f"{who}, ratio"] = seconds / reached["tacit"][0]
        lines.append(line)
        print(line, flush=True)
    note = f"{N} rows, {HELD} set aside; bounds in nats a row, by one draw."
    report("latent_time", lines, note)


if __name__ == "__main__":
    main()
