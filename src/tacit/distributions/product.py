"""A product of exponential families over blocks of columns."""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractExponentialFamily
from tacit.distributions._row_by_row import Completed, Completer


class Product(AbstractExponentialFamily):
    """Independent blocks of columns, side by side: `log p(y) = sum_b log p_b(y_b)`, in nats.

    Its statistics, coefficients and completed sums are those of the blocks, one after the other. Field: `blocks`,
    each over the columns that follow those of the block before it.

        >>> from tacit.distributions import Bernoulli, DiagonalNormal
        >>> family = Product((DiagonalNormal(jnp.zeros(2), jnp.zeros(2)), Bernoulli(jnp.zeros(1))))
        >>> round(float(family.log_prob(jnp.array([0.0, 0.0, 1.0]))), 4)
        -2.531
        >>> family.sample(jax.random.key(0)).shape
        (3,)
    """

    blocks: tuple[AbstractExponentialFamily, ...]

    @property
    def n_columns(self) -> int:
        return sum(block.n_columns for block in self.blocks)

    @property
    def pattern_columns(self) -> tuple[int, ...]:
        columns: list[int] = []
        start = 0
        for block in self.blocks:
            columns += [start + j for j in block.pattern_columns]
            start += block.n_columns
        return tuple(columns)

    def n_parameters(self) -> int:
        return sum(block.n_parameters() for block in self.blocks)

    def _columns(self, *rows: Any) -> list[tuple[Any, ...]]:
        """For each block, the block and its columns of each of the rows."""
        parts, start = [], 0
        for block in self.blocks:
            stop = start + block.n_columns
            parts.append((block, *(row[start:stop] for row in rows)))
            start = stop
        return parts

    def _statistics(self, statistics: Float[Array, "*k t"]) -> list[tuple[Any, Float[Array, "*k tb"]]]:
        """For each block, the block and its statistics."""
        parts, start = [], 0
        for block in self.blocks:
            row = jax.ShapeDtypeStruct((block.n_columns,), statistics.dtype)
            seen = jax.ShapeDtypeStruct((block.n_columns,), bool)
            stop = start + eqx.filter_eval_shape(block.statistics, row, seen).shape[0]
            parts.append((block, statistics[..., start:stop]))
            start = stop
        return parts

    def sample(self, key: Key) -> Float[Array, " d"]:
        keys = jax.random.split(key, len(self.blocks))
        return jnp.concatenate([block.sample(k) for block, k in zip(self.blocks, keys, strict=True)])

    def marginal(self, observed: Bool[Array, " d"]) -> Self:
        return type(self)(tuple(block.marginal(o) for block, o in self._columns(observed)))

    def given(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Self:
        return type(self)(tuple(block.given(v, o) for block, v, o in self._columns(y, observed)))

    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        return sum(block.log_density(v, o) for block, v, o in self._columns(y, observed))

    def impossible(self, events: Float[Array, "... d"]) -> Bool[Array, "... d"]:
        ends = np.cumsum([block.n_columns for block in self.blocks])
        parts = np.split(np.asarray(events), ends[:-1], axis=-1)
        return np.concatenate([block.impossible(part) for block, part in zip(self.blocks, parts, strict=True)], axis=-1)

    def statistics(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " t"]:
        return jnp.concatenate([block.statistics(v, o) for block, v, o in self._columns(y, observed)])

    def coefficients(self) -> Float[Array, " t"]:
        return jnp.concatenate([block.coefficients() for block in self.blocks])

    def log_base(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar | float:
        return sum(block.log_base(v, o) for block, v, o in self._columns(y, observed))

    def rounding(self) -> Scalar | float:
        return sum(block.rounding() for block in self.blocks)

    def centre(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " d"]:
        return jnp.concatenate([block.centre(v, o) for block, v, o in self._columns(y, observed)])

    def recentre(self, statistics: Float[Array, " t"]) -> Float[Array, " t"]:
        return jnp.concatenate([block.recentre(s) for block, s in self._statistics(statistics)])

    def complete(
        self, observed: Bool[Array, " d"], statistics: Float[Array, " t"], coefficients: Float[Array, " t"]
    ) -> Float[Array, " t"]:
        parts = zip(self._columns(observed), self._statistics(statistics), self._statistics(coefficients), strict=True)
        return jnp.concatenate([block.complete(o, s, c) for (block, o), (_, s), (_, c) in parts])

    def completer(self) -> Completer:
        completers = [block.completer() for block in self.blocks]
        starts = np.cumsum([0, *(block.n_columns for block in self.blocks)])

        def complete(y: Float[Array, "b d"], observed: Bool[Array, "b d"], missing: Int[Array, "b p"]) -> Completed:
            parts = []
            for completer, start, stop in zip(completers, starts, starts[1:], strict=False):
                here = (start <= missing) & (missing < stop)
                local = jnp.where(here, missing, stop) - start
                parts.append(completer(y[:, start:stop], observed[:, start:stop], local))
            return Completed(
                sum(part.log_density for part in parts),
                lambda r: jnp.concatenate([part.sums(r) for part in parts], -1),
            )

        return complete

    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """Each block by its own rule; `regularise` holds one entry a block."""
        parts = zip(self._statistics(statistics), regularise, strict=True)
        return type(self)(tuple(block.maximise(s, r, centred=centred) for (block, s), r in parts))

    def embed(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " e"]:
        return jnp.concatenate([block.embed(v, o) for block, v, o in self._columns(y, observed)])
