"""What a procedure is: how the posterior and the model are improved, batch by batch."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import Int, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions import AbstractDistribution
from tacit.gradients import Memory
from tacit.models import AbstractConditional, LatentModel
from tacit.models.enumeration import exact_posterior


class State(NamedTuple):
    """Where a procedure stands."""

    model: LatentModel
    posterior: Any  # AbstractConditional; None: the latent is listed, and q is exact
    optimizer: Any  # moments of the trained arrays
    memory: Memory  # of the gradient estimator
    skipped: Int[Array, ""]  # steps that were not finite and not taken
    step: Int[Array, ""]  # steps so far, the skipped ones too


class Summary(NamedTuple):
    """What a batch says: sums over its rows, so that batches, chunks and hosts add up."""

    bound: Scalar
    weight: Scalar
    gradient: PyTree
    running: PyTree  # what replaces `memory.running`


class AbstractProcedure(eqx.Module):
    """How q and the model are improved. All of them maximise one bound, `log p(y | x) - KL(q || posterior)`."""

    @abc.abstractmethod
    def init(self, key: Key, model: LatentModel, posterior: AbstractConditional | None, sample: Batch) -> State:
        """The state before the first step; `sample` is any batch of rows."""

    @abc.abstractmethod
    def summarise(self, key: Key, state: State, batch: Batch) -> Summary:
        """What the batch says about model and posterior, in sums."""

    @abc.abstractmethod
    def update(self, state: State, summary: Summary) -> State:
        """The state after one step."""

    @abc.abstractmethod
    def evaluate(self, key: Key, state: State, batch: Batch) -> tuple[Scalar, Scalar]:
        """The summed objective over a batch, nothing added, nothing learned; and the summed weight."""

    def infer(self, key: Key, state: State, batch: Batch) -> Any:
        """q for every row of a batch, seen in training or not, stacked; draws, if it takes any, are those of `key`."""
        return posteriors(state.model, state.posterior, batch)


def posteriors(model: LatentModel, posterior: AbstractConditional | None, batch: Batch) -> Any:
    """q of every row, stacked; where there is no posterior the states are listed, and q is exact.

    A posterior is called with `(y, x)`, or with `(y, x, observed)` where the batch marks cells that are missing
    (these are 0 in y).
    """
    if posterior is None:
        return jax.vmap(lambda y, x, o: exact_posterior(model, y, x, o))(batch.y, batch.x, batch.mask)
    return jax.vmap(lambda y, x, o: posterior(evidence(y, x, o)))(batch.y, batch.x, batch.mask)


def evidence(y: Any, x: Any, observed: Any) -> tuple[Any, ...]:
    """What a posterior is called with."""
    return (y, x) if observed is None else (y, x, observed)


def posterior_of_row(posterior: AbstractConditional, batch: Batch) -> AbstractDistribution:
    """q of the first row of a batch: to see of what kind it is."""
    y, x, observed = jax.tree.map(lambda a: a[0], (batch.y, batch.x, batch.mask))
    return posterior(evidence(y, x, observed))
