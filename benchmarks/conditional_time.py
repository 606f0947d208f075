"""Seconds until a mixture density network says as much of new rows as another: ours, eager PyTorch, and scikit-mdn.

6,400 rows to learn from and 2,000 to judge, 8 inputs, 5 components; ours and PyTorch with the network of
`conditional_speed` (8-64-64, batches of 64), scikit-mdn with one hidden layer of 64, all rows at once and its own
settings, in 2,000 epochs. A mark is a mean held-out log-likelihood, in nats a row; the truth scores .884. Seconds count
compilation (a second run in one process has none), and not the judging of the peers. Each runs alone, one after
another. PyTorch and scikit-mdn are not dependencies: where one is not installed its column stays empty.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks._common import report
from benchmarks.conditional_speed import BATCH, K, N, P, member, network
from tacit.data.batch import Batch
from tacit.inference.optimizers import Descent
from tacit.training import train

HELD = 2000
Curve = list[tuple[float, float]]  # seconds, and mean held-out log-likelihood
MARKS = (-0.5, 0.0, 0.4, 0.6, 0.7)


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N + HELD, P))
    return x, np.sin(2 * x[:, :1]) + 0.1 * rng.normal(size=(N + HELD, 1))


def ours() -> Curve:
    x, y = rows()
    seen: Curve = []
    began = time.perf_counter()
    train(
        member(jax.random.key(0)),
        None,
        Batch(y, x, None, None, None),
        key=jax.random.key(1),
        optimizer=Descent(1e-2, 1e-2, 1e4),
        batch_size=BATCH,
        max_epochs=40,
        validation=np.arange(N, N + HELD),
        callbacks=[lambda epoch: seen.append((time.perf_counter() - began, float(epoch.validation[-1, 0])))],
    )
    return seen


def peer(torch: Any) -> Curve:
    x, y = (torch.as_tensor(a, dtype=torch.float32) for a in rows())
    net = network()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    seen, spent = [], 0.0
    for _ in range(40):
        began = time.perf_counter()
        for index in torch.randperm(N).reshape(-1, BATCH):
            optimizer.zero_grad()
            net(x[index], y[index]).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimizer.step()
        spent += time.perf_counter() - began
        with torch.no_grad():
            seen.append((spent, -float(net(x[N:], y[N:]))))
    return seen


def scikit_mdn(skmdn: Any) -> Curve:
    x, y = rows()
    estimator = skmdn.MixtureDensityEstimator(hidden_dim=64, n_gaussians=K, epochs=1)
    began = time.perf_counter()
    estimator.fit(x[:N], y[:N])
    spent, seen = time.perf_counter() - began, []
    for _ in range(200):
        began = time.perf_counter()
        try:
            estimator.partial_fit(x[:N], y[:N], n_epochs=10)
        except ValueError as error:  # its scales have shrunk to nothing
            print(f"scikit-mdn ended after {10 * len(seen)} epochs: {str(error).splitlines()[0]}")
            break
        spent += time.perf_counter() - began
        weights, means, scales = estimator.forward(x[N:])
        with np.errstate(divide="ignore"):
            parts = np.log(weights) - 0.5 * ((y[N:] - means) / scales) ** 2 - np.log(scales * math.sqrt(2 * math.pi))
        seen.append((spent, float(np.logaddexp.reduce(parts, axis=1).mean())))
    return seen


def curves() -> dict[str, Curve]:
    found = {"ours": ours(), "ours, compiled before": ours()}
    runs: tuple[tuple[str, str, Callable[[Any], Curve]], ...] = (
        ("PyTorch", "torch", peer),
        ("scikit-mdn", "skmdn", scikit_mdn),
    )
    for name, module, run in runs:
        try:
            found[name] = run(__import__(module))
        except ImportError:
            continue
    return found


def main() -> None:
    found = curves()

    def until(curve: Curve, mark: float) -> float | None:
        return next((seconds for seconds, value in curve if value >= mark), None)

    table = []
    for mark in MARKS:
        row: dict[str, Any] = {"mark": mark}
        for name, curve in found.items():
            reached = until(curve, mark)
            row[f"{name}, s"] = "not reached" if reached is None else reached
        table.append(row)
    best: dict[str, Any] = {"mark": "best held-out"}
    best |= {f"{name}, s": max((value for _, value in curve), default=None) for name, curve in found.items()}
    report("conditional_time", [*table, best], "Last line: the best mean held-out log-likelihood, nats a row.")


if __name__ == "__main__":
    main()
