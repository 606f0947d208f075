"""Kinds of latents: from numbers to a distribution, and from an event to what a network reads of it."""

from __future__ import annotations

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Event, Key
from tacit.distributions import (
    AbstractDistribution,
    Bernoulli,
    Categorical,
    Categoricals,
    DiagonalNormal,
    Mixed,
    MultivariateNormal,
)
from tacit.models.latent import AbstractConditional
from tacit.networks import Fixed

SPREAD = 0.7  # s.d. of the means that the components of a mixture prior start at


class AbstractLatent(eqx.Module):
    """A kind of latent. All numbers 0 are its standard prior: every state as probable, or a standard normal."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """How many numbers make a distribution."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many numbers a network reads of an event."""

    @abc.abstractmethod
    def __call__(self, raw: Float[Array, " w"]) -> AbstractDistribution:
        """The distribution."""

    @abc.abstractmethod
    def inputs(self, event: Event) -> Float[Array, " s"]:
        """What a network reads of an event, relaxed ones too."""


class CategoricalLatent(AbstractLatent):
    """One category of k states, read as it is, one-hot.

    >>> latent = CategoricalLatent(4)
    >>> print(jnp.exp(latent(jnp.zeros(4)).log_probs()))
    [0.25 0.25 0.25 0.25]
    """

    k: int = eqx.field(static=True)

    @property
    def width(self) -> int:
        return self.k

    @property
    def size(self) -> int:
        return self.k

    def __call__(self, raw: Float[Array, " k"]) -> Categorical:
        return Categorical(raw)

    def inputs(self, event: Float[Array, " k"]) -> Float[Array, " k"]:
        return event


class CategoricalsLatent(AbstractLatent):
    """d independent categories of k states each, read one after the other.

    >>> latent = CategoricalsLatent(2, 3)
    >>> latent(jnp.zeros(6)).n_states, latent.inputs(jnp.eye(3)[:2]).shape
    (9, (6,))
    """

    d: int = eqx.field(static=True)
    k: int = eqx.field(static=True)

    @property
    def width(self) -> int:
        return self.d * self.k

    @property
    def size(self) -> int:
        return self.d * self.k

    def __call__(self, raw: Float[Array, " w"]) -> Categoricals:
        return Categoricals(raw.reshape(self.d, self.k))

    def inputs(self, event: Float[Array, "d k"]) -> Float[Array, " s"]:
        return event.reshape(-1)


class BernoulliLatent(AbstractLatent):
    """d independent bits b, read as 2 b - 1.

    >>> print(BernoulliLatent(2).inputs(jnp.array([0.0, 1.0])))
    [-1.  1.]
    """

    d: int = eqx.field(static=True)

    @property
    def width(self) -> int:
        return self.d

    @property
    def size(self) -> int:
        return self.d

    def __call__(self, raw: Float[Array, " d"]) -> Bernoulli:
        return Bernoulli(raw)

    def inputs(self, event: Float[Array, " d"]) -> Float[Array, " d"]:
        return 2 * event - 1


class NormalLatent(AbstractLatent):
    """d independent normals, by their means and log scales; read as they are.

    >>> print(NormalLatent(1)(jnp.array([2.0, 0.0])).variance)
    [1.]
    """

    d: int = eqx.field(static=True)

    @property
    def width(self) -> int:
        return 2 * self.d

    @property
    def size(self) -> int:
        return self.d

    def __call__(self, raw: Float[Array, " w"]) -> DiagonalNormal:
        return DiagonalNormal(raw[: self.d], raw[self.d :])

    def inputs(self, event: Float[Array, " d"]) -> Float[Array, " d"]:
        return event


class FullNormalLatent(AbstractLatent):
    """d jointly normal numbers, by their means and a Cholesky factor with the logarithm of its diagonal.

    >>> print(FullNormalLatent(2)(jnp.zeros(6)).covariance)
    [[1. 0.]
     [0. 1.]]
    """

    d: int = eqx.field(static=True)

    @property
    def width(self) -> int:
        return self.d + self.d**2

    @property
    def size(self) -> int:
        return self.d

    def __call__(self, raw: Float[Array, " w"]) -> MultivariateNormal:
        return MultivariateNormal(raw[: self.d], raw[self.d :].reshape(self.d, self.d))

    def inputs(self, event: Float[Array, " d"]) -> Float[Array, " d"]:
        return event


class Prior(AbstractConditional):
    """The same prior in every context, of independent latents; learned unless its numbers are `Fixed`.

    >>> uniform = Prior.standard(CategoricalLatent(4))
    >>> print(uniform(None).log_prob(jnp.eye(4)[0]).round(4))
    -1.3863
    """

    latent: AbstractLatent
    raw: Float[Array, "*m w"] | Fixed

    @classmethod
    def standard(cls, latent: AbstractLatent, *, learned: bool = False) -> Prior:
        """Uniform over states, or a standard normal; the start where it is `learned`."""
        raw = jnp.zeros(latent.width)
        return cls(latent, raw if learned else Fixed(raw))

    def __call__(self, context: object) -> AbstractDistribution:
        return self.latent(self.raw.value if isinstance(self.raw, Fixed) else self.raw)


class MixturePrior(AbstractConditional):
    """`p(z) = sum_k w_k N(z | m_k, diag s_k^2)`, the same in every context; weights, means and scales are learned.

    Fields: `logits` (k,), log weights; `loc`, `log_scale` (k, d). The divergence from a normal has no closed form.

    >>> prior = MixturePrior.start(jax.random.key(0), NormalLatent(2), 3)
    >>> prior(None).sample(jax.random.key(1)).shape
    (2,)
    """

    latent: AbstractLatent
    logits: Float[Array, "*m k"]
    loc: Float[Array, "*m k d"]
    log_scale: Float[Array, "*m k d"]

    @classmethod
    def start(cls, key: Key, latent: AbstractLatent, k: int) -> MixturePrior:
        """Equal weights, means and scales that together are about a standard normal."""
        loc = SPREAD * jax.random.normal(key, (k, latent.size))
        return cls(latent, jnp.zeros(k), loc, jnp.full((k, latent.size), 0.5 * math.log1p(-(SPREAD**2))))

    def __call__(self, context: object) -> Mixed:
        return Mixed(self.logits, DiagonalNormal(self.loc, self.log_scale))
