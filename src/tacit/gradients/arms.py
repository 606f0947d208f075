"""ARMS: several draws that avoid each other."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions import AbstractDistribution
from tacit.gradients._base import AbstractGradient, Combine, LogWeight, Memory
from tacit.gradients._digits import along, log_shares, reward_of, valued
from tacit.gradients._score import check_discrete

stop = jax.lax.stop_gradient


class Arms(AbstractGradient):
    """`1/(n (n-1)) sum_{i != j} 1/2 (f_i - f_j) (b_i - b_j) / (1 - rho)` in the logit of a bit, from n coupled draws.

    Each draw has the distribution of q, and any two are correlated by rho < 0: the bits come from the Dirichlet
    copula. n = `draws`; two are antithetic, `DisARM`. A digit of k states is k - 1 bits, "is it
    this state, given that it is none of those before?"; bits that neither of two draws asks are left out. S sets of
    draws, `n S` evaluations; f is the objective as a function of one draw, the others of its kind held fixed, averaged
    over the kinds. Unbiased. No variance in q where q is the exact posterior. For Categorical, Categoricals and
    Bernoulli latents. Source: Dimitriev and Zhou 2021, equations 9 and 13; Dong, Mnih and Tucker 2021 for the bits.

    >>> from tacit.distributions import Bernoulli
    >>> estimate = lambda a: Arms(4)(
    ...     jax.random.key(0), Bernoulli(a), lambda q, z: jnp.sum(z) - q.log_prob(z), jnp.mean, 1, None, Memory()
    ... )[0]
    >>> print(jnp.abs(jax.grad(estimate)(jnp.ones(2))).round(4))  # logits of 1 are the posterior
    [0. 0.]
    """

    unbiased: ClassVar[bool] = True
    draws: int = eqx.field(static=True, default=4)

    def __check_init__(self) -> None:
        if self.draws < 2:
            raise UsageError(f"draws={self.draws!r} is not 2 or more.", where="Arms", mend="Use draws=4.")

    def check(self, q: AbstractDistribution, num_samples: int) -> None:
        check_discrete(q, "Arms")

    def evaluations(self, q: Any, num_samples: int) -> int:
        return self.draws * num_samples

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
        reward, logits = reward_of(q, log_weight), bit_logits(log_shares(q))
        keys = jax.random.split(key, num_samples)
        bits, rho = jax.vmap(lambda key: coupled_bits(key, stop(logits), self.draws), out_axes=(1, None))(keys)
        asked = jnp.cumprod(jnp.concatenate([jnp.ones_like(bits[..., :1]), 1 - bits], axis=-1), axis=-1)
        rows = asked * jnp.concatenate([bits, jnp.ones_like(bits[..., :1])], axis=-1)  # (n, s, d, k), one-hot
        log_w = jax.vmap(jax.vmap(reward))(rows)
        fixed = stop(log_w)

        def kind(own: Float[Array, " s"]) -> Float[Array, "s n"]:
            """The objective of the draws of one kind, with draw s replaced by each of its set."""
            swapped = lambda s: jax.vmap(lambda value: combine(own.at[s].set(value)))(fixed[:, s])  # noqa: E731
            return jax.vmap(swapped)(jnp.arange(num_samples))

        f = jax.vmap(kind)(fixed).mean(axis=0)  # (s, n)
        either = jnp.maximum(asked[:, None, ..., :-1], asked[None, ..., :-1])  # (n, n, s, d, k - 1)
        gaps = (f.T[:, None] - f.T[None])[..., None, None] * (bits[:, None] - bits[None]) * either
        slope = 0.5 * gaps.sum(axis=(0, 1, 2)) / (1 - rho) / (self.draws * (self.draws - 1))
        # q itself in the log-weights, as in `own_slope`, one kind at a time
        shares = 1 / num_samples - jax.vmap(jax.grad(combine))(fixed)
        own = jnp.einsum("ns,nsdk->dk", shares, rows) / self.draws
        value = jax.vmap(combine)(log_w).mean()
        return valued(value, value + along((logits, log_shares(q)), (slope, own))), memory.running


def bit_logits(shares: Float[Array, "d k"]) -> Float[Array, "d j"]:
    """`log q_j - log sum_{i > j} q_i`: the logit of state j, given that it is none of those before."""
    return shares[:, :-1] - jax.lax.cumlogsumexp(shares, axis=1, reverse=True)[:, 1:]


def coupled_bits(key: Key, logits: Float[Array, "d j"], n: int) -> tuple[Float[Array, "n d j"], Float[Array, "d j"]]:
    """n draws of every bit from the Dirichlet copula, and the correlation of any two of them.

    With `x ~ Dirichlet(1, ..., 1)` the variables `(1 - x_i)^(n-1)` are uniform. The rarer value of a bit, of
    probability t, is where that is below t; two of them coincide with probability `max(0, 2 t^(1/(n-1)) - 1)^(n-1)`.
    """
    e = jax.random.exponential(key, (n, *logits.shape), logits.dtype)
    others = jnp.tensordot(1 - jnp.eye(n, dtype=e.dtype), e, axes=1)
    log_t = jax.nn.log_sigmoid(-jnp.abs(logits))
    rarer = ((n - 1) * (jnp.log(others) - jnp.log(e.sum(axis=0))) < log_t).astype(e.dtype)
    t = jnp.exp(log_t)
    together = jnp.maximum(0.0, 2 * jnp.exp(log_t / (n - 1)) - 1) ** (n - 1)
    rho = (together / jnp.maximum(t, jnp.finfo(t.dtype).tiny) - t) / (1 - t)
    return jnp.where(logits <= 0, rarer, 1 - rarer), rho
