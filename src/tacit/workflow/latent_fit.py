"""The job of a deep latent-variable model: train on rows, some of which judge every epoch; say how training ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import jax
import numpy as np

from tacit._errors import DataError
from tacit.data.batch import Batch
from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.inference.fit import Progress, quiet
from tacit.models.deep import REACH
from tacit.training import Fitted, train
from tacit.workflow.latent_diagnosis import Diagnosis, diagnose
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.latent_rows import Cells, within_reach
from tacit.workflow.latent_scale import scale_findings, with_residual_scale
from tacit.workflow.latent_table import LatentTable

FEWEST = 10  # rows below which none are set aside to judge epochs


@dataclass(frozen=True)
class FittedLatent:
    """The model that is kept, how its training went, and the places of the rows that trained and that judge."""

    model: LatentTable
    trained: Fitted
    train: np.ndarray
    heldout: np.ndarray
    judged: LatentTable | None  # the model of the training rows, where the kept one is of all rows
    diagnosis: Diagnosis
    findings: tuple[Finding, ...]
    seconds: float


def fit_latent(
    schema: Schema,
    rows: Rows,
    plan: LatentPlan,
    *,
    holdout: float = 0.0,
    refit: bool = True,
    seed: int = 0,
    progress: Progress = quiet,
) -> FittedLatent:
    """Train on all rows but a share that is held out; then, with `refit`, on all rows.

    Rows of weight 0, and without a cell, take no part. Raises `DataError` where fewer than two are left.
    """
    began = time.perf_counter()
    counted = np.flatnonzero((rows.weight > 0) & ~np.isnan(rows.y).all(axis=1))
    if len(counted) < 2:
        what = f"{len(counted)} rows with a present cell are too few to learn from."
        raise DataError(what, mend="Give two rows or more.")
    places, heldout = counted, counted[:0]
    if holdout:
        group, moment = (None if a is None else a[counted] for a in (rows.group, rows.time))
        inner, outer = hold_out(len(counted), holdout, seed=seed, group=group, time=moment)
        places, heldout = counted[inner], counted[outer]
    model, trained, findings = train_latent(schema, rows.take(places), plan, seed=seed, progress=progress)
    judged = None
    if len(heldout) and refit:
        judged = model
        model, trained, findings = train_latent(schema, rows.take(counted), plan, seed=seed, progress=progress)
    diagnosis = diagnose(model, rows.take(counted))
    found = (
        *findings,
        *diagnosis.findings(),
        *scale_findings(model, rows.take(counted)),
        *_about_training(trained, len(counted)),
    )
    return FittedLatent(model, trained, places, heldout, judged, diagnosis, found, time.perf_counter() - began)


def train_latent(
    schema: Schema, rows: Rows, plan: LatentPlan, *, seed: int, progress: Progress = quiet
) -> tuple[LatentTable, Fitted, tuple[Finding, ...]]:
    """One training on these rows; a share of them judges every epoch, and the best parameters are kept."""
    y, findings = within_reach(schema, rows.y, REACH)
    weight = rows.weight / np.mean(rows.weight)  # only ratios matter; the networks' floats are short
    key_build, key_train = jax.random.split(jax.random.key(seed))
    aside = _set_aside(rows, plan.training.validation_fraction, seed)
    n = len(rows) - len(aside)
    model, posterior = plan.build(key_build, schema, y, weight)
    cells = Cells.of(y)
    trained = train(
        model,
        posterior,
        Batch(cells.y, None, cells.observed, weight, None),
        key=key_train,
        objective=plan.objective,
        gradient=plan.gradient,
        optimizer=plan.training.descent(n),
        num_samples=plan.num_samples,
        batch_size=plan.training.batch(n),
        max_epochs=plan.training.epochs(n),
        patience=plan.training.patience,
        procedure=plan.procedure(n),
        validation=aside,
        progress=progress,
    )
    table = LatentTable(schema, *jax.tree.map(np.asarray, (trained.model, trained.posterior)))
    if plan.residual_scale:
        table = with_residual_scale(table, replace(rows, y=y))
    return table, trained, findings


def _set_aside(rows: Rows, fraction: float, seed: int) -> np.ndarray:
    """Places of the rows that judge epochs; none of few."""
    units = len(rows) if rows.group is None else len(np.unique(rows.group))
    if not fraction or units < FEWEST:
        return np.zeros(0, np.int32)
    return hold_out(len(rows), fraction, seed=seed + 1, group=rows.group, time=rows.time)[1].astype(np.int32)


def _about_training(trained: Fitted, n: int) -> tuple[Finding, ...]:
    found = []
    if trained.skipped:
        message = f"{int(trained.skipped)} gradient steps were not finite and not taken."
        found.append(Finding("warning", "skipped-steps", message, mend="Lower the learning rate."))
    if np.isnan(trained.validation).all():
        message = f"None of the {n} rows was set aside: epochs were judged on the rows of training."
        found.append(Finding("warning", "no-validation", message, mend="Give more rows."))
    return tuple(found)
