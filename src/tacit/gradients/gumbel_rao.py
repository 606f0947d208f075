"""Gumbel-Rao: straight-through Gumbel-softmax, averaged over what the discrete event leaves open."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.gradients._digits import check_temperature, perturbed_given
from tacit.gradients._straight import AbstractStraightThrough, softmax_slope


class GumbelRao(AbstractStraightThrough):
    """`sum_s 1/M sum_m (J(r_sm) / temperature)' df/db_s` with `r = softmax((log q + Gumbel noise) / temperature)`.

    The M = `inner` sets of noise are drawn given that their largest entries are those of b_s, and cost no evaluation.
    M = 1 is the straight-through Gumbel-softmax; any other has the same mean, and a lower variance. **Biased** for q;
    unbiased for the model. For Categorical, Categoricals and Bernoulli latents; the likelihood must have a derivative
    in the event. S evaluations and their derivative. Source: Paulus, Maddison and Krause 2021, equation 8.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import Categorical
    >>> from tacit.gradients import Memory
    >>> estimate = lambda a: GumbelRao(0.5, inner=1000)(
    ...     jax.random.key(0), Categorical(a), lambda q, z: 4.0 * z[1], jnp.mean, 1, None, Memory()
    ... )[0]
    >>> slope = jax.grad(estimate)(jnp.zeros(2))
    >>> bool(slope[1] > 0), round(abs(float(slope.sum())), 4)
    (True, 0.0)
    """

    temperature: float = 0.5
    inner: int = eqx.field(static=True, default=10)

    def __check_init__(self) -> None:
        check_temperature(self.temperature, "GumbelRao")
        if self.inner < 1:
            raise UsageError(f"inner={self.inner!r} is not 1 or more.", where="GumbelRao", mend="Use inner=10.")

    def passed(
        self, key: Key, shares: Float[Array, "d k"], rows: Float[Array, "d k"], slope: Float[Array, "d k"]
    ) -> Float[Array, "d k"]:
        def once(key: Key) -> Float[Array, "d k"]:
            relaxed = jax.nn.softmax(perturbed_given(key, shares, rows) / self.temperature, axis=-1)
            return softmax_slope(relaxed, slope) / self.temperature

        return jax.vmap(once)(jax.random.split(key, self.inner)).mean(axis=0)
