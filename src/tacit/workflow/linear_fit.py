"""The job of a linear-Gaussian model: by one of four procedures, judged on rows that took no part."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._device import placed
from tacit._errors import DataError, UsageError
from tacit._typing import Key
from tacit.data.batch import Batch
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.distributions import MultivariateNormal
from tacit.evaluation.result import Result, mean_result, paired_difference
from tacit.gradients import StickingTheLanding
from tacit.gradients.cubature import Cubature
from tacit.inference.amortised import Amortised
from tacit.inference.fit import Progress, quiet
from tacit.inference.joint import Joint
from tacit.inference.linear_em import fit_linear
from tacit.inference.local import Local
from tacit.inference.optimizers import Descent
from tacit.models import Constant
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel, WhitenedEncoder
from tacit.models.local import PerRow
from tacit.training import train
from tacit.workflow.anomalies import calibrate, pvalues
from tacit.workflow.latent_job import INDEPENDENT, independent
from tacit.workflow.latent_rows import Cells
from tacit.workflow.linear_end import AHEAD, FEW_PAIRS, climb, held
from tacit.workflow.linear_table import LinearTable

Noise = Literal["isotropic", "diagonal"]
Inference = Literal["em", "local", "amortised", "joint"]
NAME = "linear-gaussian"
SETTLED = 1e-4  # nats a row that exact steps from the end of a training may still gain in a fit called converged
SETTLED_BY_DRAWS = 1e-3  # the same where z was drawn: the last steps still move about the maximum
STEPS = {"em": 10_000, "local": 2000, "amortised": 4000, "joint": 4000}  # where none are asked for
ROWS = 256  # of a batch, where z is sampled


@dataclass(frozen=True)
class LinearJob:
    """What was asked; `n_mc_samples` None takes expectations over q without draws, and all rows a step."""

    n_latents: int = 1
    noise: Noise = "isotropic"
    inference: Inference = "em"
    n_init: int = 5  # starts of what ends at a maximum, with diagonal noise; with isotropic noise there is one
    standardise: bool = True
    n_mc_samples: int | None = None
    phi_steps: int = 1
    learning_rate: float = 0.02
    max_iter: int | None = None
    tol: float = 1e-7
    holdout: float = 0.0
    refit: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("noise", get_args(Noise)), ("inference", get_args(Inference))):
            if getattr(self, name) not in known:
                mend = f"Use one of {', '.join(known)}."
                raise UsageError(f"{getattr(self, name)!r} is not known.", where=name, mend=mend)
        if self.n_latents < 1:
            raise UsageError(f"{self.n_latents} latents.", where="n_latents", mend="Ask for one or more.")
        if self.inference == "em" and self.n_mc_samples is not None:
            raise UsageError("EM draws nothing.", where="n_mc_samples", mend="Leave it out, or use another inference.")

    @property
    def to_the_end(self) -> bool:
        """Whether the procedure ends at a maximum: EM, and joint training without draws."""
        return self.inference == "em" or (self.inference == "joint" and self.n_mc_samples is None)

    @property
    def settled(self) -> float:
        """What a training may leave to be had, nats a row, and is called converged."""
        return SETTLED_BY_DRAWS if self.n_mc_samples else SETTLED

    @property
    def steps(self) -> int:
        """Steps of EM, or epochs of a training and the steps of L-BFGS after it."""
        return STEPS[self.inference] if self.max_iter is None else self.max_iter


@dataclass(frozen=True, eq=False)
class LinearFitted:
    """The model that is kept, and how it came to be; bounds are in nats a row, the user's units."""

    model: LinearTable
    bounds: Float[np.ndarray, " t"]  # mean bound over the training rows, step by step
    bound: float  # at the end, with the q that was trained
    log_likelihood: float  # of the same rows: exact
    status: str
    train: np.ndarray
    heldout: np.ndarray
    figures: tuple[Result, ...]
    differences: tuple[Result, ...]
    refitted: bool
    seconds: float
    starts: tuple[float, ...] = ()  # the bound that each came to, nats a row, where they end at a maximum

    @property
    def gap(self) -> float:
        """`KL(q || p(z | y))`, the mean over the training rows: what the approximation of q costs."""
        return self.log_likelihood - self.bound


