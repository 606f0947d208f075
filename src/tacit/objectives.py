"""What to maximise: from the log-weights `log p(y, z | x) - log q(z | y, x)` to a bound on `log p(y | x)`."""

from __future__ import annotations

import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Scalar


class Terms(NamedTuple):
    """The three logarithms at one latent event, in nats."""

    likelihood: Scalar  # log p(y | z, x)
    prior: Scalar  # log p(z | x)
    posterior: Scalar  # log q(z | y, x)


class AbstractObjective(eqx.Module):
    """A bound from `num_samples` draws of q, perhaps with the KL divergence from q to the prior in closed form."""

    splits_kl: ClassVar[bool]  # may the KL divergence be taken in closed form?

    @property
    def closed_kl(self) -> bool:
        """Whether it is: then `log_weight` leaves out the two terms it is made of, and `penalty` is subtracted."""
        return False

    @abc.abstractmethod
    def log_weight(self, terms: Terms) -> Scalar:
        """The log-weight of one draw."""

    @abc.abstractmethod
    def combine(self, log_w: Float[Array, " s"]) -> Scalar:
        """The log-weights of all draws of a row as one figure."""

    def penalty(self, kl: Float[Array, " j"]) -> Scalar:
        """What the mean KL divergences over a batch, one a latent factor, cost; used with `closed_kl`."""
        return jnp.sum(kl)


class ELBO(AbstractObjective):
    """The evidence lower bound, `E_q[log p(y|z,x)] - beta KL(q(z|y,x) || p(z|x))`, in nats.

    With `kl="sampled"` the KL divergence is a Monte Carlo average as well; with "closed" it is exact. With `beta`
    other than 1, or with `free_bits` (nats), it is an objective, not a bound on the log-likelihood: the divergence of
    a latent factor, averaged over a batch, then costs at least `free_bits`, so that making it smaller gains nothing
    (Kingma et al. 2016, appendix C.8). Free bits ask for the closed divergence.

    >>> objective = ELBO()
    >>> print(objective.combine(jnp.array([-1.0, -3.0])))
    -2.0
    """

    splits_kl: ClassVar[bool] = True
    beta: float | Scalar = 1.0
    kl: str = eqx.field(static=True, default="sampled")
    free_bits: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        if self.kl not in ("sampled", "closed"):
            raise UsageError(f"kl={self.kl!r} is not known.", where="ELBO", mend="Use 'sampled' or 'closed'.")
        if self.free_bits > 0 and not self.closed_kl:
            what = "free bits are about the divergence of every latent factor, which draws do not give."
            raise UsageError(what, where="ELBO", mend="Use kl='closed' with free_bits.")

    @property
    def closed_kl(self) -> bool:
        return self.kl == "closed"

    def log_weight(self, terms: Terms) -> Scalar:
        if self.closed_kl:
            return terms.likelihood
        return terms.likelihood + self.beta * (terms.prior - terms.posterior)

    def combine(self, log_w: Float[Array, " s"]) -> Scalar:
        return jnp.mean(log_w)

    def penalty(self, kl: Float[Array, " j"]) -> Scalar:
        return self.beta * jnp.sum(jnp.maximum(kl, self.free_bits) if self.free_bits > 0 else kl)


class IWAE(AbstractObjective):
    """The importance-weighted bound, `E log 1/S sum_s p(y, z_s | x) / q(z_s | y, x)`, in nats.

    Source: Burda et al. 2016, equation 8. It never decreases with S, and is the ELBO at S = 1.

    >>> round(float(IWAE().combine(jnp.log(jnp.array([0.1, 0.3])))), 4)
    -1.6094
    """

    splits_kl: ClassVar[bool] = False

    def log_weight(self, terms: Terms) -> Scalar:
        return terms.likelihood + terms.prior - terms.posterior

    def combine(self, log_w: Float[Array, " s"]) -> Scalar:
        return jax.nn.logsumexp(log_w) - jnp.log(log_w.shape[0])
