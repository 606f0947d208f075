"""Structured prediction: the lower half of a binary digit given the upper, by two layers of 20 categories of 10 states.

Published (Jang, Gu and Poole 2017, table 1; test, log-mean of 1000 draws): Gumbel-softmax 59.0, annealed
straight-through 61.1. Linear maps 392-200-200-392. Trained relaxed, by pathwise gradients, z drawn from the prior;
judged as discrete by the log-mean of 1000 discrete draws.

`python -m benchmarks.structured_prediction` draws the curve at equal steps, judged on the validation part;
`... full` makes the one long run with the setting that was best there, its figure from the test part.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._binary_images import binary_images
from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Categoricals, Chain, Concretes
from tacit.inference.from_prior import FromPrior
from tacit.inference.optimizers import Descent
from tacit.models import AbstractConditional, LatentModel
from tacit.networks import Fixed, Linear
from tacit.objectives import IWAE
from tacit.training import train

D, K, HALF = 20, 10, 392
BATCH, DRAWS, TILE = 100, 1000, 50
CURVE_ROWS = 2000  # validation rows that judge a point of the curve


class Codes(AbstractConditional):
    """`h -> 20 categories`: relaxed at a temperature, discrete without one."""

    head: Linear
    temperature: Fixed | None

    def __call__(self, context: Any) -> Concretes | Categoricals:
        logits = self.head(context).reshape(D, K)
        return Categoricals(logits) if self.temperature is None else Concretes(logits, jnp.log(self.temperature.value))


class After(AbstractConditional):
    """The same, of an event of the layer before."""

    layer: AbstractConditional | Linear
    relaxed: bool = eqx.field(static=True)

    def __call__(self, event: Any) -> Any:
        return self.layer((jnp.exp(event) if self.relaxed else event).reshape(-1))


class Layers(AbstractConditional):
    """`x -> p(z_1 | x) p(z_2 | z_1)`, pixels told as -1 and 1."""

    first: Codes
    second: After

    def __call__(self, context: Any) -> Chain:
        return Chain(self.first(2 * context - 1), self.second)


class Pixels(AbstractConditional):
    """`z_2 -> Bernoulli pixels`."""

    head: After

    def __call__(self, context: Any) -> Bernoulli:
        (_, z), _ = context
        return Bernoulli(self.head(z))


def build(maps: tuple[Linear, Linear, Linear], temperature: float | None) -> LatentModel:
    """The model with these maps: relaxed at a temperature, discrete without one."""
    tau = None if temperature is None else Fixed(jnp.asarray(temperature))
    relaxed = tau is not None
    prior = Layers(Codes(maps[0], tau), After(Codes(maps[1], tau), relaxed))
    return LatentModel(prior, Pixels(After(maps[2], relaxed)))


def maps_of(model: Any) -> tuple[Linear, Linear, Linear]:
    """The three linear maps."""
    return model.prior.first.head, model.prior.second.layer.head, model.likelihood.head.layer


def begin(key: jax.Array, mean: np.ndarray) -> tuple[Linear, Linear, Linear]:
    """Maps before training; pixels begin at their mean."""
    keys = jax.random.split(key, 3)
    first, second = Linear.init(keys[0], HALF, D * K), Linear.init(keys[1], D * K, D * K)
    last = Linear.init(keys[2], D * K, HALF)
    return first, second, Linear(last.weight, jnp.asarray(np.log(mean / (1 - mean)), jnp.float32))


@eqx.filter_jit
def _log_means(model: LatentModel, keys: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    def row(key: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        prior = model.prior(x)
        draws = jax.vmap(lambda key: model.log_likelihood(prior.sample(key), x, y))(jax.random.split(key, DRAWS))
        return jax.nn.logsumexp(draws) - jnp.log(DRAWS)

    def tile(inputs: tuple[jax.Array, ...]) -> jax.Array:
        return jax.vmap(row)(*inputs)

    return jax.lax.map(tile, (keys, x, y))


def log_means(maps: tuple[Linear, Linear, Linear], images: np.ndarray) -> np.ndarray:
    """`log 1/1000 sum_s p(lower | z_s)` of discrete draws z_s from `p(z | upper)`, in nats, one an image."""
    tiles = len(images) // TILE
    keys = jax.random.split(jax.random.key(1), tiles * TILE).reshape(tiles, TILE)
    x, y = (jnp.asarray(half).reshape(tiles, TILE, HALF) for half in (images[:, :HALF], images[:, HALF:]))
    return np.asarray(_log_means(build(maps, None), keys, x, y), float).reshape(-1)


class Phase(NamedTuple):
    """Epochs at one temperature; the learning rate falls along half a cosine within it."""

    temperature: float
    epochs: int
    learning_rate: float
    num_samples: int


def run(maps: Any, images: np.ndarray, phase: Phase, seed: int) -> Any:
    """The maps after a phase."""
    data = Batch(images[:, HALF:], images[:, :HALF], None, None, None)
    steps = phase.epochs * (len(images) // BATCH)
    fitted = train(
        build(maps, phase.temperature),
        None,
        data,
        key=jax.random.key(seed),
        objective=IWAE(),
        procedure=FromPrior,
        optimizer=Descent(phase.learning_rate, decay_steps=float(steps)),
        num_samples=phase.num_samples,
        batch_size=BATCH,
        max_epochs=phase.epochs,
    )
    return maps_of(fitted.model)


CURVE = {  # 10 epochs each: what temperature, how many draws, annealed or not
    "1, 1 draw": (Phase(1.0, 10, 3e-3, 1),),
    "1, 5 draws": (Phase(1.0, 10, 3e-3, 5),),
    "2/3, 1 draw": (Phase(2 / 3, 10, 3e-3, 1),),
    "2/3, 5 draws": (Phase(2 / 3, 10, 3e-3, 5),),
    "1 then 1/2, 5 draws": (Phase(1.0, 5, 3e-3, 5), Phase(0.5, 5, 1e-3, 5)),
}
FULL = (Phase(1.0, 30, 3e-3, 1), Phase(1.0, 20, 2e-3, 5), Phase(0.5, 15, 1e-3, 5))


def course(phases: tuple[Phase, ...], images: np.ndarray) -> tuple[Any, float]:
    """Maps after all phases, and the seconds they took, compilation included."""
    mean = np.clip(images[:, HALF:].mean(axis=0), 1e-3, 1 - 1e-3)
    maps, began = begin(jax.random.key(0), mean), time.perf_counter()
    for seed, phase in enumerate(phases):
        maps = run(maps, images, phase, seed)
    return maps, time.perf_counter() - began


def row(name: str, phases: tuple[Phase, ...], seconds: float, scores: np.ndarray, part: str) -> dict[str, Any]:
    """A line of the table."""
    return {
        "temperature": name,
        "steps": sum(phase.epochs for phase in phases) * (50_000 // BATCH),
        "seconds": seconds,
        "rows judged": f"{len(scores)} of {part}",
        "-log-mean of 1000": -scores.mean(),
        "s.e. over rows": scores.std(ddof=1) / np.sqrt(len(scores)),
    }


def main() -> None:
    parts = binary_images()
    if sys.argv[1:] == ["full"]:
        maps, seconds = course(FULL, parts["train"])
        rows = [row("1 then 1/2, 1 then 5 draws", FULL, seconds, log_means(maps, parts["test"]), "test")]
        return report("structured_prediction_full", rows, "Published: 59.0 (Gumbel-softmax, 20 categories of 10).")
    rows = []
    for name, phases in CURVE.items():
        maps, seconds = course(phases, parts["train"])
        rows.append(row(name, phases, seconds, log_means(maps, parts["valid"][:CURVE_ROWS]), "valid"))
    return report("structured_prediction", rows, "Equal steps; the log-mean of 1000 discrete draws is a lower bound.")


if __name__ == "__main__":
    main()
