"""What a distribution is: one event, no batch shape."""

from __future__ import annotations

import abc
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from tacit._typing import Array, Event, Key, Scalar
from tacit.distributions._row_by_row import Completed, Completer


class AbstractDistribution(eqx.Module):
    """One event, no batch shape: batches come from `jax.vmap`.

    Immutable, and a pytree. Fields are unconstrained arrays; properties give the constrained values.
    """

    @abc.abstractmethod
    def sample(self, key: Key) -> Event:
        """Draw one event."""

    @abc.abstractmethod
    def log_prob(self, event: Event) -> Scalar:
        """Log density of one event, in nats."""

    def impossible(self, events: Float[Array, "... d"]) -> Bool[Array, "... d"]:
        """Which numbers of events, along any leading axes, it can never take, though it gives them a value: none."""
        return np.zeros(np.shape(events), bool)


class AbstractReparameterised(AbstractDistribution):
    """A distribution whose `sample` is differentiable in the parameters."""


class AbstractEnumerable(AbstractDistribution):
    """A distribution whose events can be listed, where there are not too many of them."""

    @property
    @abc.abstractmethod
    def n_states(self) -> int:
        """Number of events."""

    @abc.abstractmethod
    def support(self) -> Float[Array, "k ..."]:
        """Every event, one a row."""

    @abc.abstractmethod
    def log_probs(self) -> Float[Array, " k"]:
        """Log probability of every event of the support."""


class AbstractExponentialFamily(AbstractDistribution):
    """`log p(y) = coefficients · statistics(y) + log_base(y)`, over columns of which some may be missing.

    The statistics carry one indicator per block of columns, whose coefficient is minus the log-normaliser, so a
    missing block contributes nothing to the dot product. `observed` marks the cells that are present; the values
    of the others must be 0.

    A *stack* is the same class with a leading component axis on every array. The methods below are for one
    component and are vmapped over a stack, except `maximise` and `n_parameters`, which see the whole stack:
    per-component and tied families then have the same interface.

        >>> import jax
        >>> from tacit.distributions import Bernoulli
        >>> stack = Bernoulli(jnp.array([[0.0, 1.0], [2.0, -1.0]]))  # two components over two columns
        >>> y, observed = jnp.array([1.0, 0.0]), jnp.array([True, False])
        >>> [round(float(v), 4) for v in jax.vmap(lambda c: c.log_prob(y, observed))(stack)]
        [-0.6931, -0.1269]
        >>> dots = jax.vmap(lambda c: c.coefficients() @ c.statistics(y, observed) + c.log_base(y, observed))(stack)
        >>> [round(float(v), 4) for v in dots]
        [-0.6931, -0.1269]
    """

    def log_prob(self, event: Event, observed: Bool[Array, " d"] | None = None) -> Scalar:
        """Log density in nats of the cells that are present: the stable path, without natural parameters."""
        if observed is None:
            return self.log_density(event, jnp.ones(self.n_columns, bool))
        return self.marginal(observed).log_density(jnp.where(observed, event, 0.0), observed)

    @abc.abstractmethod
    def log_density(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar:
        """Log density of the present cells, given that `marginal` has taken care of columns modelled jointly."""

    def marginal(self, observed: Bool[Array, " d"]) -> Self:
        """The family with jointly modelled columns that are missing integrated out, neutral at the placeholder 0."""
        return self

    def given(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Self:
        """The family in which missing columns follow their distribution given the present ones of this row."""
        return self

    @abc.abstractmethod
    def statistics(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " t"]:
        """Sufficient statistics and indicators of one row. Reads shapes only, so any member of a stack will do."""

    @abc.abstractmethod
    def coefficients(self) -> Float[Array, " t"]:
        """Natural parameters and minus log-normalisers."""

    @abc.abstractmethod
    def maximise(self, statistics: Float[Array, "k t"], regularise: Any, *, centred: bool) -> Self:
        """The stack that maximises `sum_k coefficients_k · statistics_k`, regularised.

        With `centred`, the statistics are about the present locations of this stack instead of about 0.
        """

    @abc.abstractmethod
    def n_parameters(self) -> int:
        """Free parameters of the whole stack."""

    @property
    @abc.abstractmethod
    def n_columns(self) -> int:
        """Length of the event."""

    def log_base(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Scalar | float:
        """Log base measure: the part of the density that no parameter touches."""
        return 0.0

    def centre(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " d"]:
        """The row about this member's location (families without one return it unchanged)."""
        return y

    def recentre(self, statistics: Float[Array, " t"]) -> Float[Array, " t"]:
        """Statistics about 0, turned into statistics about the location."""
        return statistics

    def complete(
        self, observed: Bool[Array, " d"], statistics: Float[Array, " t"], coefficients: Float[Array, " t"]
    ) -> Float[Array, " t"]:
        """Centred statistics of rows that share a pattern, with the expected statistics of the missing cells added.

        `coefficients` are those of `marginal(observed)`, which the E-step has at hand.
        """
        return statistics

    def completer(self) -> Completer:
        """Of a stack, the function that takes rows which may each lack other cells to what `Completed` says.

        It is called with `(y, observed, missing)`, (b, d), (b, d) and (b, p): of each row the columns modelled jointly
        that it lacks, `d` where it lacks fewer. Families without such columns are served here.
        """

        def complete(y: Float[Array, "b d"], observed: Bool[Array, "b d"], missing: Int[Array, "b p"]) -> Completed:
            def densities(component: AbstractExponentialFamily) -> Float[Array, " b"]:
                return jnp.asarray(jax.vmap(component.log_density)(y, observed))

            def sum_over_rows(component: AbstractExponentialFamily, weight: Float[Array, " b"]) -> Float[Array, " t"]:
                rows = jax.vmap(component.centre)(y, observed)
                return weight @ jax.vmap(component.statistics)(rows, observed)

            return Completed(jax.vmap(densities)(self).T, lambda r: jax.vmap(sum_over_rows)(self, r.T))

        return complete

    def rounding(self) -> Scalar | float:
        """Size of the terms that cancel in `coefficients · statistics` near the mode: times eps, the error in nats."""
        return 0.0

    @property
    def pattern_columns(self) -> tuple[int, ...]:
        """Columns whose missingness must be the same over a tile, because they are modelled jointly."""
        return ()

    def embed(self, y: Float[Array, " d"], observed: Bool[Array, " d"]) -> Float[Array, " e"]:
        """The row as a point where Euclidean distance makes sense: for starts."""
        return y * observed
