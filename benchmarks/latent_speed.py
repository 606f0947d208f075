"""A training step of latent-variable models beside the same networks in eager PyTorch and in NumPyro's SVI.

VAEs 784-200-200-50 in batches of 128 and 8-64-64-5 in batches of 64, alone and given covariates; 200 bits
784-200-200-200 with leave-one-out over two draws. Closed divergence for normal latents, Adam. Asked: at least 2.5 times
faster than eager PyTorch, 1.1 times NumPyro's jitted step called from Python (in a compiled loop it is shown too); the
ratios at 5 and 20 members. Steps are those that long trainings have, whatever the length here. Runs alternate, and the
best epoch of each counts. Beside them the matrix products that a step cannot do without, alone in a compiled loop: no
step of these networks can be faster. PyTorch and NumPyro are not dependencies: where one is not installed its column
stays empty.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import best_of, report
from benchmarks._latent_peers import installed
from benchmarks._latent_problems import PROBLEMS, Problem, member, rows, settings
from tacit.training import Population, stack, train

ROUNDS = 4  # of runs that alternate
ASKED = {"PyTorch": 2.5, "NumPyro": 1.1}


def ours(problem: Problem, members: int, epochs: int) -> float:
    """Milliseconds a step and member, the best chunk of epochs."""
    y, x = rows(problem, problem.batch * problem.steps)
    pairs = [member(key, problem) for key in jax.random.split(jax.random.key(0), members)]
    models, encoders = (stack(list(trees)) for trees in zip(*pairs, strict=True))
    population = Population(np.tile(np.arange(len(y), dtype=np.int32), (members, 1)), np.zeros((members, 0), np.int32))
    seen: list[tuple[int, float]] = []
    train(
        models,
        encoders,
        **settings(problem, y, x),
        key=jax.random.key(1),
        max_epochs=epochs,
        population=population,
        callbacks=[lambda epoch: seen.append((epoch.number, time.perf_counter()))],
    )
    best = min((t1 - t0) / (e1 - e0) for (e0, t0), (e1, t1) in itertools.pairwise(seen))
    return 1e3 * best / problem.steps / members


def peer(made: Any, problem: Problem, epochs: int = 4) -> float:
    """Milliseconds a step, the best of some epochs after the first."""
    y, x = rows(problem, problem.batch * problem.steps)
    found = made(problem)
    found.epoch(y, x)
    return 1e3 * best_of(lambda: found.epoch(y, x), epochs) / problem.steps


def products(problem: Problem) -> float:
    """Milliseconds of the matrix products of a step: one forward a layer, and two backward but for the first."""

    def layers() -> Iterator[tuple[int, int, int, bool]]:
        d, p, widths, latents = problem[:4]
        up, down = [latents + p, *widths[::-1], d], [d + p, *widths, latents * (2 if problem.normal else 1)]
        for i, sizes in enumerate(itertools.pairwise(down)):
            yield problem.batch, *sizes, i > 0
        for i, sizes in enumerate(itertools.pairwise(up)):  # the gradient in z is asked for where the draw passes it on
            yield problem.batch * problem.draws, *sizes, i > 0 or problem.normal

    shapes, keys = list(layers()), jax.random.split(jax.random.key(0), 3)
    arrays = [
        (jax.random.normal(keys[0], (b, i)), jax.random.normal(keys[1], (i, o)), jax.random.normal(keys[2], (b, o)))
        for b, i, o, _ in shapes
    ]

    @jax.jit
    def loop(arrays: Any) -> Any:
        def step(small: Any, _: None) -> tuple[Any, None]:
            for (x, w, g), (*_, passed_on) in zip(arrays, shapes, strict=True):
                moved = w + small  # so that nothing is worked out once for all steps
                found = [(x @ moved)[0, 0], ((x + small).T @ g)[0, 0]] + [(g @ moved.T)[0, 0]] * passed_on
                small = small + 1e-30 * sum(found)
            return small, None

        return jax.lax.scan(step, jnp.zeros(()), None, length=problem.steps)[0]

    jax.block_until_ready(loop(arrays))
    return 1e3 * best_of(lambda: jax.block_until_ready(loop(arrays)), 5) / problem.steps


def main() -> None:
    sys.modules[train.__module__].LONG = 0.0  # type: ignore[attr-defined]  # steps as long trainings have them
    found, load = [], os.getloadavg()[0]
    for name, problem in PROBLEMS.items():
        peers = installed(problem)
        times: dict[str, list[float]] = {peer: [] for peer in ("tacit", *peers)}
        for _ in range(ROUNDS):
            times["tacit"].append(ours(problem, 1, 12))
            for one, made in peers.items():
                times[one].append(peer(made, problem))
        for members in (1, 5, 20) if problem.normal else (1,):
            step = min(times["tacit"]) if members == 1 else ours(problem, members, 6)
            row: dict[str, Any] = {"model": name, "members": members, "ms a step and member": step}
            for one in peers:
                best = min(times[one])
                row |= {f"{one}, ms": best, f"{one}, ratio": best / step}
                if one in ASKED:
                    row[f"{one}, met"] = "yes" if best / step >= ASKED[one] else "no"
            if members == 1:
                row["products alone, ms"] = products(problem)
                row |= {f"{one}, each round": ", ".join(f"{v:.3g}" for v in times[one]) for one in times}
            found.append(row)
            print(row, flush=True)
    note = f"Load before and after: {load:.1f} and {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
    report("latent_speed", found, note + "beside other work eager PyTorch loses most, and the ratios mean nothing.")


if __name__ == "__main__":
    main()
