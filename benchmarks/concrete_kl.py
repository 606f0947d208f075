"""The closed divergence between Concretes: against 1e6 draws, and the noise of its gradient at equal time.

Asked: within 5 standard errors of 1e6 draws for K = 2, 5, 20 and temperatures .1 to 2; finite gradients. Whatever is
found: the wall time of a value and gradient of 256 rows in float32, and the noise of the gradient in q's logits at
equal time: the standard deviation of the sampled one, with as many draws as fit, and the error of the closed one in
float32 against float64, which has no draws and so no variance.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from benchmarks._common import best_of, report
from tacit.distributions import Concrete, concrete_kl

TAUS = (0.1, 0.5, 1.0, 2.0)
STATES, DRAWS, BATCH = (2, 5, 20), 1_000_000, 256


def log_kappa(u: np.ndarray, logits: np.ndarray, tau: float) -> np.ndarray:
    k = len(logits)
    a = scipy.special.log_softmax(logits) - tau * u
    constant = scipy.special.gammaln(k) + (k - 1) * np.log(tau)
    return constant + a.sum(-1) - k * scipy.special.logsumexp(a, axis=-1)


def by_draws(rng: np.random.Generator, q: np.ndarray, tau_q: float, p: np.ndarray, tau_p: float) -> tuple[float, float]:
    total, squares = 0.0, 0.0
    for _ in range(10):
        u = scipy.special.log_softmax((q + rng.gumbel(size=(DRAWS // 10, len(q)))) / tau_q, axis=1)
        terms = log_kappa(u, q, tau_q) - log_kappa(u, p, tau_p)
        total, squares = total + terms.sum(), squares + (terms**2).sum()
    mean = total / DRAWS
    return mean, np.sqrt((squares / DRAWS - mean**2) / DRAWS)


def closed(q: Any, log_tau_q: Any, p: Any, log_tau_p: Any) -> Any:
    """Mean over rows."""
    one = lambda q, p: concrete_kl(Concrete(q, log_tau_q), Concrete(p, log_tau_p))  # noqa: E731
    return jnp.mean(jax.vmap(one)(q, p))


def sampled(q: Any, log_tau_q: Any, p: Any, log_tau_p: Any, keys: Any) -> Any:
    """Mean over rows and draws; `keys` is (draws, rows)."""

    def one(q: Any, p: Any, key: Any) -> Any:
        q, p = Concrete(q, log_tau_q), Concrete(p, log_tau_p)
        u = q.sample(key)
        return q.log_prob(u) - p.log_prob(u)

    return jnp.mean(jax.vmap(lambda keys: jax.vmap(one)(q, p, keys))(keys))


CLOSED = jax.jit(jax.value_and_grad(closed, (0, 1, 2, 3)))
SAMPLED = jax.jit(jax.value_and_grad(sampled, (0, 1, 2, 3)))


def seconds(function: Any, *arguments: Any) -> float:
    jax.block_until_ready(function(*arguments))
    return best_of(lambda: jax.block_until_ready(function(*arguments)), 30)


def draws_in(limit: float, four: tuple[Any, ...]) -> tuple[int, float]:
    """As many draws a row as take no longer than the limit, and at least one."""
    draws, keys = 1, jax.random.split(jax.random.key(0), (1, BATCH))
    took = seconds(SAMPLED, *four, keys)
    while draws < 64:
        more = jax.random.split(jax.random.key(0), (2 * draws, BATCH))
        longer = seconds(SAMPLED, *four, more)
        if longer > limit:
            break
        draws, took = 2 * draws, longer
    return draws, took


def main() -> None:
    rows, rng = [], np.random.default_rng(0)
    for k in STATES:
        q, p = rng.normal(0, 1.5, (BATCH, k)), rng.normal(0, 1.5, (BATCH, k))
        single = (jnp.float32(q), jnp.float32(np.log(0.66)), jnp.float32(p), jnp.float32(np.log(0.5)))
        limit = seconds(CLOSED, *single)
        draws, took = draws_in(limit, single)
        for tau_q in TAUS:
            for tau_p in TAUS:
                mean, error = by_draws(rng, q[0], tau_q, p[0], tau_p)
                with jax.enable_x64(True):
                    exact = jax.tree.map(np.asarray, CLOSED(q, np.log(tau_q), p, np.log(tau_p))[1][0])
                    value = float(concrete_kl(Concrete.of(q[0], tau_q), Concrete.of(p[0], tau_p)))
                four = (single[0], jnp.float32(np.log(tau_q)), single[2], jnp.float32(np.log(tau_p)))
                found = CLOSED(*four)
                keys = jax.random.split(jax.random.key(1), (100, draws, BATCH))
                noisy = np.stack([SAMPLED(*four, some)[1][0] for some in keys])
                size = np.sqrt(np.mean(exact**2))
                finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
                rows.append({
                    "K": k, "tau_q": tau_q, "tau_p": tau_p, "closed": value, "1e6 draws": mean,
                    "standard errors apart": abs(value - mean) / error, "within 5": bool(abs(value - mean) < 5 * error),
                    "gradient finite": bool(finite), "ms closed": 1e3 * limit, "ms sampled": 1e3 * took,
                    "draws in the time": draws, "noise of sampled gradient": float(np.sqrt(noisy.var(0).mean()) / size),
                    "error of closed gradient": float(np.sqrt(np.mean((found[1][0] - exact) ** 2)) / size),
                })  # fmt: skip
                print(rows[-1], flush=True)
    note = (
        "Noise and error are root mean squares over rows and logits of q, relative to that of the gradient. Times are "
        "of a value and gradient of 256 rows in float32 at temperatures .66 and .5; draws are those that fit in the "
        "closed form's time, by doubling, at least one."
    )
    report("concrete_kl", rows, note)


if __name__ == "__main__":
    main()
