"""The columns of a table as a network gives them: from numbers to a product of families, one block a kind."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array
from tacit.distributions import (
    AbstractExponentialFamily,
    Bernoulli,
    CategoricalColumns,
    DiagonalNormal,
    LoneMultivariateNormal,
    Poisson,
    Product,
)
from tacit.distributions.categorical import runs
from tacit.networks import Fixed

WIDEST = 10.0  # scale that a network gives a column beside others, in its own


class NormalColumns(eqx.Module):
    """d independent normals of standardised columns, whose scales are at least `floor` (d,).

    `log_scale` (d,) are numbers that all rows share (scale `floor + exp(log_scale)`), learned or `Fixed`; where it is
    None the network gives them with the means.
    """

    floor: Fixed
    log_scale: Float[Array, "*m d"] | Fixed | None

    @property
    def d(self) -> int:
        """Number of columns."""
        return int(self.floor.value.shape[-1])

    @property
    def width(self) -> int:
        """How many numbers the network gives."""
        return 2 * self.d if self.log_scale is None else self.d

    def __call__(self, raw: Float[Array, " w"]) -> DiagonalNormal:
        loc, above = raw[: self.d], raw[self.d :]
        if self.log_scale is not None:
            above = self.log_scale.value if isinstance(self.log_scale, Fixed) else self.log_scale
        return DiagonalNormal(loc, jnp.logaddexp(above, jnp.log(self.floor.value)))


class SigmoidColumns(NormalColumns):
    """d independent normals with means `sigmoid(a)` and log variances `sigmoid(b)`; the network gives a and b.

    Means lie between 0 and 1, scales between 1 and sqrt(e).

    >>> columns = SigmoidColumns(Fixed(jnp.ones(1)), None)
    >>> print(columns(jnp.zeros(2)).loc, columns(jnp.zeros(2)).variance.round(4))
    [0.5] [1.6487]
    """

    def __call__(self, raw: Float[Array, " w"]) -> DiagonalNormal:
        return DiagonalNormal(jax.nn.sigmoid(raw[: self.d]), 0.5 * jax.nn.sigmoid(raw[self.d :]))


class FullNormalColumns(NormalColumns):
    """d normals that vary together: the network gives d means, d scales and d (d - 1) / 2 slopes.

    Row i of the Cholesky factor L of their covariance is `s_i (b_i, 1) / sqrt(1 + |b_i|^2)`, with slopes b_i on the
    columns before i and `1 / s_i = exp(-raw) + 1 / WIDEST`, and `floor` is added to its diagonal: the scale of i given
    those before it. So a column's scale does not depend on its slopes, and the inverse of L is of the slopes' size.

    >>> columns = FullNormalColumns(Fixed(jnp.full(2, 0.1)), None)
    >>> columns.width
    5
    >>> factor = columns(jnp.array([0.0, 0.0, 0.10536, 0.10536, 0.75])).scale_tril
    >>> bool(jnp.allclose(factor, jnp.array([[1.1, 0.0], [0.6, 0.9]]), atol=1e-4))
    True
    """

    @property
    def width(self) -> int:
        """How many numbers the network gives."""
        return self.d + self.d * (self.d + 1) // 2

    def __call__(self, raw: Float[Array, " w"]) -> LoneMultivariateNormal:  # type: ignore[override]
        loc, above, below = jnp.split(raw, (self.d, 2 * self.d))
        log_scale = -jnp.logaddexp(-above, -jnp.log(WIDEST))
        rows, columns = jnp.tril_indices(self.d, -1)
        slopes = jnp.zeros((self.d, self.d), raw.dtype).at[rows, columns].set(below)
        alone = log_scale - 0.5 * jnp.log1p(jnp.sum(slopes**2, axis=1))
        diagonal = jnp.logaddexp(alone, jnp.log(self.floor.value))
        return LoneMultivariateNormal(loc, jnp.exp(alone)[:, None] * slopes + jnp.diag(diagonal))


class ColumnFamily(eqx.Module):
    """The columns of an event in its order: normals, 0/1 columns, codes of `levels` levels each, counts.

    Counts have rates `exp(log_means + raw)`, about the training means. Columns of one kind that follow one another,
    codes with the same number of levels, are one block, so a table of 0/1 columns is a single Bernoulli.

    >>> family = ColumnFamily(None, 2, (3,), None)
    >>> family.width, family(jnp.zeros(5)).n_columns
    (5, 3)
    >>> round(float(family(jnp.zeros(5)).log_prob(jnp.array([1.0, 0.0, 2.0]))), 4)
    -2.4849
    """

    normal: NormalColumns | None
    n_binary: int = eqx.field(static=True)
    levels: tuple[int, ...] = eqx.field(static=True)
    log_means: Fixed | None = None

    @property
    def width(self) -> int:
        """How many numbers the network gives."""
        return (self.normal.width if self.normal else 0) + self.n_binary + sum(self.levels) + self.n_counts

    @property
    def n_counts(self) -> int:
        """Number of columns of counts."""
        return 0 if self.log_means is None else int(self.log_means.value.shape[-1])

    def __call__(self, raw: Float[Array, " w"]) -> AbstractExponentialFamily:
        blocks: list[Any] = []
        start = 0
        if self.normal is not None:
            start = self.normal.width
            blocks.append(self.normal(raw[:start]))
        if self.n_binary:
            blocks.append(Bernoulli(raw[start : start + self.n_binary]))
            start += self.n_binary
        for size, m in runs(self.levels):
            blocks.append(CategoricalColumns(raw[start : start + m * size].reshape(m, size)))
            start += m * size
        if self.log_means is not None:
            blocks.append(Poisson(self.log_means.value + raw[start:]))
        return blocks[0] if len(blocks) == 1 else Product(tuple(blocks))
