"""Stepwise EM: sufficient statistics that follow a stream of chunks (Cappe and Moulines 2009)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from tacit._device import compiled_lean
from tacit.inference import em
from tacit.inference.source import Source
from tacit.inference.tiles import Tiles

FORGETTING = 0.7  # between 1/2 and 1: large forgets slowly, small follows quickly


@compiled_lean
def _about_zero(population: em.Population, tiles: Tiles) -> em.Summary:
    summary = em.summarise(population, tiles)
    if not em.is_centred(population, tiles, precise=False):
        return summary
    components: Any = population.components
    mirrored = replace(components, loc=-components.loc)  # moves statistics about a location back to 0
    statistics = jax.vmap(jax.vmap(lambda c, s: c.recentre(s)))(mirrored, summary.statistics)
    return summary._replace(statistics=statistics)


def expect(population: em.Population, source: Source) -> em.Summary:
    """Expected statistics of a chunk of rows, about 0. Components are normals; call inside `jax.enable_x64(True)`."""
    total: Any = None
    width = source.y.shape[1] ** 2 + population.log_weights.size
    for tiles in source.stream(width) if source.complete else [source.tiles(width)]:
        part = _about_zero(population, tiles)
        total = part if total is None else jax.tree.map(jnp.add, total, part)
    return total


@compiled_lean
def blend(past: em.Summary, chunk: em.Summary) -> em.Summary:
    """`S <- (1 - g) S + g s`, in averages a row, with `g = (w / W)^0.7`.

    w is the weight of the chunk and W that of all rows so far, so that chunk t of equal ones has `g = t^-0.7`: the
    sum of the steps diverges and that of their squares does not, which is what convergence asks for.
    """
    seen = past.weight + chunk.weight
    step = (chunk.weight / seen) ** FORGETTING

    def average(old: Any, new: Any) -> Any:
        def scaled(a: Any, share: Any, weight: Any) -> Any:
            return a * (share * seen / weight).reshape(-1, *[1] * (a.ndim - 1))

        return scaled(old, 1 - step, past.weight) + scaled(new, step, chunk.weight)

    return jax.tree.map(average, past, chunk)._replace(weight=seen)


@compiled_lean
def maximise(population: em.Population, summary: em.Summary, regularise: Any) -> em.Population:
    """The parameters that are best under statistics about 0."""
    return em.maximise(population, summary, regularise, centred=False)
