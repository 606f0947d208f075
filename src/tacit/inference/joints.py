"""The E-step over a tile of rows: `log w_k + log p(y | theta_k)`, and the way from responsibilities to sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._typing import Array
from tacit.distributions import AbstractExponentialFamily
from tacit.inference.tiles import Tiles

Sums = Callable[[Float[Array, "b s"]], Float[Array, "s t"]]


class Joints:
    """`log w_k + log p(y | theta_k)` of every member and component over a tile of rows, and sums of statistics.

    There are three ways. Rows that share their pattern of missing cells: two matrix products. The same with `precise`:
    densities come from whitened residuals and statistics are taken about each location; four times the work, and no
    digits lost when locations are far away in units of a component's spread. Rows that share too few patterns
    (`Tiles.missing`): each is completed by itself, whitened too.

    `components` are those of all members, one after the other.
    """

    def __init__(
        self, log_weights: Float[Array, "m k"], components: AbstractExponentialFamily, tiles: Tiles, precise: bool
    ) -> None:
        self.log_weights, self.components, self.precise = log_weights, components, precise
        self.family = jax.tree.map(lambda a: a[0], components)
        self.patterned = tiles.observed is not None and bool(self.family.pattern_columns)
        self.completer = None if tiles.missing is None else components.completer()
        shared = not (self.patterned or precise)
        self.coefficients = jax.vmap(lambda c: c.coefficients())(components) if shared else None

    def __call__(self, tile: Tiles) -> tuple[Float[Array, "b m k"], Sums]:
        """The joints, and what takes responsibilities (b, m k) to sums of expected statistics (m k, t)."""
        observed = jnp.ones(tile.y.shape, bool) if tile.observed is None else tile.observed
        if self.completer is not None:
            logits, sums = self.completer(tile.y, observed, tile.missing)
        else:
            logits, sums = self._of_a_pattern(tile.y, observed)
        return logits.reshape(-1, *self.log_weights.shape) + self.log_weights, sums

    def _of_a_pattern(self, y: Float[Array, "b d"], observed: Bool[Array, "b d"]) -> tuple[Float[Array, "b s"], Sums]:
        present = self.components
        if self.patterned:
            present = jax.vmap(lambda c: c.marginal(observed[0]))(present)
        features = jax.vmap(self.family.statistics)(y, observed)
        eta: Any = jax.vmap(lambda c: c.coefficients())(present) if self.patterned else self.coefficients
        if self.precise:
            density = jax.vmap(lambda c, y, o: c.log_density(y, o), (0, None, None))
            logits = jax.vmap(density, (None, 0, 0))(present, y, observed)
        else:
            base = jnp.asarray(jax.vmap(self.family.log_base)(y, observed))
            logits = features @ eta.T + base[..., None]

        def centred_sum(component: AbstractExponentialFamily, r: Float[Array, " b"]) -> Float[Array, " t"]:
            rows = jax.vmap(component.centre)(y, observed)
            return r @ jax.vmap(component.statistics)(rows, observed)

        def completed(component: Any, s: Float[Array, " t"], eta: Float[Array, " t"]) -> Float[Array, " t"]:
            return component.complete(observed[0], s if self.precise else component.recentre(s), eta)

        def sums(responsibilities: Float[Array, "b s"]) -> Float[Array, "s t"]:
            if self.precise:
                pairs = self.components, responsibilities.T
                statistics = jax.lax.map(lambda pair: centred_sum(*pair), pairs)
            else:
                statistics = responsibilities.T @ features
            return jax.vmap(completed)(self.components, statistics, eta) if self.patterned else statistics

        return logits, sums
