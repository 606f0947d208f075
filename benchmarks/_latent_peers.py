"""The networks of `_latent_problems` in eager PyTorch and in NumPyro's SVI, where installed.

Each peer has `epoch(y, x)`, one pass by Adam over the rows in a new order, and `bound(y, x)`, the mean ELBO of rows by
as many draws as a step takes.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._latent_problems import RATE, Problem


class EagerTorch:
    """PyTorch without its compiler."""

    def __init__(self, problem: Problem) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        d, p, widths, latents = problem[:4]

        def network(sizes: list[int]) -> Any:
            layers: list[Any] = []
            for i, o in itertools.pairwise(sizes[:-1]):
                layers += [nn.Linear(i, o), nn.LeakyReLU(0.01)]
            return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

        self.problem, self.torch = problem, torch
        self.encoder = network([d + p, *widths, 2 * latents if problem.normal else latents])
        self.decoder = network([latents + p, *reversed(widths), d])
        self.optimizer = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=RATE)

    def epoch(self, y: np.ndarray, x: np.ndarray | None) -> None:
        rows, given = self._tensors(y, x)
        batch = self.problem.batch
        for index in self.torch.randperm(len(rows))[: len(rows) // batch * batch].reshape(-1, batch):
            self.optimizer.zero_grad()
            loss = -self._value(rows[index], None if given is None else given[index])[1]
            loss.backward()
            self.optimizer.step()

    def bound(self, y: np.ndarray, x: np.ndarray | None) -> float:
        with self.torch.no_grad():
            return float(self._value(*self._tensors(y, x))[0])

    def _tensors(self, y: np.ndarray, x: np.ndarray | None) -> tuple[Any, Any]:
        return self.torch.as_tensor(y), None if x is None else self.torch.as_tensor(x)

    def _value(self, y: Any, x: Any) -> tuple[Any, Any]:
        """The mean bound of rows, and what has its gradient."""
        torch = self.torch
        read = 2 * y - 1 if self.problem.binary else y
        raw = self.encoder(read if x is None else torch.cat([read, x], 1))
        if self.problem.normal:
            loc, log_scale = raw.chunk(2, 1)
            z = loc + torch.exp(log_scale) * torch.randn_like(loc)
            kl = 0.5 * (torch.exp(2 * log_scale) + loc**2 - 1 - 2 * log_scale).sum(1)
            bound = (self._log_likelihood(z, y, x) - kl).mean()
            return bound, bound
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
        z = torch.bernoulli(torch.sigmoid(raw).detach().expand(2, *raw.shape))
        log_q = -cross_entropy(raw.expand_as(z), z, reduction="none").sum(-1)
        log_w = self._log_likelihood(2 * z - 1, y, x) - raw.shape[1] * np.log(2) - log_q.detach()
        signal = (log_w - log_w.flip(0)).detach()
        return log_w.mean(), (log_w.mean(0) + 0.5 * (signal * log_q).sum(0)).mean()

    def _log_likelihood(self, z: Any, y: Any, x: Any) -> Any:
        torch = self.torch
        out = self.decoder(z if x is None else torch.cat([z, x], 1))
        if self.problem.binary:
            cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
            return -cross_entropy(out, y.expand_as(out), reduction="none").sum(-1)
        return -0.5 * ((y - out) ** 2 + 1.8378770664093453).sum(-1)


class NumPyro:
    """NumPyro's SVI with the closed divergence, its update jitted: normal latents."""

    def __init__(self, problem: Problem) -> None:
        import jax
        import jax.numpy as jnp
        from numpyro import distributions, param, plate, sample
        from numpyro.infer import SVI, TraceMeanField_ELBO
        from numpyro.optim import Adam

        d, p, widths, latents = problem[:4]
        rng = np.random.default_rng(0)

        def network(name: str, sizes: list[int], h: Any) -> Any:
            for i, (a, b) in enumerate(itertools.pairwise(sizes)):
                weight = param(f"{name}{i}w", jnp.asarray(rng.normal(size=(a, b)) / np.sqrt(a), jnp.float32))
                bias = param(f"{name}{i}b", jnp.zeros(b))
                h = h @ weight + bias
                h = jax.nn.leaky_relu(h) if i < len(sizes) - 2 else h
            return h

        def joined(h: Any, x: Any) -> Any:
            return h if x is None else jnp.concatenate([h, x], axis=1)

        def model(y: Any, x: Any) -> None:
            with plate("rows", len(y)):
                z = sample("z", distributions.Normal(jnp.zeros(latents), 1.0).to_event(1))
                out = network("decoder", [latents + p, *reversed(widths), d], joined(z, x))
                likelihood = distributions.Bernoulli(logits=out) if problem.binary else distributions.Normal(out, 1.0)
                sample("y", likelihood.to_event(1), obs=y)

        def guide(y: Any, x: Any) -> None:
            read = 2 * y - 1 if problem.binary else y
            out = network("encoder", [d + p, *widths, 2 * latents], joined(read, x))
            with plate("rows", len(y)):
                sample("z", distributions.Normal(out[:, :latents], jnp.exp(out[:, latents:])).to_event(1))

        def take(data: Any, index: Any) -> Any:
            return jax.tree.map(lambda a: a[index], data)

        self.problem, self.random, self.jax = problem, rng, jax
        self.svi = SVI(model, guide, Adam(RATE), TraceMeanField_ELBO())
        self.update = jax.jit(lambda state, data, index: self.svi.update(state, *take(data, index)))
        self.updates = jax.jit(  # an epoch in one program
            lambda state, data, order: jax.lax.scan(lambda s, i: self.svi.update(s, *take(data, i)), state, order)
        )
        self.evaluate = jax.jit(lambda state, y, x: -self.svi.evaluate(state, y, x) / len(y))
        self.state: Any = None

    def epoch(self, y: np.ndarray, x: np.ndarray | None) -> None:
        batch, data = self.problem.batch, self.jax.device_put((y, x))
        if self.state is None:
            self.state = self.svi.init(self.jax.random.key(0), *self.jax.tree.map(lambda a: a[:batch], data))
        order = self.random.permutation(len(y))[: len(y) // batch * batch].reshape(-1, batch)
        self.jax.block_until_ready(self._steps(data, order.astype(np.int32)))

    def _steps(self, data: Any, order: np.ndarray) -> Any:
        for index in order:
            self.state, loss = self.update(self.state, data, index)
        return loss

    def bound(self, y: np.ndarray, x: np.ndarray | None) -> float:
        return float(self.evaluate(self.state, y, x))


class NumPyroLoop(NumPyro):
    """The same with an epoch as one compiled loop."""

    def _steps(self, data: Any, order: np.ndarray) -> Any:
        self.state, losses = self.updates(self.state, data, order)
        return losses


def installed(problem: Problem) -> dict[str, Callable[[Problem], Any]]:
    """The peers that are installed and have this problem."""
    found: dict[str, Callable[[Problem], Any]] = {}
    if importlib.util.find_spec("torch"):
        found["PyTorch"] = EagerTorch
    if problem.normal and importlib.util.find_spec("numpyro"):
        found |= {"NumPyro": NumPyro, "NumPyro in a loop": NumPyroLoop}
    return found
