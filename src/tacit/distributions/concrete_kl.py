"""The divergence between two Concrete distributions in closed form: one integral, no draws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import digamma

from tacit._errors import UsageError
from tacit._typing import Scalar
from tacit.distributions._gumbel_sums import expected_log_sum
from tacit.distributions.concrete import Concrete


def concrete_kl(q: Concrete, p: Concrete) -> Scalar:
    """`KL(q || p) = E_q[log q(u) - log p(u)]` in nats, for any two temperatures.

    With rho = tau_p / tau_q, `l_k = log pi_k - rho log gamma_k` (gamma of q, pi of p, both normalised) and independent
    `E_k ~ Exp(1)`,

        KL = -(K-1) log rho - K gamma_E (1 - rho) - K psi(K) - sum_k l_k + K E log sum_k e^{l_k} E_k^rho

    where gamma_E is Euler's constant and psi the digamma function; the expectation is a sum over a grid. Measured
    over K = 2 to 20 and temperatures .1 to 2, with R the range of l: error of the value below `3e-6 K (1 + R)` in
    float32 and `1e-9 K (1 + R)` in float64; of derivatives in logits and log temperatures, relative to the largest,
    3e-5 and 3e-7.

    It is at least the divergence of the two `discretised` categories and grows without bound as q gets confident.
    Under `jax.vmap` rows that share the temperatures share the table of the integral: map over the rows inside which
    the distributions are made, or give the temperatures no batch axis.

    Raises `UsageError` where the numbers of states differ.

        >>> q = Concrete.of(jnp.log(jnp.array([0.9, 0.05, 0.05])), 0.66)
        >>> p = Concrete.of(jnp.zeros(3), 0.5)
        >>> round(float(concrete_kl(q, p)), 3)
        1.127
    """
    k = q.logits.shape[-1]
    if p.logits.shape[-1] != k:
        what = f"q has {k} states and p has {p.logits.shape[-1]}."
        raise UsageError(what, where="concrete_kl", mend="Give both the same number of states.")
    log_rho = p.log_temperature - q.log_temperature
    rho = jnp.exp(log_rho)
    weights = jax.nn.log_softmax(p.logits) - rho * jax.nn.log_softmax(q.logits)
    weights -= jax.lax.stop_gradient(jnp.max(weights))  # KL does not change with a common factor: keep the terms small
    constant = -(k - 1) * log_rho - k * np.euler_gamma * (1 - rho) - k * float(digamma(k))
    return constant + k * expected_log_sum(weights, rho) - jnp.sum(weights)
