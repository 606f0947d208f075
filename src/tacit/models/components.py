"""The components of a conditional mixture: from features of x to a stack of distributions of the target."""

from __future__ import annotations

import abc
import math
from statistics import NormalDist
from typing import ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key
from tacit.distributions import (
    AbstractDistribution,
    Bernoulli,
    CategoricalColumns,
    DiagonalNormal,
    MultivariateNormal,
    Poisson,
)
from tacit.models.latent import AbstractConditional
from tacit.models.limits import location, log_scale, within_ball
from tacit.networks import Fixed, Linear


class AbstractFamily(eqx.Module):
    """From unconstrained numbers to the distribution of a target in one component."""

    numeric: ClassVar[bool] = False  # may noise be added to the target?

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """How many numbers."""

    @abc.abstractmethod
    def __call__(self, raw: Float[Array, " r"]) -> AbstractDistribution:
        """The distribution."""

    @abc.abstractmethod
    def spread(self, key: Key, k: int) -> Float[Array, "k r"]:
        """Numbers of k components that lie apart and together cover a standardised target."""


class AbstractNormalFamily(AbstractFamily):
    """Normals of d standardised targets, of which `floor` (d,) is the least scale.

    With a `ceiling` (d,) it is also the greatest, and with a `reach` (d,) means lie within ±reach: a logged target
    has both, since the mean of a log-normal, exp(mu + sigma²/2), has no bound without them.
    """

    numeric: ClassVar[bool] = True
    floor: Fixed
    ceiling: Fixed | None = None
    reach: Fixed | None = None

    @property
    def _d(self) -> int:
        return int(self.floor.value.shape[-1])

    def _loc(self, raw: Float[Array, " d"]) -> Float[Array, " d"]:
        return location(raw, None if self.reach is None else self.reach.value)

    def _log_scale(self, raw: Float[Array, " d"]) -> Float[Array, " d"]:
        return log_scale(raw, self.floor.value, None if self.ceiling is None else self.ceiling.value)

    def spread(self, key: Key, k: int) -> Float[Array, "k r"]:
        return _spread_normals(key, k, self._d, self.width - self._d)


class DiagonalFamily(AbstractNormalFamily):
    """Independent normals: d means, and d scales `floor + exp(raw)`, smoothly held below the ceiling."""

    @property
    def width(self) -> int:
        return 2 * self._d

    def __call__(self, raw: Float[Array, " r"]) -> DiagonalNormal:
        loc, scale = jnp.split(raw, 2)
        return DiagonalNormal(self._loc(loc), self._log_scale(scale))


class FullFamily(AbstractNormalFamily):
    """A normal with a full covariance: d means, d (d + 1) / 2 entries of its Cholesky factor.

    The diagonal of the factor, the scale of each target given those before it, is `floor + exp(raw)`. With a ceiling,
    the length of every row of the factor, the scale of a target by itself, is below it.
    """

    @property
    def width(self) -> int:
        return self._d + self._d * (self._d + 1) // 2

    def __call__(self, raw: Float[Array, " r"]) -> MultivariateNormal:
        d = self._d
        diagonal = self._log_scale(raw[d : 2 * d])
        rows, columns = jnp.tril_indices(d, -1)
        lower = jnp.zeros((d, d), raw.dtype).at[rows, columns].set(raw[2 * d :])
        if self.ceiling is not None:
            room = (1 + 1e-6) * self.ceiling.value**2 - jnp.exp(2 * diagonal)  # above 0 where rounding has none left
            lower = within_ball(lower, jnp.sqrt(room))
        return MultivariateNormal(self._loc(raw[:d]), lower + jnp.diag(diagonal))


class PoissonFamily(AbstractFamily):
    """A count. Field: `log_mean` (), the logarithm of the training mean, about which rates are learned."""

    log_mean: Fixed

    @property
    def width(self) -> int:
        return 1

    def __call__(self, raw: Float[Array, " 1"]) -> Poisson:
        return Poisson(self.log_mean.value + raw)

    def spread(self, key: Key, k: int) -> Float[Array, "k 1"]:
        return 0.5 * jnp.asarray(_normal_scores(k))[:, None]


class BernoulliFamily(AbstractFamily):
    """A binary target, as the code 0 or 1."""

    @property
    def width(self) -> int:
        return 1

    def __call__(self, raw: Float[Array, " 1"]) -> Bernoulli:
        return Bernoulli(raw)

    def spread(self, key: Key, k: int) -> Float[Array, "k 1"]:
        return 0.1 * jax.random.normal(key, (k, 1))


class CategoricalFamily(AbstractFamily):
    """A target of `levels` levels, as a code."""

    levels: int = eqx.field(static=True)

    @property
    def width(self) -> int:
        return self.levels

    def __call__(self, raw: Float[Array, " l"]) -> CategoricalColumns:
        return CategoricalColumns(raw[None])

    def spread(self, key: Key, k: int) -> Float[Array, "k l"]:
        return 0.1 * jax.random.normal(key, (k, self.levels))


class Components(AbstractConditional):
    """A stack of k components of one family, that depend on features h or, without a head, on nothing.

    Fields: `base` (k, r), their numbers; `head`, `h -> k r` numbers to add.
    """

    family: AbstractFamily
    base: Float[Array, "*m k r"]
    head: Linear | None

    @classmethod
    def init(cls, key: Key, family: AbstractFamily, k: int, n_features: int | None) -> Self:
        """Components that lie apart; shared by all x where `n_features` is None."""
        key_base, key_head = jax.random.split(key)
        base = family.spread(key_base, k)
        head = None if n_features is None else Linear.init(key_head, n_features, base.size, gain=0.1)
        return cls(family, base, head)

    def __call__(self, context: Float[Array, " h"]) -> AbstractDistribution:
        raw = self.base if self.head is None else self.base + self.head(context).reshape(self.base.shape)
        stack: AbstractDistribution = jax.vmap(self.family)(raw)
        return stack


def _normal_scores(k: int) -> list[float]:
    """Middles of k equal parts of a standard normal."""
    return [NormalDist().inv_cdf((j + 0.5) / k) for j in range(k)]


def _spread_normals(key: Key, k: int, d: int, others: int) -> Float[Array, "k r"]:
    scores = jnp.asarray(_normal_scores(k))
    loc = jnp.stack([jax.random.permutation(one, scores) for one in jax.random.split(key, d)], axis=1)
    scale = jnp.full((k, d), -0.5 * math.log(k))
    return jnp.concatenate([loc, scale, jnp.zeros((k, others - d))], axis=1)
