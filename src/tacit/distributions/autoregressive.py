"""Bits or categories one after the other, each given those before it."""

from __future__ import annotations

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from tacit._errors import UsageError
from tacit._typing import Array, Event, Key, Scalar
from tacit.distributions._base import AbstractDistribution, AbstractEnumerable
from tacit.distributions.bernoulli import Bernoulli
from tacit.distributions.categoricals import Categoricals


class AbstractAutoregressive(AbstractEnumerable):
    """`p(y) = prod_j p(y_j | y_1, ..., y_{j-1})`, the factors by one call of a network; drawn in d calls.

    Fields: `network`, from (inputs, context) to logits of which row j depends on the rows of its inputs before j
    (`networks.MADE`); `context`, what all factors are given, or None. Missing cells cannot be left out of it.
    """

    network: Any
    context: Any = None

    @abc.abstractmethod
    def given(self, event: Event) -> Any:
        """All factors, independent of one another, each given the parts of the event before it."""

    @abc.abstractmethod
    def blank(self) -> AbstractDistribution:
        """Independent factors of the same shape."""

    def sample(self, key: Key) -> Event:
        blank: Any = self.blank()

        def step(event: Array, inputs: tuple[Array, Key]) -> tuple[Array, None]:
            j, key = inputs
            return event.at[j].set(self.given(event).sample(key)[j]), None

        start = jnp.zeros(blank.logits.shape, blank.logits.dtype)
        steps = jnp.arange(len(start)), jax.random.split(key, len(start))
        return jax.lax.scan(step, start, steps)[0]

    def log_prob(self, event: Event, observed: Bool[Array, " d"] | None = None) -> Scalar:
        if observed is not None:
            what = "an autoregressive density has no value where cells are missing."
            raise UsageError(what, mend="Fill the cells in, or use a likelihood of independent columns.")
        log_prob: Scalar = self.given(event).log_prob(event)
        return log_prob

    @property
    def n_states(self) -> int:
        blank: Any = self.blank()
        return int(blank.n_states)

    def support(self) -> Float[Array, "s ..."]:
        blank: Any = self.blank()
        states: Array = blank.support()
        return states

    def log_probs(self) -> Float[Array, " s"]:
        return jax.lax.map(self.log_prob, self.support(), batch_size=1024)


class AutoregressiveBernoulli(AbstractAutoregressive):
    """d bits, `log p(y) = sum_j log Bernoulli(y_j | a_j(y_1, ..., y_{j-1}))`, in nats; the event is (d,).

    >>> from tacit.networks import MADE
    >>> density = AutoregressiveBernoulli(MADE.init(jax.random.key(0), 3, 1, (8,)))
    >>> print(density.n_states, jnp.exp(density.log_probs()).sum().round(4))
    8 1.0
    """

    def given(self, event: Float[Array, " d"]) -> Bernoulli:
        return Bernoulli(self.network(2 * event - 1, self.context))

    def blank(self) -> Bernoulli:
        return Bernoulli(jnp.zeros(self.network.n_variables, self.network.skip.bias.dtype))


class AutoregressiveCategoricals(AbstractAutoregressive):
    """d categories of k states, each given those before it, in nats; the event is one-hot in every row, (d, k).

    >>> from tacit.networks import MADE
    >>> density = AutoregressiveCategoricals(MADE.init(jax.random.key(0), 2, 3, (8,)))
    >>> density.sample(jax.random.key(1)).shape, density.n_states
    ((2, 3), 9)
    """

    def given(self, event: Float[Array, "d k"]) -> Categoricals:
        return Categoricals(self.network(event, self.context))

    def blank(self) -> Categoricals:
        shape = self.network.n_variables, self.network.channels
        return Categoricals(jnp.zeros(shape, self.network.skip.bias.dtype))
