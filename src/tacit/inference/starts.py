"""Starting points of EM: labels from k-means++ seeds, for a whole population on the device."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from tacit._device import compiled_lean
from tacit._typing import Array, Key
from tacit.distributions import AbstractExponentialFamily
from tacit.inference.em import Population, Summary, maximise
from tacit.inference.tiles import Tiles

# method -> (seeds by k-means++?, steps of k-means after them)
METHODS = {"k-means++": (True, 0), "kmeans": (True, 30), "random_from_data": (False, 0)}
SOFTNESS = 0.05  # share of every row that a start spreads over all components, so that none is singular


def embed(family: AbstractExponentialFamily, tiles: Tiles) -> Float[Array, "n e"]:
    """Rows as standardised points, missing cells at the mean."""
    observed = jnp.ones(tiles.y.shape, bool) if tiles.observed is None else tiles.observed
    points = jax.vmap(jax.vmap(family.embed))(tiles.y, observed)
    points = points.reshape(-1, points.shape[-1])
    weight = jnp.max(tiles.weight, -1).reshape(-1, 1)
    mean = jnp.sum(weight * points, 0) / jnp.sum(weight)
    variance = jnp.sum(weight * (points - mean) ** 2, 0) / jnp.sum(weight)
    # never stretched: a rare level or a fair coin would else be the clearest clusters of all
    return (points - mean) / jnp.sqrt(jnp.maximum(variance, 1.0))


def _distances(points: Float[Array, "n e"], centres: Float[Array, "m e"]) -> Float[Array, "n m"]:
    squares = jnp.sum(points**2, -1)[:, None] + jnp.sum(centres**2, -1)
    return jnp.maximum(squares - 2 * points @ centres.T, 0.0)


def _draw(key: Key, mass: Float[Array, "n m"]) -> Int[Array, " m"]:
    """One row for each member, with probability in proportion to its mass."""
    cumulative = jnp.cumsum(mass, 0)
    level = jax.random.uniform(key, (mass.shape[1],), mass.dtype) * cumulative[-1]
    return jnp.minimum(jnp.sum(cumulative <= level, 0), mass.shape[0] - 1)


def seed_labels(
    key: Key,
    points: Float[Array, "n e"],
    weight: Float[Array, "n m"],
    counts: Int[Array, " m"],
    *,
    k: int,
    adaptive: bool,
    lloyd: int,
) -> Int[Array, "n m"]:
    """Nearest of `counts` seeds, after `lloyd` steps of k-means.

    Adaptive seeds are those of k-means++ (Arthur and Vassilvitskii 2007): each is the best of a few drawn in
    proportion to the squared distance from the seeds before it. Otherwise seeds are rows drawn by their weight.
    """
    n_trials = 2 + k.bit_length() if adaptive else 1

    def place(carry: tuple[Any, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Any, Any], Any]:
        nearest, labels = carry
        key, j = inputs
        mass = weight * jnp.where(jnp.isinf(nearest), 1.0, nearest) if adaptive else weight
        # members whose rows all sit on seeds already draw by weight alone
        mass = jnp.where(jnp.sum(mass, 0) > 0, mass, weight)

        def trial(key: Key) -> tuple[Array, Array]:
            row = _draw(key, mass)
            distance = _distances(points, points[row])
            return jnp.sum(weight * jnp.minimum(nearest, distance), 0), row

        potential, rows = jax.lax.map(trial, jax.random.split(key, n_trials))
        chosen = jnp.take_along_axis(rows, jnp.argmin(potential, 0)[None], 0)[0]
        distance = _distances(points, points[chosen])
        closer = (distance < nearest) & (j < counts)
        return (jnp.where(closer, distance, nearest), jnp.where(closer, j, labels)), points[chosen]

    start = (jnp.full(weight.shape, jnp.inf), jnp.zeros(weight.shape, int))
    (_, labels), _ = jax.lax.scan(place, start, (jax.random.split(key, k), jnp.arange(k)))

    def improve(_: int, labels: Int[Array, "n m"]) -> Int[Array, "n m"]:
        def centre(j: Array) -> tuple[Array, Array]:
            mine = weight * (labels == j)
            mass = jnp.sum(mine, 0)
            return mine.T @ points / jnp.maximum(mass, 1e-30)[:, None], mass

        def compare(carry: tuple[Any, Any], j: Array) -> tuple[tuple[Any, Any], None]:
            nearest, new = carry
            centres, mass = centre(j)
            distance = jnp.where(mass > 0, _distances(points, centres), jnp.inf)
            closer = distance < nearest
            return (jnp.where(closer, distance, nearest), jnp.where(closer, j, new)), None

        return jax.lax.scan(compare, start, jnp.arange(k))[0][1]

    return jax.lax.fori_loop(0, lloyd, improve, labels)


def from_labels(
    template: Population, tiles: Tiles, labels: Int[Array, "g b m"], counts: Int[Array, " m"], regularise: Any
) -> Population:
    """The population that is best under labels, a little softened; a missing cell counts as its column's centre."""
    m, k = template.log_weights.shape
    family = jax.tree.map(lambda a: a[0, 0], template.components)
    everywhere = SOFTNESS * (jnp.arange(k) < counts[:, None]) / counts[:, None]

    def tile_sums(carry: tuple[Array, Array], inputs: tuple[Tiles, Array]) -> tuple[tuple[Array, Array], None]:
        tile, label = inputs
        observed = jnp.ones(tile.y.shape, bool) if tile.observed is None else tile.observed
        responsibilities = (1 - SOFTNESS) * jax.nn.one_hot(label, k) + everywhere
        weighted = responsibilities * tile.weight[:, template.weighting][..., None]
        features = jax.vmap(family.statistics)(tile.y, observed)
        statistics, mass = carry
        return (statistics + weighted.reshape(-1, m * k).T @ features, mass + jnp.sum(weighted, 0)), None

    y, observed = (jax.ShapeDtypeStruct(tiles.y.shape[-1:], t) for t in (tiles.y.dtype, bool))
    t = jax.eval_shape(family.statistics, y, observed).shape[0]
    zero = (jnp.zeros((m * k, t)), jnp.zeros((m, k)))
    (statistics, mass), _ = jax.lax.scan(tile_sums, zero, (tiles, labels))
    summary = Summary(statistics.reshape(m, k, t), mass, jnp.zeros(m), jnp.zeros(m))
    return maximise(template, summary, regularise, centred=False)


