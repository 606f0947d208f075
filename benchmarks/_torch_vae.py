"""The peer of the benchmarks of images: variational autoencoders in eager PyTorch."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np


def available() -> bool:
    """Whether PyTorch is installed."""
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.__version__)


def dense(d: int, widths: tuple[int, ...], latents: int, mean: np.ndarray, *, tanh: bool = False) -> Any:
    """Encoder and decoder d-widths-latents each way; pixels begin at their mean."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    def network(sizes: tuple[int, ...]) -> Any:
        layers: list[Any] = []
        for i, o in itertools.pairwise(sizes[:-1]):
            layers += [nn.Linear(i, o), nn.Tanh() if tanh else nn.LeakyReLU(0.01)]
        return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    encoder, decoder = network((d, *widths, 2 * latents)), network((latents, *widths[::-1], d))
    start = np.clip(mean, 1e-3, 1 - 1e-3)
    with torch.no_grad():
        decoder[-1].bias.copy_(torch.as_tensor(np.log(start / (1 - start)), dtype=torch.float32))
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder})


def convolutional(latents: int) -> Any:
    """The network of the tutorial: 28 x 28, convolutions of 32 and 64 channels with stride 2, 16 hidden units."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(7 * 7 * 64, 16), nn.ReLU(), nn.Linear(16, 2 * latents)),
    )
    up: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1}
    decoder = nn.Sequential(
        *(nn.Linear(latents, 7 * 7 * 64), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))),
        *(nn.ConvTranspose2d(64, 64, 3, **up), nn.ReLU(), nn.ConvTranspose2d(64, 32, 3, **up), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 1, 3, padding=1), nn.Flatten()),
    )
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder})


def log_weights(networks: Any, y: Any, draws: int) -> Any:
    """`log p(y, z_s) - log q(z_s | y)` of draws of q, (draws, rows)."""
    import torch
    from torch.nn import functional

    loc, log_scale = networks["encoder"](2 * y - 1).chunk(2, 1)
    noise = torch.randn(draws, *loc.shape)
    z = loc + torch.exp(log_scale) * noise
    out = networks["decoder"](z.reshape(-1, z.shape[-1])).reshape(draws, len(y), -1)
    log_p = -functional.binary_cross_entropy_with_logits(out, y.expand_as(out), reduction="none").sum(-1)
    return log_p + (-0.5 * z**2 + 0.5 * noise**2 + log_scale).sum(-1)


def elbo(networks: Any, y: Any) -> Any:
    """The bound of rows from one draw, with the divergence in closed form, (rows,)."""
    import torch
    from torch.nn import functional

    loc, log_scale = networks["encoder"](2 * y - 1).chunk(2, 1)
    out = networks["decoder"](loc + torch.exp(log_scale) * torch.randn_like(loc))
    log_p = -functional.binary_cross_entropy_with_logits(out, y, reduction="none").sum(-1)
    return log_p - 0.5 * (torch.exp(2 * log_scale) + loc**2 - 1 - 2 * log_scale).sum(1)


def run(
    networks: Any,
    images: np.ndarray,
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    draws: int = 1,
    most_steps: int | None = None,
) -> tuple[float, int]:
    """Train by Adam: the bound, or with more than one draw the importance-weighted one; seconds and steps."""
    import torch

    optimizer = torch.optim.Adam(networks.parameters(), lr=learning_rate)
    data = torch.as_tensor(images, dtype=torch.float32)
    began, steps = time.perf_counter(), 0
    for _ in range(epochs):
        for index in torch.randperm(len(data)).split(batch):
            if steps == most_steps:
                return time.perf_counter() - began, steps
            optimizer.zero_grad()
            y = data[index]
            value = elbo(networks, y) if draws == 1 else torch.logsumexp(log_weights(networks, y, draws), 0)
            (-value.mean()).backward()
            optimizer.step()
            steps += 1
    return time.perf_counter() - began, steps


def judged(networks: Any, images: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every row the importance-weighted bound by `draws` draws, its error over them, and the mean log-weight."""
    import torch

    found: list[list[np.ndarray]] = [[], [], []]
    with torch.no_grad():
        for y in torch.as_tensor(images, dtype=torch.float32).split(16):
            parts = [log_weights(networks, y, min(250, draws - i)) for i in range(0, draws, 250)]
            log_w = torch.cat(parts).double()
            log_p = torch.logsumexp(log_w, 0) - np.log(draws)
            error = torch.exp(log_w - log_p).std(0) / np.sqrt(draws)
            for kept, values in zip(found, (log_p, error, log_w.mean(0)), strict=True):
                kept.append(values.numpy())
    log_p_all, errors, means = (np.concatenate(kept) for kept in found)
    return log_p_all, errors, means


def begin_as(networks: Any, model: Any, posterior: Any) -> None:
    """Give dense networks the weights of a model and a posterior of ours (`_gaussian_vae.build`)."""
    import torch

    sides = (
        ("encoder", (*posterior.features.layers, posterior.head)),
        (
            "decoder",
            (*model.likelihood.features.layers, model.likelihood.head),
        ),
    )
    with torch.no_grad():
        for name, layers in sides:
            for theirs, own in zip(networks[name][::2], layers, strict=True):
                theirs.weight.copy_(torch.as_tensor(np.array(own.weight)))
                theirs.bias.copy_(torch.as_tensor(np.array(own.bias)))


def save(networks: Any, path: Path) -> None:
    """Keep the weights."""
    import torch

    torch.save(networks.state_dict(), path)


def load(networks: Any, path: Path) -> None:
    """Take the weights that were kept."""
    import torch

    networks.load_state_dict(torch.load(path, weights_only=True))
