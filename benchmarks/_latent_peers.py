"""The networks of `latent_speed` in eager PyTorch and in NumPyro's SVI, where installed: milliseconds a step."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np

RATE = 1e-3


def torch_step(
    x: np.ndarray, widths: tuple[int, ...], latents: int, batch: int, kind: str, epochs: int
) -> float | None:
    """One step of Adam; `kind`: "normal" latents pathwise, or "bits" with leave-one-out over two draws."""
    try:
        import torch
    except ImportError:
        return None
    from torch import nn
    from torch.nn import functional

    d = x.shape[1]
    binary = set(np.unique(x)) <= {0.0, 1.0}
    width = 2 * latents if kind == "normal" else latents

    def network(sizes: list[int]) -> Any:
        layers: list[Any] = []
        for i, o in itertools.pairwise(sizes[:-1]):
            layers += [nn.Linear(i, o), nn.LeakyReLU(0.01)]
        return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    encoder, decoder = network([d, *widths, width]), network([latents, *reversed(widths), d])
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=RATE)
    data = torch.as_tensor(x, dtype=torch.float32)

    def log_likelihood(z: Any, y: Any) -> Any:
        out = decoder(z)
        if binary:
            return -functional.binary_cross_entropy_with_logits(out, y.expand_as(out), reduction="none").sum(-1)
        return -0.5 * ((y - out) ** 2 + 1.8378770664093453).sum(-1)

    def loss_normal(y: Any) -> Any:
        loc, log_scale = encoder(2 * y - 1 if binary else y).chunk(2, 1)
        z = loc + torch.exp(log_scale) * torch.randn_like(loc)
        kl = 0.5 * (torch.exp(2 * log_scale) + loc**2 - 1 - 2 * log_scale).sum(1)
        return (kl - log_likelihood(z, y)).mean()

    def loss_bits(y: Any) -> Any:
        logits = encoder(2 * y - 1)
        z = torch.bernoulli(torch.sigmoid(logits).detach().expand(2, *logits.shape))
        log_q = -functional.binary_cross_entropy_with_logits(logits.expand_as(z), z, reduction="none").sum(-1)
        log_w = log_likelihood(2 * z - 1, y) - latents * np.log(2) - log_q.detach()
        signal = (log_w - log_w.flip(0)).detach()
        return -(log_w.mean(0) + 0.5 * (signal * log_q).sum(0)).mean()

    loss = loss_normal if kind == "normal" else loss_bits
    best = np.inf
    for _ in range(epochs):
        order = torch.randperm(len(data))[: len(data) // batch * batch].reshape(-1, batch)
        began = time.perf_counter()
        for index in order:
            optimizer.zero_grad()
            loss(data[index]).backward()
            optimizer.step()
        best = min(best, (time.perf_counter() - began) / len(order))
    return 1e3 * best


def numpyro_step(x: np.ndarray, widths: tuple[int, ...], latents: int, batch: int, epochs: int) -> float | None:
    """One jitted update of SVI with the closed divergence, normal latents."""
    try:
        import numpyro
    except ImportError:
        return None
    import jax
    import jax.numpy as jnp
    from numpyro import distributions as dist
    from numpyro.infer import SVI, TraceMeanField_ELBO
    from numpyro.optim import Adam

    d = x.shape[1]
    binary = set(np.unique(x)) <= {0.0, 1.0}
    rng = np.random.default_rng(0)

    def network(name: str, sizes: list[int], h: Any) -> Any:
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            weight = numpyro.param(f"{name}{i}w", jnp.asarray(rng.normal(size=(a, b)) / np.sqrt(a), jnp.float32))
            bias = numpyro.param(f"{name}{i}b", jnp.zeros(b))
            h = h @ weight + bias
            h = jax.nn.leaky_relu(h) if i < len(sizes) - 2 else h
        return h

    def model(y: Any) -> None:
        with numpyro.plate("rows", len(y)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(latents), 1.0).to_event(1))
            out = network("decoder", [latents, *reversed(widths), d], z)
            likelihood = dist.Bernoulli(logits=out) if binary else dist.Normal(out, 1.0)
            numpyro.sample("y", likelihood.to_event(1), obs=y)

    def guide(y: Any) -> None:
        out = network("encoder", [d, *widths, 2 * latents], 2 * y - 1 if binary else y)
        with numpyro.plate("rows", len(y)):
            numpyro.sample("z", dist.Normal(out[:, :latents], jnp.exp(out[:, latents:])).to_event(1))

    svi = SVI(model, guide, Adam(RATE), TraceMeanField_ELBO())
    data = jnp.asarray(x, jnp.float32)
    state = svi.init(jax.random.key(0), data[:batch])
    update = jax.jit(lambda state, index: svi.update(state, data[index]))
    best = np.inf
    for epoch in range(epochs + 1):
        order = jnp.asarray(rng.permutation(len(x))[: len(x) // batch * batch].reshape(-1, batch))
        began = time.perf_counter()
        for index in order:
            state, loss = update(state, index)
        jax.block_until_ready(loss)
        if epoch:  # the first compiles
            best = min(best, (time.perf_counter() - began) / len(order))
    return 1e3 * best
