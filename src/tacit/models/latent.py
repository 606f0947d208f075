"""A latent-variable model: a prior over a hidden cause z, and a likelihood of the observed event y given it."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._typing import Event, Key, Scalar
from tacit.distributions import AbstractDistribution


class AbstractConditional(eqx.Module):
    """A distribution that depends on a context: priors, likelihoods and posteriors are all of this kind."""

    @abc.abstractmethod
    def __call__(self, context: PyTree) -> AbstractDistribution:
        """The distribution in this context."""


class Constant(AbstractConditional):
    """The same distribution in every context."""

    distribution: Any  # AbstractDistribution

    def __call__(self, context: PyTree) -> AbstractDistribution:
        return self.distribution


class Selected(AbstractConditional):
    """The member of a stack of distributions that a one-hot latent points at; the context is (z, x)."""

    stack: AbstractDistribution

    def __call__(self, context: PyTree) -> AbstractDistribution:
        z, _ = context
        return jax.tree.map(lambda a: jnp.tensordot(z, a, 1), self.stack)


class LatentModel(eqx.Module):
    """`p(y | x) = sum_z p(z | x) p(y | z, x)`: a prior over z in the context c, a likelihood in the context (z, c).

    The context c is x itself, or what `context` makes of it: work that prior and likelihood share.
    """

    prior: AbstractConditional
    likelihood: AbstractConditional

    def context(self, x: Any) -> PyTree:
        """What prior and likelihood see of the covariates."""
        return x

    def sample(self, key: Key, x: Any = None) -> tuple[Event, Event]:
        """Ancestral draw of (z, y)."""
        key_z, key_y = jax.random.split(key)
        context = self.context(x)
        z = self.prior(context).sample(key_z)
        return z, self.likelihood((z, context)).sample(key_y)

    def log_likelihood(self, z: Event, context: PyTree, y: Event, observed: Any = None) -> Scalar:
        """`log p(y | z, x)` in nats, in a context that `context` made; of the cells that are present, where told."""
        likelihood: Any = self.likelihood((z, context))
        log_prob: Scalar = likelihood.log_prob(y) if observed is None else likelihood.log_prob(y, observed)
        return log_prob

    def log_joint(self, z: Event, y: Event, x: Any = None) -> tuple[Scalar, Scalar]:
        """The two terms `log p(z | x)` and `log p(y | z, x)`, in nats."""
        context = self.context(x)
        return self.prior(context).log_prob(z), self.log_likelihood(z, context, y)
