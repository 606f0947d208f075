"""Variational autoencoders of binary images with normal latents, and log-likelihoods of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit.data.batch import Batch
from tacit.evaluation.weights import Weighted, weighted
from tacit.models import Decoder, LatentModel, NormalLatent, Prior, Recognition
from tacit.models.columns import ColumnFamily
from tacit.models.deep import ColumnInputs
from tacit.networks import Dense, Linear


def build(
    key: jax.Array, latents: int, widths: tuple[int, ...], mean: np.ndarray, activation: str = "leaky_relu"
) -> tuple[LatentModel, Recognition]:
    """Model and posterior before training, d-widths-latents each way; pixels begin at their mean (d,)."""
    keys, latent, d = jax.random.split(key, 4), NormalLatent(latents), len(mean)
    down = Dense.init(keys[0], d, widths, activation=activation)
    up = Dense.init(keys[1], latents, widths[::-1], activation=activation)
    logits = np.clip(mean, 1e-3, 1 - 1e-3)
    head = Linear.init(keys[2], up.width(latents), d, gain=0.3)
    head = Linear(head.weight, jnp.asarray(np.log(logits / (1 - logits)), jnp.float32))
    model = LatentModel(Prior.standard(latent), Decoder(latent, up, head, ColumnFamily(None, d, ())))
    last = Linear.init(keys[3], down.width(d), latent.width, gain=0.3)
    return model, Recognition(ColumnInputs(0, d, ()), down, last, latent)


def bounds(model: Any, posterior: Any, images: np.ndarray, draws: int) -> Weighted:
    """Importance-weighted bounds of images by `draws` draws of q (a multiple of 4), the last of three sizes."""
    rows = Batch(images, None, None, None, None)
    return weighted(model, posterior, rows, num_samples=draws // 4, key=jax.random.key(2), modes=False)


def told(values: np.ndarray, errors: np.ndarray, what: str) -> dict[str, float]:
    """The mean of minus a bound, its error over rows, and that of the draws."""
    n = len(values)
    return {
        f"-{what}": -float(values.mean()),
        "s.e. over rows": float(values.std(ddof=1) / np.sqrt(n)),
        "Monte Carlo error": float(np.sqrt(np.sum(errors**2)) / n),
    }
