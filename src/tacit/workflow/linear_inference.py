"""A linear-Gaussian model by the procedure that was asked for: EM, or steps along the gradient with some q."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._device import placed
from tacit._typing import Key
from tacit.data.batch import Batch
from tacit.distributions import MultivariateNormal
from tacit.gradients import StickingTheLanding
from tacit.gradients.cubature import Cubature
from tacit.inference.amortised import Amortised
from tacit.inference.fit import Progress
from tacit.inference.joint import Joint
from tacit.inference.linear_em import fit_linear
from tacit.inference.local import Local
from tacit.inference.optimizers import Descent
from tacit.models import Constant
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel, WhitenedEncoder
from tacit.models.local import PerRow
from tacit.training import train
from tacit.workflow.linear_end import AHEAD, FEW_PAIRS, climb, held
from tacit.workflow.linear_job import LinearJob

ROWS = 256  # of a batch, where z is sampled


class Improved(NamedTuple):
    """The fitted model in standardised units, the mean bound of every step, that at the end, and how it ended.

    The bound at the end is without noise; None stands for log p itself. `starts` are the bounds that all
    starts ended with: of them the best is kept.
    """

    model: LinearGaussianModel
    bounds: Float[np.ndarray, " t"]
    bound: float | None
    status: str
    starts: tuple[float, ...] = ()


def improve(data: Batch, job: LinearJob, floor: Float[np.ndarray, " d"], progress: Progress) -> Improved:
    """The best of the starts, by the procedure that was asked for; no noise variance is below its floor."""
    isotropic = job.noise == "isotropic"
    floor = np.mean(floor, keepdims=True) if isotropic else floor
    key_model, key_train = jax.random.split(jax.random.key(job.seed))
    n_starts = job.n_init if job.to_the_end and not isotropic else 1
    train_one = _by_em if job.inference == "em" else partial(_by_gradient, *_procedure(job, data), key_train, progress)
    found = []
    for i in range(n_starts):
        progress("start", i, n_starts)
        key = jax.random.fold_in(key_model, i) if i else key_model
        model = LinearGaussianModel.start(key, data.y.shape[1], job.n_latents, isotropic=isotropic)
        found.append(train_one(model, data, job, floor))
    progress("start", n_starts, n_starts)
    best = max(found, key=lambda one: np.nan_to_num(one.bounds[-1], nan=-np.inf))
    return best._replace(starts=tuple(one.bounds[-1] for one in found) if job.to_the_end else ())


def _by_em(model: LinearGaussianModel, data: Batch, job: LinearJob, floor: np.ndarray) -> Improved:
    fit = fit_linear(model, data, floor=floor, max_steps=job.steps, tolerance=job.tol)
    return Improved(fit.model, fit.bounds, None, _status(fit.converged))


def _by_gradient(
    posterior: Any,
    procedure: Any,
    key: Key,
    progress: Progress,
    model: LinearGaussianModel,
    data: Batch,
    job: LinearJob,
    floor: np.ndarray,
) -> Improved:
    """By steps of Adam; joint training without draws goes on from their end to the maximum, by L-BFGS."""
    n = len(data.y)
    batch = n if job.n_mc_samples is None else min(ROWS, n)
    epochs = max(job.steps // 4, 1) if job.to_the_end else job.steps
    of_model, of_q = (Descent(job.learning_rate, decay_steps=s) for s in _steps_of_parts(job, epochs * -(-n // batch)))
    trained = train(
        model,
        posterior,
        data,
        key=key,
        gradient=Cubature() if job.n_mc_samples is None else StickingTheLanding(),
        num_samples=job.n_mc_samples or 1,
        optimizer=(of_model, of_q),
        procedure=procedure,
        batch_size=batch,
        max_epochs=epochs,
        progress=progress,
    )
    bounds = np.asarray(trained.training, float)
    model, q = jax.tree.map(jnp.asarray, (trained.model, trained.posterior))
    least = placed(floor)
    if job.to_the_end:
        end = climb(model, q, data, least, most=job.steps - epochs, tolerance=job.tol, progress=progress)
        whole = np.append(bounds[:-1], end.bounds)  # of Adam's last step the bound in double precision
        return Improved(end.model, whole, float(end.bounds[-1]), _status(end.gain <= job.tol))
    ahead = climb(model, q, data, least, most=AHEAD, tolerance=0.0, pairs=FEW_PAIRS)
    return Improved(held(model, least), bounds, float(ahead.bounds[0]), _status(ahead.gain < job.settled))


def _status(converged: bool) -> str:
    return "converged" if converged else "ran out of steps"


def _steps_of_parts(job: LinearJob, steps: int) -> tuple[float, float]:
    """How many of the steps are the model's, and how many those of q (of each row, where it has its own)."""
    if job.inference == "joint":
        return steps, steps
    if job.inference == "local":
        return steps, float(job.steps * job.phi_steps)
    return steps / (job.phi_steps + 1), steps * job.phi_steps / (job.phi_steps + 1)


def _procedure(job: LinearJob, data: Batch) -> tuple[Any, Any]:
    """The posterior to train, and the procedure that trains it."""
    n, d = data.y.shape
    if job.inference == "local":
        start = Constant(MultivariateNormal(jnp.zeros(job.n_latents), jnp.zeros((job.n_latents, job.n_latents))))
        rows = PerRow.of(start, n_rows=n, sample=(jnp.zeros(d), None))
        return rows, partial(Local, phi_steps=job.phi_steps)
    encoder = LinearEncoder.zeros(d, job.n_latents)
    if job.inference == "joint":
        return WhitenedEncoder.of(encoder, data.y, data.weight), Joint
    return encoder, partial(Amortised, phi_steps=job.phi_steps)
