"""The contract of a gradient estimator."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
from jaxtyping import PyTree

from tacit._typing import Array, Event, Key, Scalar
from tacit.distributions import AbstractDistribution

LogWeight = Callable[[AbstractDistribution, Event], Scalar]
Combine = Callable[[Array], Scalar]


class Memory(NamedTuple):
    """What an estimator carries from step to step; either part may be None.

    `trained`: its own arrays, a baseline or the scale of a control variate, which follow the gradient of the value
    as model and posterior do: the value holds `sg(L) - L`, with L the loss they are to lower. `running`: figures it
    replaces itself, such as a moving average; those of the rows of a batch are averaged.
    """

    trained: PyTree = None
    running: PyTree = None


class AbstractGradient(eqx.Module):
    """How to differentiate `E_q[combine(log w(z_1), ..., log w(z_S))]` with z_s drawn from q.

    The value of a call is an estimate of the objective; its derivative is the gradient estimate. `log_weight`
    takes q as an argument, so that an estimator may pass a stopped one.
    """

    unbiased: ClassVar[bool]

    @abc.abstractmethod
    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        """Raise `UsageError` where the estimator does not apply to this kind of q, or to so many draws."""

    def check_objective(self, objective: Any) -> None:
        """Raise `UsageError` where the estimator is wrong for an objective (`tacit.objectives`); for most none is."""

    def sized(self, q: Any) -> Self:
        """The same estimator, made to the size of this kind of q where it has one; asked for before `init`."""
        return self

    def init(self, key: Key, context: PyTree) -> Memory:
        """What the estimator starts with; `context` is (y, x) of a batch of rows. Nothing for most."""
        return Memory()

    def evaluations(self, q: Any, num_samples: int) -> int:
        """How often `log_weight` is called for one row."""
        return num_samples

    @abc.abstractmethod
    def __call__(
        self,
        key: Key,
        q: Any,
        log_weight: LogWeight,
        combine: Combine,
        num_samples: int,
        context: PyTree,
        memory: Memory,
    ) -> tuple[Scalar, PyTree]:
        """The estimate for one row, and what replaces `memory.running`; `context` is (y, x) of the row.

        `q` is a distribution that `check` lets pass.
        """
