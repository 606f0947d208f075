"""A finite mixture: the latent-variable model whose latent can be listed, so that everything about it is exact."""

from __future__ import annotations

from typing import Any, Self

import jax
from jaxtyping import Bool, Float

from tacit._typing import Array, Scalar
from tacit.distributions import AbstractExponentialFamily, Categorical
from tacit.models.latent import Constant, LatentModel, Selected


class FiniteMixture(LatentModel):
    """`p(y) = sum_k w_k p(y | theta_k)`, with every component of one exponential family.

    The latent is one-hot over k components. Missing cells are integrated out, exactly.

    >>> import jax, jax.numpy as jnp
    >>> from tacit.distributions import DiagonalNormal
    >>> stack = DiagonalNormal(loc=jnp.array([[-1.0], [1.0]]), log_scale=jnp.zeros((2, 1)))
    >>> mixture = FiniteMixture.of(jnp.log(jnp.array([0.5, 0.5])), stack)
    >>> print(mixture.posterior(jnp.array([0.0])).log_probs())
    [-0.6931472 -0.6931472]
    """

    prior: Constant
    likelihood: Selected

    @classmethod
    def of(cls, log_weights: Float[Array, " k"], components: AbstractExponentialFamily) -> Self:
        """From log weights and a stack of components."""
        return cls(Constant(Categorical(log_weights)), Selected(components))

    @property
    def log_weights(self) -> Float[Array, " k"]:
        """Log weights of the components."""
        return self.prior.distribution.logits

    @property
    def components(self) -> Any:
        """The stack of components: an exponential family with a leading component axis."""
        return self.likelihood.stack

    @property
    def n_components(self) -> int:
        """Number of components."""
        return self.log_weights.shape[0]

    def n_parameters(self) -> int:
        """Free parameters: those of the components and k - 1 weights."""
        return self.components.n_parameters() + self.n_components - 1

    def marginal(self, observed: Bool[Array, " d"]) -> Self:
        """The mixture with the jointly modelled columns that are missing integrated out."""
        stack = jax.vmap(lambda component: component.marginal(observed))(self.components)
        return type(self).of(self.log_weights, stack)

    def log_joints(self, y: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> Float[Array, " k"]:
        """`log w_k + log p(y | theta_k)` of every component, in nats."""
        log_probs = jax.vmap(lambda component: component.log_prob(y, observed))(self.components)
        return jax.nn.log_softmax(self.log_weights) + log_probs

    def log_prob(self, y: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> Scalar:
        """`log p(y)` of the cells that are present, in nats."""
        return jax.nn.logsumexp(self.log_joints(y, observed))

    def posterior(self, y: Float[Array, " d"], observed: Bool[Array, " d"] | None = None) -> Categorical:
        """`p(z | y)`: the responsibilities."""
        return Categorical(jax.nn.log_softmax(self.log_joints(y, observed)))