def template(
    family: AbstractExponentialFamily, counts: Int[Array, " m"], weighting: Int[Array, " m"], k: int
) -> Population:
    """A population of the right shapes, with uniform weights over the components that each member has."""
    m = counts.shape[0]
    log_weights = jnp.where(jnp.arange(k) < counts[:, None], -jnp.log(counts[:, None].astype(float)), -jnp.inf)
    return Population(log_weights, jax.tree.map(lambda a: jnp.zeros((m, k, *a.shape)), family), weighting)


@partial(compiled_lean, static=("k", "method"))
def start(
    key: Key,
    family: AbstractExponentialFamily,
    tiles: Tiles,
    counts: Int[Array, " m"],
    weighting: Int[Array, " m"],
    regularise: Any,
    *,
    k: int,
    method: str,
) -> Population:
    """A population of up to `k` components at its starting points. `method` is "random" or one of `METHODS`."""
    m = counts.shape[0]
    g, b, _ = tiles.y.shape
    if method == "random":
        labels = jax.random.randint(key, (g * b, m), 0, counts)
    else:
        weight = tiles.weight.reshape(g * b, -1)[:, weighting]
        adaptive, lloyd = METHODS[method]
        labels = seed_labels(key, embed(family, tiles), weight, counts, k=k, adaptive=adaptive, lloyd=lloyd)
    base = template(family, counts, weighting, k)
    return from_labels(base, tiles, labels.reshape(g, b, m), counts, regularise)
