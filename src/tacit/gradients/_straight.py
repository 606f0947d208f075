"""What straight-through estimators share: the derivative of the objective at discrete events, sent on to q."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import jax
from jaxtyping import Float, PyTree

from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import along, log_shares, own_slope, reward_of, rows_of, valued
from tacit.gradients._draws import each
from tacit.gradients._score import check_discrete


class AbstractStraightThrough(AbstractGradient):
    """`sum_s J(b_s)' df/db_s`: the derivative in the events b_s, as if they were smooth, times a Jacobian J.

    The value is unbiased, and so is the gradient for the model; that for q is **biased**. S evaluations and their
    derivative. The likelihood must have a derivative in the event.
    """

    unbiased: ClassVar[bool] = False

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, type(self).__name__)

    @abc.abstractmethod
    def passed(
        self, key: Key, shares: Float[Array, "d k"], rows: Float[Array, "d k"], slope: Float[Array, "d k"]
    ) -> Float[Array, "d k"]:
        """The slope in `rows`, one draw of q, turned into one in `shares`, the log probabilities."""

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
        shares, fixed, reward = log_shares(q), jax.lax.stop_gradient(q), reward_of(q, log_weight)
        key_draw, key_pass = jax.random.split(key)
        events = jax.vmap(fixed.sample)(jax.random.split(key_draw, num_samples))
        rows = jax.vmap(lambda event: rows_of(q, event))(events)
        log_w, slopes = each(jax.value_and_grad(reward), rows)
        slopes = jax.grad(combine)(log_w)[:, None, None] * slopes
        keys = jax.random.split(key_pass, num_samples)
        sent = jax.vmap(lambda key, row, slope: self.passed(key, log_shares(fixed), row, slope))(keys, rows, slopes)
        value = combine(log_w)
        slope = sent.sum(axis=0) + own_slope(combine, log_w, rows)
        return valued(value, value + along(shares, slope)), memory.running


def softmax_slope(probs: Float[Array, "d k"], slope: Float[Array, "d k"]) -> Float[Array, "d k"]:
    """A slope in `softmax(a)` turned into one in a, at these probabilities."""
    product = probs * slope
    return product - probs * product.sum(axis=-1, keepdims=True)
