"""How small the last layers of a deep model should begin: the bound after the first passes, by the gain of weights.

784-200-200 each way on statically binarised MNIST, 20,000 rows, batches of 100, Adam at 1e-3; z is 50 normals, 200 bits
or 20 categories of 10. The last layers begin with weights of variance gain² / 200, and the bias of the decoder's is the
mean of the pixels; the last gains of each are those of the library, 2 / sqrt(n_out). The bound (ELBO by one draw) is
that of 2,000 rows set aside.

    python -m benchmarks initial_weights
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._binary_images import binary_images
from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.gradients import GumbelSoftmax, LeaveOneOut, Pathwise
from tacit.inference.optimizers import Descent
from tacit.models import AbstractLatent, BernoulliLatent, Decoder, LatentModel, NormalLatent, Prior, Recognition
from tacit.models.columns import ColumnFamily
from tacit.models.deep import ColumnInputs
from tacit.models.latents import CategoricalsLatent
from tacit.networks import Dense, Linear
from tacit.objectives import ELBO
from tacit.training import train

N, HELD, PIXELS, WIDTHS = 20_000, 2_000, 784, (200, 200)
GAINS = ((1.0, 1.0), (0.3, 0.3), (0.1, 0.1), (0.03, 0.03), (0.1, 1.0), (1.0, 0.1))  # of the decoder, of the encoder
PASSES = (1, 2, 4, 8, 12)
MODELS: dict[str, tuple[AbstractLatent, dict[str, Any]]] = {
    "50 normals": (NormalLatent(50), {"objective": ELBO(kl="closed"), "gradient": Pathwise()}),
    "200 bits": (BernoulliLatent(200), {"objective": ELBO(), "gradient": LeaveOneOut(), "num_samples": 2}),
    "20 of 10": (CategoricalsLatent(20, 10), {"objective": ELBO(), "gradient": GumbelSoftmax()}),
}


def build(
    key: jax.Array, latent: AbstractLatent, gains: tuple[float, float], mean: np.ndarray
) -> tuple[LatentModel, Recognition]:
    """Model and posterior whose last layers begin with these gains."""
    keys = jax.random.split(key, 4)
    up, down = Dense.init(keys[0], latent.size, WIDTHS), Dense.init(keys[1], PIXELS, WIDTHS)
    head = Linear.init(keys[2], WIDTHS[0], PIXELS, gain=gains[0])
    head = Linear(head.weight, jnp.asarray(np.log(mean / (1 - mean)), jnp.float32))
    last = Linear.init(keys[3], WIDTHS[-1], latent.width, gain=gains[1])
    model = LatentModel(Prior.standard(latent), Decoder(latent, up, head, ColumnFamily(None, PIXELS, ())))
    return model, Recognition(ColumnInputs(0, PIXELS, ()), down, last, latent)


def main() -> None:
    parts = binary_images()
    rows = Batch(np.concatenate([parts["train"][:N], parts["valid"][:HELD]]), None, None, None, None)
    mean = np.clip(parts["train"][:N].mean(0), 1e-3, 1 - 1e-3)
    lines = []
    for name, (latent, settings) in MODELS.items():
        rule = min(1.0, 2 / math.sqrt(PIXELS)), min(1.0, 2 / math.sqrt(latent.width))  # the library's
        for gains in (*GAINS, rule):
            model, posterior = build(jax.random.key(0), latent, gains, mean)
            fitted = train(
                model,
                posterior,
                rows,
                key=jax.random.key(1),
                optimizer=Descent(1e-3),
                batch_size=100,
                max_epochs=max(PASSES),
                validation=np.arange(N, N + HELD),
                **settings,
            )
            bounds = np.asarray(fitted.validation).reshape(max(PASSES), -1)[:, 0]
            line: dict[str, Any] = {"latents": name, "gain of the decoder": gains[0], "of the encoder": gains[1]}
            lines.append(line | {f"after {i}": float(bounds[i - 1]) for i in PASSES})
            print(lines[-1], flush=True)
    report("initial_weights", lines, f"Bounds in nats a row of {HELD} rows set aside.")


if __name__ == "__main__":
    main()
