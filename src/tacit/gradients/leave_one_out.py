"""Leave-one-out: every draw is judged by the others."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._score import check_samples, check_scored, draw, with_scores

CONTROLS = ("geometric", "arithmetic")


class LeaveOneOut(AbstractGradient):
    """`sum_s (L - L_s) grad log q(z_s)`, with the log-weight of draw s replaced in L_s by the mean of the others'.

    With the mean as `combine` it is RLOO (Kool et al. 2019), `1/(S-1) sum_s (log w_s - mean) grad log q(z_s)`; with
    the log-mean-exp it is VIMCO (Mnih and Rezende 2016, equation 8). One class, as `combine` is apart from the
    gradient. Unbiased; S evaluations; 2 draws or more. No variance in q where q is the exact posterior.

    `control`: the others' mean is that of log w ("geometric", of the weights) or the logarithm of that of w
    ("arithmetic"). With `plain` q is not stopped in the log-weights, as VIMCO was published: at times less variance
    far from the posterior, more of it near.

    >>> from tacit.distributions import Bernoulli
    >>> estimate = lambda a: LeaveOneOut()(
    ...     jax.random.key(0), Bernoulli(a), lambda q, z: jnp.sum(z) - q.log_prob(z), jnp.mean, 4, None, Memory()
    ... )[0]
    >>> print(jax.grad(estimate)(jnp.ones(2)).round(4))  # logits of 1 are the posterior
    [0. 0.]
    """

    unbiased: ClassVar[bool] = True
    control: str = eqx.field(static=True, default="geometric")
    plain: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.control not in CONTROLS:
            mend = f"Use one of {', '.join(CONTROLS)}."
            raise UsageError(f"control={self.control!r} is not known.", where="LeaveOneOut", mend=mend)

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_scored(q, "LeaveOneOut")
        check_samples(num_samples, 2, "LeaveOneOut")

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
        draws, log_w = draw(key, q, log_weight, num_samples)
        others = jnp.where(jnp.eye(num_samples, dtype=bool), -jnp.inf, log_w)  # row s holds all but s
        if self.control == "arithmetic":
            instead = jax.nn.logsumexp(others, axis=1) - jnp.log(num_samples - 1.0)
        else:
            instead = jnp.sum(jnp.where(jnp.isinf(others), 0.0, others), axis=1) / (num_samples - 1)
        return with_scores(q, draws, log_w, combine, instead, plain=self.plain), memory.running
