"""The contract of a gradient estimator."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import PyTree

from tacit._typing import Array, Event, Key, Scalar
from tacit.distributions import AbstractDistribution

LogWeight = Callable[[AbstractDistribution, Event], Scalar]
Combine = Callable[[Array], Scalar]


class AbstractGradient(eqx.Module):
    """How to differentiate `E_q[combine(log w(z_1), ..., log w(z_S))]` with z_s drawn from q.

    The value of a call is an estimate of the objective; its derivative is the gradient estimate. `log_weight`
    takes q as an argument, so that an estimator may pass a stopped one.
    """

    unbiased: ClassVar[bool]

    @abc.abstractmethod
    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        """Raise `UsageError` where the estimator does not apply to this kind of q."""

    def init(self, key: Key, context: PyTree) -> Any:
        """The estimator's own state: moving averages, baselines. None for most."""
        return None

    @abc.abstractmethod
    def __call__(
        self,
        key: Key,
        q: AbstractDistribution,
        log_weight: LogWeight,
        combine: Combine,
        num_samples: int,
        context: PyTree,
        state: Any,
    ) -> tuple[Scalar, Any]:
        """The estimate, and the state of the estimator after it."""
