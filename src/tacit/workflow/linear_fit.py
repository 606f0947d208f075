"""The job of a linear-Gaussian model: by one of four procedures, judged on rows that took no part."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from tacit._errors import DataError, UsageError
from tacit.data.batch import Batch
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.evaluation.result import Result, mean_result, paired_difference
from tacit.inference.fit import Progress, quiet
from tacit.models.linear_gaussian import LinearGaussianModel
from tacit.workflow.anomalies import calibrate, pvalues
from tacit.workflow.latent_job import INDEPENDENT, independent
from tacit.workflow.latent_rows import Cells
from tacit.workflow.linear_inference import improve
from tacit.workflow.linear_job import NAME, LinearJob
from tacit.workflow.linear_table import LinearTable


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
        found, bounds, bound, status, starts = improve(data, job, floor, progress)
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
