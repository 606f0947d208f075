"""Metrics of `train`: the variance of a gradient estimator along a training run."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.gradients import AbstractGradient, Memory
from tacit.gradients.compare import gradient_in_q
from tacit.objectives import ELBO, AbstractObjective, Terms
from tacit.training.epochs import Metric


def gradient_variance(
    estimator: AbstractGradient,
    *,
    objective: AbstractObjective | None = None,
    num_samples: int = 1,
    n_draws: int = 100,
    memory: Memory | None = None,
) -> Metric:
    """A metric of `train`: the variance of an estimated gradient in the parameters of q, summed over them.

    It is that of one row, unbiased, from `n_draws` gradients: `train` takes its mean over the validation rows after
    every epoch, whatever estimator the training itself uses. Arrays that the estimator trains are those of `memory`;
    one that keeps running figures is warmed up on the row for as many draws.

    Raises `UsageError` for fewer than two draws.

    >>> from tacit.gradients import LeaveOneOut
    >>> from tacit.training import gradient_variance
    >>> metric = gradient_variance(LeaveOneOut(), num_samples=2)
    >>> # train(model, posterior, data, ..., validation=rows, metrics={"leave-one-out": metric}).metrics
    """
    if n_draws < 2:
        raise UsageError(f"n_draws={n_draws} has no variance.", where="gradient_variance", mend="Use 100 or so.")
    chosen = objective or ELBO()

    def metric(key: Key, model: Any, posterior: Any, y: Array, x: Any) -> Scalar:
        q, context = posterior((y, x)), model.context(x)
        prior = model.prior(context)
        start = jax.tree.map(lambda a: a[None], (y, x))
        sized = estimator.sized(q)
        own = memory or sized.init(jax.random.fold_in(key, 0), start)

        def log_weight(q: Any, z: Array) -> Scalar:
            likelihood = model.log_likelihood(z, context, y)
            return chosen.log_weight(Terms(likelihood, prior.log_prob(z), q.log_prob(z)))

        def warm(running: Any, key: Key) -> tuple[Any, None]:
            memory = Memory(own.trained, running)
            return sized(key, q, log_weight, chosen.combine, num_samples, (y, x), memory)[1], None

        def one(key: Key, running: Any) -> Array:
            memory = Memory(own.trained, running)
            return gradient_in_q(key, sized, q, log_weight, chosen.combine, num_samples, (y, x), memory)

        running = own.running
        if running is not None:
            running, _ = jax.lax.scan(warm, running, jax.random.split(jax.random.fold_in(key, 1), n_draws))
        keys = jax.random.split(jax.random.fold_in(key, 2), n_draws)
        seen = jax.vmap(lambda key: one(key, running))(keys)
        return jnp.sum(jnp.var(seen, axis=0, ddof=1))

    return metric
