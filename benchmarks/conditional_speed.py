"""A training step of a mixture density network, 8-64-64 with 5 components, batches of 64: ours beside eager PyTorch.

Asked: at least 4 times faster a step; the ratio at 1, 5 and 100 members. PyTorch is not a dependency: where it is not
installed, its column stays empty.
"""

import itertools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.inference.optimizers import Descent
from tacit.models import Components, DiagonalFamily, Expert, Gate, MixtureOfExperts
from tacit.networks import MLP, Fixed, Linear
from tacit.training import Population, stack, train

N, P, K, WIDTH, BATCH = 6400, 8, 5, 64, 64
STEPS = N // BATCH


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, P))
    return x, np.sin(2 * x[:, :1]) + 0.1 * rng.normal(size=(N, 1))


def member(key: jax.Array) -> MixtureOfExperts:
    keys = jax.random.split(key, 3)
    components = Components.init(keys[0], DiagonalFamily(Fixed(jnp.array([0.003]))), K, WIDTH + P)
    gate = Gate(Linear.init(keys[1], WIDTH + P, K))
    return MixtureOfExperts(gate, Expert(components), MLP.init(keys[2], P, (WIDTH, WIDTH)))


def ours(members: int) -> tuple[float, float]:
    """Milliseconds a step of all members together, best of the chunks of epochs; seconds until the first epoch."""
    x, y = rows()
    models = stack([member(key) for key in jax.random.split(jax.random.key(0), members)])
    population = Population(np.tile(np.arange(N, dtype=np.int32), (members, 1)), np.zeros((members, 0), np.int32))
    seen: list[tuple[int, float]] = []
    began = time.perf_counter()
    train(
        models,
        None,
        Batch(y, x, None, None, None),
        key=jax.random.key(1),
        optimizer=Descent(1e-2, 1e-2, 1e4),
        batch_size=BATCH,
        max_epochs=60 if members < 100 else 12,
        population=population,
        callbacks=[lambda epoch: seen.append((epoch.number, time.perf_counter()))],
    )
    paces = [(t1 - t0) / (e1 - e0) for (e0, t0), (e1, t1) in itertools.pairwise(seen)]
    return 1e3 * min(paces) / STEPS, seen[0][1] - began


def network() -> Any:
    """The same network in PyTorch: of x and y, the mean loss of the rows."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(P, WIDTH), nn.Linear(WIDTH, WIDTH)
            self.head = nn.Linear(WIDTH + P, 3 * K)

        def forward(self, x: Any, y: Any) -> Any:
            h = nn.functional.silu(self.first(x))
            h = h + nn.functional.silu(self.second(h))
            logits, loc, raw = self.head(torch.cat([h, x], 1)).chunk(3, 1)
            scale = 0.003 + torch.exp(raw)
            log_density = -0.5 * ((y - loc) / scale) ** 2 - torch.log(scale) - 0.9189385
            return -torch.logsumexp(torch.log_softmax(logits, 1) + log_density, 1).mean()

    return Network()


def peer() -> float | None:
    """Milliseconds a step of one network in eager PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    x, y = (torch.as_tensor(a, dtype=torch.float32) for a in rows())
    net = network()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    best = np.inf
    for _ in range(6):
        began = time.perf_counter()
        for index in torch.randperm(N).reshape(-1, BATCH):
            optimizer.zero_grad()
            net(x[index], y[index]).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimizer.step()
        best = min(best, (time.perf_counter() - began) / STEPS)
    return 1e3 * best


def main() -> None:
    torch_ms = peer()
    found = []
    for members in (1, 5, 100):
        step, first = ours(members)
        row = {"members": members, "ms a step": step, "ms a step and member": step / members, "first epoch, s": first}
        if torch_ms is not None:
            ratio = members * torch_ms / step
            row |= {"PyTorch, one member after another, ms": members * torch_ms, "ratio": ratio, "met": ratio >= 4}
        found.append(row)
    report("conditional_speed", found, "A step is one batch of 64 rows for every member.")


if __name__ == "__main__":
    main()