def fit_linear_table(schema: Schema, rows: Rows, job: LinearJob, *, progress: Progress = quiet) -> LinearFitted:
    """Fit to all rows but a share that is held out and judges; then, with `job.refit`, to all rows.

    Rows of weight 0 and rows without a cell take no part. Raises `DataError` where too few are left, and
    `UsageError` for more latents than the columns can tell apart.
    """
    began = time.perf_counter()
    counted = np.flatnonzero((rows.weight > 0) & ~np.isnan(rows.y).all(axis=1))
    d = rows.y.shape[1]
    if len(counted) < 2:
        raise DataError(f"{len(counted)} rows with a present cell are too few.", mend="Give two rows or more.")
    if job.n_latents >= d > 1 or job.n_latents > d:
        what = f"{job.n_latents} latents are too many for {d} columns: some noise must be left."
        raise UsageError(what, where="n_latents", mend=f"Use at most {max(d - 1, 1)}.")
    places, heldout = counted, counted[:0]
    if job.holdout:
        group, moment = (None if a is None else a[counted] for a in (rows.group, rows.time))
        inner, outer = hold_out(len(counted), job.holdout, seed=job.seed, group=group, time=moment)
        places, heldout = counted[inner], counted[outer]
    fitted = _fit(schema, rows.take(places), job, progress)
    figures, differences = _figures(fitted.model, rows.take(places), rows.take(heldout)) if len(heldout) else ((), ())
    refitted = bool(job.refit and len(heldout))
    if refitted:
        fitted = _fit(schema, rows.take(counted), job, progress)
    kept = rows.take(counted if refitted else places)
    values = pvalues(fitted.model, kept, job.seed)
    return replace(
        fitted,
        model=replace(fitted.model, calibration=calibrate(values, kept.weight)),
        train=places,
        heldout=heldout,
        figures=figures,
        differences=differences,
        refitted=refitted,
        seconds=time.perf_counter() - began,
    )


def _fit(schema: Schema, rows: Rows, job: LinearJob, progress: Progress) -> LinearFitted:
    """One fit to rows, of which all have a weight."""
    center, scale = _units(schema, rows, job.standardise or job.noise == "diagonal")
    cells = Cells.of(rows.y)
    y = (cells.y - center) / scale
    data = Batch(
        y if cells.observed is None else np.where(cells.observed, y, 0.0), None, cells.observed, rows.weight, None
    )
    floor = (np.array([schema[n].floor / schema[n].scale for n in schema.layout.normal]) / scale) ** 2
    present = ~np.isnan(rows.y)
    jacobian = rows.log_jacobian - present @ np.log(scale)
    with jax.enable_x64(True):
        found, bounds, bound, status, starts = _improve(data, job, floor, progress)
    model = LinearTable.of(schema, _canonical(found, center, scale))
    shift = float(np.average(jacobian, weights=rows.weight))
    log_p = float(np.average(model.log_prob(rows), weights=rows.weight))
    bound = log_p if bound is None else bound + shift
    exact = job.inference == "joint" and cells.observed is None  # then q of a maximum is the posterior
    if exact and status == "converged" and not log_p - bound < max(job.tol, job.settled):
        status = "stalled"
    nobody = np.zeros(0, int)
    reached = tuple(float(value) + shift for value in starts)
    return LinearFitted(model, bounds + shift, bound, log_p, status, nobody, nobody, (), (), False, 0.0, reached)


def _units(schema: Schema, rows: Rows, standardise: bool) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale of the columns in the schema's units: those of the fit, in which isotropic noise is equal."""
    present = ~np.isnan(rows.y)
    mass = rows.weight @ present
    empty = [name for name, m in zip(schema.layout.normal, mass, strict=True) if not m > 0]
    if empty:
        raise DataError("no value is present in this column.", where=empty[0], mend="Leave the column out.")
    mean = rows.weight @ np.where(present, rows.y, 0.0) / mass
    spread = np.sqrt(rows.weight @ np.where(present, rows.y - mean, 0.0) ** 2 / mass)
    floors = np.array([schema[name].floor / schema[name].scale for name in schema.layout.normal])
    spread = np.maximum(spread, floors)
    if standardise:
        return mean, spread
    user = np.array([schema[name].scale for name in schema.layout.normal])
    return mean, np.sqrt(np.mean((spread * user) ** 2)) / user


