"""The Concrete distribution: a relaxed category on the simplex, told by the logarithms of its shares."""

from __future__ import annotations

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.distributions._base import AbstractReparameterised
from tacit.distributions.categorical import Categorical


class Concrete(AbstractReparameterised):
    """A relaxed category; **the event is u = log z** (k,), with z on the simplex, so LSE(u) = 0.

    `u = log_softmax((logits + Gumbel noise) / tau)`. With `a_k = log pi_k - tau u_k`,

        log kappa(u) = log (K-1)! + (K-1) log tau + sum_k a_k - K LSE(a)

    is `log_prob`, in nats: the density in the log-ratio coordinates `u_k - u_K`, k < K (Maddison, Mnih and Teh 2017,
    ExpConcrete). It is bounded, where the density of z itself, `simplex_log_prob`, may not be. The Jacobian between
    the two cancels in every difference of log densities at one event. Where a share is 0 (u = -inf) kappa is 0.

    Fields: `logits` (k,), `log pi` up to a constant; `log_temperature` (), `log tau`.

        >>> relaxed = Concrete.of(jnp.log(jnp.array([0.2, 0.3, 0.5])), 0.5)
        >>> u = relaxed.sample(jax.random.key(0))
        >>> u.shape, round(abs(float(jax.nn.logsumexp(u))), 5)
        ((3,), 0.0)
        >>> round(float(relaxed.log_prob(jnp.log(jnp.array([0.2, 0.3, 0.5])))), 4)
        -4.0419
    """

    logits: Float[Array, "*m k"]
    log_temperature: Float[Array, "*m"]

    @classmethod
    def of(cls, logits: Float[Array, "*m k"], temperature: Any) -> Self:
        """From a temperature instead of its logarithm.

        Raises `UsageError` where a temperature is not positive and finite (unless it is traced: then it is NaN).
        """
        if not isinstance(temperature, jax.core.Tracer):
            given = np.asarray(temperature)
            if not (np.isfinite(given) & (given > 0)).all():
                what = f"the temperature of a Concrete distribution is {temperature}, which is not a positive number."
                raise UsageError(what, where="Concrete.of", mend="Temperatures of .1 to 2 are usual.")
        logits = jnp.asarray(logits)
        return cls(logits, jnp.log(jnp.asarray(temperature, logits.dtype)))

    @property
    def temperature(self) -> Float[Array, "*m"]:
        """tau, which divides: small ones are near the corners of the simplex."""
        return jnp.exp(self.log_temperature)

    def sample(self, key: Key) -> Float[Array, " k"]:
        noise = jax.random.gumbel(key, self.logits.shape, self.logits.dtype)
        return jax.nn.log_softmax((self.logits + noise) / self.temperature)

    def log_prob(self, event: Float[Array, " k"]) -> Scalar:
        k = self.logits.shape[-1]
        inside = jnp.all(event > -jnp.inf)
        u = jnp.where(inside, event, 0.0)
        # sum_k a_k - K LSE(a), without the difference of two large numbers
        shares = jnp.sum(jax.nn.log_softmax(jax.nn.log_softmax(self.logits) - self.temperature * u))
        return jnp.where(inside, gammaln(k) + (k - 1) * self.log_temperature + shares, -jnp.inf)

    def simplex_log_prob(self, event: Float[Array, " k"]) -> Scalar:
        """Log density of z = exp(u) in its first k - 1 coordinates, in nats: `log kappa(u) - sum_k u_k`.

        NaN where a share is 0: there kappa is 0 and the Jacobian infinite.
        """
        return self.log_prob(event) - jnp.sum(event)

    def discretised(self) -> Categorical:
        """The distribution of the largest share's place: `softmax(logits)` at every temperature."""
        return Categorical(self.logits)
