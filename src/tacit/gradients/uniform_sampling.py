"""Importance sampling of the states: uniform, or a mixture of q and the uniform."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Key, Scalar
from tacit.distributions import AbstractDistribution, Bernoulli
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._draws import each
from tacit.gradients._score import check_discrete
from tacit.gradients.baselines import AbstractBaseline, ConstantBaseline

stop = jax.lax.stop_gradient


class UniformSampling(AbstractGradient):
    """`b + 1/S sum_s rho_s (log w(z_s) - b)`, z_s drawn from r, `rho_s = q(z_s) / sg r(z_s)`: the derivative is of rho.

    `r = (1 - e) q + e uniform` in every factor of z, with e = `defensive`; e = 1 is uniform sampling, whose value has
    the variance `K sum_k (q_k f_k)^2 - (sum_k q_k f_k)^2`, f = log w - b, of one draw of one category. With D factors
    the weights multiply, so that few factors are meant. For any `combine` L, with b in every entry that is not named:
    `L() + sum_s rho_s (L(w_s) - L()) + prod_s rho_s (L(w_1..w_S) - L() - sum_s (L(w_s) - L()))`, whose last part is 0
    for the mean. Unbiased; S evaluations. Source: Owen and Zhou 2000, for defensive mixtures.

    >>> from tacit.distributions import Categorical
    >>> q = Categorical(jnp.log(jnp.array([0.5, 0.5])))
    >>> value, _ = UniformSampling()(jax.random.key(0), q, lambda q, z: jnp.asarray(3.0), jnp.mean, 1, None, Memory())
    >>> print(value)
    3.0
    """

    unbiased: ClassVar[bool] = True
    defensive: float | Scalar = 1.0
    baseline: AbstractBaseline = ConstantBaseline(0.0)

    def __check_init__(self) -> None:
        if isinstance(self.defensive, int | float) and not 0 < self.defensive <= 1:
            mend = "Use a share such as 0.1, or 1 for uniform sampling."
            raise UsageError(f"defensive={self.defensive!r} is not in (0, 1].", where="UniformSampling", mend=mend)

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, "UniformSampling")

    def init(self, key: Key, context: PyTree) -> Memory:
        return self.baseline.init(key, context)

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
        r = stop(self.proposal(q))
        draws = jax.vmap(r.sample)(jax.random.split(key, num_samples))
        log_q = jax.vmap(q.log_prob)(draws)
        rho = jnp.exp(log_q - jax.vmap(r.log_prob)(draws))
        log_w = each(lambda z: log_weight(q, z), draws)
        b, reward = stop(self.baseline(context, memory)), stop(jnp.mean(log_w))
        empty = jnp.full(num_samples, b, log_w.dtype)
        nothing = combine(empty)
        single = jax.vmap(lambda s: combine(empty.at[s].set(log_w[s])) - nothing)(jnp.arange(num_samples))
        together = combine(log_w) - nothing - jnp.sum(single)
        value = nothing + jnp.sum(rho * single) + jnp.prod(rho) * together
        # mean 0 under r; it takes the score out that the live q in the log-weights brings in
        value = value + jnp.mean(stop(rho) * (log_q - stop(log_q)))
        loss = self.baseline.loss(context, memory, reward)
        return value + stop(loss) - loss, self.baseline.update(memory, reward)

    def proposal(self, q: Any) -> Any:
        """`(1 - e) q + e uniform`, factor by factor."""
        e = self.defensive
        if isinstance(q, Bernoulli):
            p = (1 - e) * q.probs + 0.5 * e
            return Bernoulli(jnp.log(p) - jnp.log1p(-p))
        k = q.logits.shape[-1]
        return type(q)(jnp.log((1 - e) * jax.nn.softmax(q.logits) + e / k))