class _Improved(NamedTuple):
    """The fitted model in standardised units, the mean bound of every step, that at the end, and how it ended.

    The bound at the end is without noise; None stands for log p itself. `starts` are the bounds that all
    starts ended with: of them the best is kept.
    """

    model: LinearGaussianModel
    bounds: Float[np.ndarray, " t"]
    bound: float | None
    status: str
    starts: tuple[float, ...] = ()


def _improve(data: Batch, job: LinearJob, floor: np.ndarray, progress: Progress) -> _Improved:
    """By the procedure that was asked for; no noise variance is below its floor."""
    isotropic = job.noise == "isotropic"
    floor = np.mean(floor, keepdims=True) if isotropic else floor
    keys = jax.random.split(jax.random.key(job.seed))
    n_starts = job.n_init if job.to_the_end and not isotropic else 1
    posterior, procedure = (None, None) if job.inference == "em" else _procedure(job, data)
    found = []
    for i in range(n_starts):
        key = jax.random.fold_in(keys[0], i) if i else keys[0]
        model = LinearGaussianModel.start(key, data.y.shape[1], job.n_latents, isotropic=isotropic)
        if job.inference == "em":
            progress("EM", i, n_starts)
            fit = fit_linear(model, data, floor=floor, max_steps=job.steps, tolerance=job.tol)
            found.append(_Improved(fit.model, fit.bounds, None, _status(fit.converged)))
        else:
            found.append(_by_gradient(model, posterior, procedure, data, job, floor, keys[1], progress))
    progress("the best of the starts", n_starts, n_starts)
    best = max(found, key=lambda one: np.nan_to_num(one.bounds[-1], nan=-np.inf))
    return best._replace(starts=tuple(one.bounds[-1] for one in found) if job.to_the_end else ())


def _by_gradient(
    model: LinearGaussianModel,
    posterior: Any,
    procedure: Any,
    data: Batch,
    job: LinearJob,
    floor: np.ndarray,
    key: Key,
    progress: Progress,
) -> _Improved:
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
        return _Improved(end.model, whole, float(end.bounds[-1]), _status(end.gain <= job.tol))
    ahead = climb(model, q, data, least, most=AHEAD, tolerance=0.0, pairs=FEW_PAIRS)
    return _Improved(held(model, least), bounds, float(ahead.bounds[0]), _status(ahead.gain < job.settled))


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


def _canonical(model: LinearGaussianModel, center: np.ndarray, scale: np.ndarray) -> LinearGaussianModel:
    """The same density in the schema's units, turned so that the latents are independent a posteriori.

    Latents come in the order of what the columns say of them; the largest loading of each is positive.
    """
    decoder = jax.tree.map(lambda a: np.asarray(a, float), model.likelihood)
    white = decoder.weight * np.exp(-decoder.log_scale)[:, None]
    _, _, turn = np.linalg.svd(white, full_matrices=False)
    weight = decoder.weight @ turn.T
    top = weight[np.argmax(np.abs(weight), axis=0), np.arange(weight.shape[1])]
    weight = weight * np.where(top < 0, -1.0, 1.0)
    log_scale = decoder.log_scale + np.log(scale)
    return LinearGaussianModel.of(weight * scale[:, None], center + scale * decoder.bias, log_scale)


def _figures(model: LinearTable, train_rows: Rows, heldout: Rows) -> tuple[tuple[Result, ...], tuple[Result, ...]]:
    """The held-out log-likelihood, exact, beside independent columns, and the difference row by row."""
    over: dict[str, Any] = {"weight": heldout.weight, "groups": heldout.group}
    reference = model.schema.reference()
    own, plain = model.log_prob(heldout), independent(model.schema, train_rows).log_prob(heldout)
    gap = paired_difference(f"{NAME} - {INDEPENDENT}", own, plain, references=(reference, reference), **over)
    first = mean_result(NAME, own, reference=reference, **over)
    return (first, mean_result(INDEPENDENT, plain, reference=reference, **over)), (gap,)
