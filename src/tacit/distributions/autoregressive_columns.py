"""Columns of any kinds one after the other, each given those before it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractDistribution
from tacit.distributions.multivariate_normal import LOG_2PI

_REACH = 30.0  # of a standardised column, as the network reads it
_SPREAD = 1.5  # between the outermost locations of a mixture before training


class AutoregressiveColumns(AbstractDistribution):
    """`log p(y) = sum_j log p(y_j | y_1, ..., y_{j-1})` over real, 0/1, coded and count columns, in nats; y is (d,).

    A real column is a mixture of `n_modes` normals, a 0/1 column Bernoulli, codes 0 to L-1 categorical, a count
    Poisson; the network gives the numbers of each from the columns before it. Missing cells cannot be left out.

    Fields: `network`, from (inputs (d, c), context) to numbers (d, c) of which row j depends on the rows before j
    (`networks.MADE`); `floor` (n_normal,), the least scale of a real column; `log_means` (n_counts,); the sizes of the
    blocks in the event's order. Sources: Germain et al. 2015; with mixtures, Uria et al. 2013.

    >>> from tacit.networks import MADE
    >>> network = MADE.init(jax.random.key(0), 3, AutoregressiveColumns.channels(1, (), 2), (8,))
    >>> density = AutoregressiveColumns(network, jnp.array([0.1]), jnp.zeros(1), None, 1, 1, (), 2)
    >>> event = density.sample(jax.random.key(1))
    >>> event.shape, density.log_prob(event).shape
    ((3,), ())
    """

    network: Any
    floor: Float[Array, " r"]
    log_means: Float[Array, " c"]
    context: Any = None
    n_normal: int = eqx.field(static=True, default=0)
    n_binary: int = eqx.field(static=True, default=0)
    levels: tuple[int, ...] = eqx.field(static=True, default=())
    n_modes: int = eqx.field(static=True, default=1)

    @staticmethod
    def channels(n_normal: int, levels: tuple[int, ...], n_modes: int) -> int:
        """How many numbers of a column the network reads and gives."""
        return max(3 * n_modes if n_normal else 1, *levels, 1)

    @property
    def n_columns(self) -> int:
        """Columns of the event."""
        return self.n_normal + self.n_binary + len(self.levels) + int(self.log_means.shape[-1])

    def impossible(self, events: Float[Array, "... d"]) -> Bool[Array, "... d"]:
        coded = self.n_normal + self.n_binary
        least, most = np.zeros(self.n_columns), np.full(self.n_columns, np.inf)
        least[: self.n_normal], most[self.n_normal : coded] = -np.inf, 1.0
        codes = slice(coded, coded + len(self.levels))
        most[codes] = np.array(self.levels, float) - 1
        odd = (events < least) | (events > most)
        odd[..., codes] |= events[..., codes] % 1 > 0
        return odd

    def inputs(self, event: Float[Array, " d"]) -> Float[Array, "d c"]:
        """What the network reads: a number as it is, 2 b - 1 of a bit, codes one-hot, log(1 + y) of counts."""
        real, coded = self.n_normal + self.n_binary, self.n_normal + self.n_binary + len(self.levels)
        bits = 2 * event[self.n_normal : real] - 1
        counts = jnp.log1p(event[coded:]) - self.log_means
        single = jnp.concatenate([jnp.clip(event[: self.n_normal], -_REACH, _REACH), bits])
        width = int(self.network.channels)
        blocks = [_padded(single, width)]
        if self.levels:
            blocks.append(jax.nn.one_hot(event[real:coded].astype(int), width, dtype=event.dtype))
        return jnp.concatenate([*blocks, _padded(counts, width)])

    def log_prob(self, event: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> Scalar:
        if observed is not None:
            what = "an autoregressive density has no value where cells are missing."
            raise UsageError(what, mend="Fill the cells in, or use a likelihood of independent columns.")
        return jnp.sum(self.factors(event))

    def factors(self, event: Float[Array, " d"]) -> Float[Array, " d"]:
        """`log p(y_j | y_1, ..., y_{j-1})` of every column."""
        normal, bits, codes, log_rates = self._numbers(event)
        real, coded = self.n_normal + self.n_binary, self.n_normal + self.n_binary + len(self.levels)
        y, b, z, n = event[: self.n_normal], event[self.n_normal : real], event[real:coded], event[coded:]
        log_weights, loc, log_scale = normal
        white = (y[:, None] - loc) * jnp.exp(-log_scale)
        terms = log_weights - 0.5 * (white**2 + LOG_2PI) - log_scale
        parts = [
            jax.nn.logsumexp(terms, axis=1) if self.n_normal else y,
            b * bits - jax.nn.softplus(bits),
            *(codes[i][z[i].astype(int)][None] for i in range(len(self.levels))),
            n * log_rates - jnp.exp(log_rates) - jax.lax.lgamma(n + 1),
        ]
        return jnp.concatenate(parts)

    def sample(self, key: Key) -> Float[Array, " d"]:
        def step(event: Array, inputs: tuple[Array, Key]) -> tuple[Array, None]:
            j, key = inputs
            return event.at[j].set(self._drawn(key, event)[j]), None

        start = jnp.zeros(self.n_columns, self.floor.dtype)
        steps = jnp.arange(self.n_columns), jax.random.split(key, self.n_columns)
        return jax.lax.scan(step, start, steps)[0]

    def _drawn(self, key: Key, event: Array) -> Array:
        """A draw of every column given those of `event` before it."""
        (log_weights, loc, log_scale), bits, codes, log_rates = self._numbers(event)
        keys = jax.random.split(key, 5)
        mode = jax.random.categorical(keys[0], log_weights) if self.n_normal else jnp.zeros(0, int)
        place, spread = (jnp.take_along_axis(a, mode[:, None], axis=1)[:, 0] for a in (loc, jnp.exp(log_scale)))
        parts = [
            place + spread * jax.random.normal(keys[1], place.shape, place.dtype),
            jax.random.bernoulli(keys[2], jax.nn.sigmoid(bits)),
            *(jax.random.categorical(jax.random.fold_in(keys[3], i), one)[None] for i, one in enumerate(codes)),
            jax.random.poisson(keys[4], jnp.exp(log_rates)),
        ]
        return jnp.concatenate([part.astype(event.dtype) for part in parts])

    def _numbers(self, event: Array) -> tuple[tuple[Array, Array, Array], Array, list[Array], Array]:
        """Log-weights, locations and log-scales (r, m); logits of bits; log-shares of codes; log-rates of counts."""
        raw = self.network(self.inputs(event).reshape(self._shape), self.context).reshape(self.n_columns, -1)
        real, coded = self.n_normal + self.n_binary, self.n_normal + self.n_binary + len(self.levels)
        m = self.n_modes
        modes = raw[: self.n_normal, : 3 * m] if self.n_normal else jnp.zeros((0, 3 * m), raw.dtype)
        apart = _SPREAD * jnp.linspace(-1.0, 1.0, m) if m > 1 else jnp.zeros(1)
        normal = (
            jax.nn.log_softmax(modes[:, :m], axis=1),
            modes[:, m : 2 * m] + apart.astype(raw.dtype)[None],
            jnp.logaddexp(modes[:, 2 * m :], jnp.log(self.floor)[:, None]),
        )
        codes = [jax.nn.log_softmax(raw[real + i, :size]) for i, size in enumerate(self.levels)]
        return normal, raw[self.n_normal : real, 0], codes, self.log_means + raw[coded:, 0]

    @property
    def _shape(self) -> tuple[int, ...]:
        """Of what the network reads: with one channel it is a vector."""
        return (self.n_columns,) if self.network.channels == 1 else (self.n_columns, self.network.channels)


def _padded(values: Float[Array, " n"], width: int) -> Float[Array, "n w"]:
    return jnp.pad(values[:, None], ((0, 0), (0, width - 1)))
