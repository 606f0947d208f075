"""The job of a deep latent-variable model: train on rows, some of which judge every epoch; say how training ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from tacit._errors import DataError, UsageError
from tacit.data.batch import Batch
from tacit.data.covariates import Covariates
from tacit.data.encode import Rows
from tacit.data.findings import Finding, Severity
from tacit.data.schema import Schema
from tacit.data.split import holdout as hold_out
from tacit.data.table import Table
from tacit.evaluation.latent_use import LatentUse
from tacit.inference.fit import Progress, quiet
from tacit.models import FullNormalLatent, NormalLatent
from tacit.models.deep import REACH
from tacit.training import Fitted, train
from tacit.workflow.latent_alone import against_columns, alone_log_probs
from tacit.workflow.latent_grey import grey_findings
from tacit.workflow.latent_pixels import pixel_findings
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.latent_rows import Cells, within_reach
from tacit.workflow.latent_scale import scale_findings, with_residual_scale
from tacit.workflow.latent_table import LatentTable

_MOST_ROWS = 20_000  # whose codes are looked at
FEWEST = 10  # rows below which none are set aside to judge epochs
USUAL_LATENTS = 8  # of VAE, where nobody chooses


@dataclass(frozen=True)
class FittedLatent:
    """The model that is kept, how its training went, and the places of the rows that trained and that judge."""

    model: LatentTable
    trained: Fitted
    train: np.ndarray
    heldout: np.ndarray
    judged: LatentTable | None  # the model of the training rows, where the kept one is of all rows
    diagnosis: LatentUse
    findings: tuple[Finding, ...]
    seconds: float
    n_rows: int  # that the kept model was trained on, those that judged left out


@dataclass(frozen=True)
class Inputs:
    """The covariates of a conditional model before they are measured: columns of a table, row by row beside y."""

    schema: Schema
    table: Table

    def measured(self, rows: Rows, places: np.ndarray) -> tuple[Covariates, Rows]:
        """The covariates as the rows at these places set them, and all rows with their x."""
        covariates = Covariates.fit(self.schema, self.table, places)
        return covariates, self.beside(rows, covariates)

    def beside(self, rows: Rows, covariates: Covariates) -> Rows:
        """All rows with their x."""
        return replace(rows, x=covariates.encode(self.table).x)


def cut(table: Table, schema: Schema, targets: Sequence[str]) -> tuple[Schema, Inputs]:
    """The targets as what is modelled, and the other modelled columns as covariates.

    Raises `UsageError` for a column that is not there, `DataError` for one that cannot be modelled.
    """
    for name in targets:
        if name not in table.names:
            known = ", ".join(table.names)
            raise UsageError(f"there is no column {name!r}.", where="target", mend=f"The columns are {known}.")
        if name not in schema.names:
            why = next((f" ({one.why})" for one in schema.columns if one.name == name), "")
            mend = f"Say what it holds with --type {name}=real, or choose another target."
            raise DataError(f"cannot be a target as it is read{why}.", where=table.where(column=name), mend=mend)
    roles = ("weight", "group", "time")
    inputs = Schema(tuple(one for one in schema.columns if one.name not in targets and one.role not in roles))
    inputs.check_modelled(table.source)
    return Schema(tuple(one for one in schema.columns if one.name in targets or one.role in roles)), Inputs(
        inputs, table
    )


def fit_latent(
    schema: Schema,
    rows: Rows,
    plan: LatentPlan,
    *,
    inputs: Inputs | None = None,
    holdout: float = 0.0,
    refit: bool = True,
    seed: int = 0,
    progress: Progress = quiet,
) -> FittedLatent:
    """Train on all rows but a share that is held out; then, with `refit`, on all rows.

    Rows of weight 0, and without a cell, take no part. Raises `DataError` where fewer than two are left, `FitError`
    where training comes to something absurd.
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

    def fit(places: np.ndarray) -> tuple[LatentTable, Fitted, tuple[Finding, ...], Rows, int]:
        covariates, given = (None, rows) if inputs is None else inputs.measured(rows, places)
        settings: dict[str, Any] = {"seed": seed, "progress": progress, "covariates": covariates}
        part = given.take(places)
        n = len(part) - len(_set_aside(part, plan.training.validation_fraction, seed))
        return *train_latent(schema, part, plan, **settings), given, n

    model, trained, findings, given, n_rows = fit(places)
    judged = None
    if len(heldout) and refit:
        judged = model
        model, trained, findings, given, n_rows = fit(counted)
    seen = given.take(counted)
    some = seen.take(np.arange(min(len(seen), _MOST_ROWS)))
    diagnosis = LatentUse.of(model.posteriors(some), model.divergences(some), some.weight)
    found = (
        *findings,
        *(_about_equal_rows(seen) or diagnosis.findings()),
        *scale_findings(model, seen),
        *grey_findings(schema),
        *_about_size(plan, schema),
        *pixel_findings(plan, schema),
        *founding_findings(plan, schema, seen),
        *_about_training(trained, len(counted)),
    )
    seconds = time.perf_counter() - began
    return FittedLatent(model, trained, places, heldout, judged, diagnosis, found, seconds, n_rows)


def train_latent(
    schema: Schema,
    rows: Rows,
    plan: LatentPlan,
    *,
    seed: int,
    covariates: Covariates | None = None,
    progress: Progress = quiet,
) -> tuple[LatentTable, Fitted, tuple[Finding, ...]]:
    """One training on these rows; a share of them judges every epoch, and the best parameters are kept."""
    y, findings = within_reach(schema, rows.y, REACH)
    weight = rows.weight / np.mean(rows.weight)  # only ratios matter; the networks' floats are short
    key_build, key_train = jax.random.split(jax.random.key(seed))
    aside = _set_aside(rows, plan.training.validation_fraction, seed)
    n = len(rows) - len(aside)
    model, posterior = plan.build(key_build, schema, y, weight, 0 if rows.x is None else rows.x.shape[1])
    cells = Cells.of(y)
    trained = train(
        model,
        posterior,
        Batch(cells.y, rows.x, cells.observed, weight, None),
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
        checkpoint=None if plan.kept is None else plan.kept.following(),
        progress=progress,
    )
    fitted, encoder = jax.tree.map(np.asarray, (trained.model, trained.posterior))
    table = LatentTable(schema, fitted, encoder, covariates)
    if plan.residual_scale:
        table = with_residual_scale(table, replace(rows, y=y))
    alone = float(np.average(alone_log_probs(schema, y, weight), weights=weight))
    about = *findings, *against_columns(trained, alone, plan), *(covariates.findings if covariates else ())
    return table, trained, about


def _set_aside(rows: Rows, fraction: float, seed: int) -> np.ndarray:
    """Places of the rows that judge epochs; none of few."""
    units = len(rows) if rows.group is None else len(np.unique(rows.group))
    if not fraction or units < FEWEST:
        return np.zeros(0, np.int32)
    return hold_out(len(rows), fraction, seed=seed + 1, group=rows.group, time=rows.time)[1].astype(np.int32)


def _about_equal_rows(rows: Rows) -> tuple[Finding, ...]:
    """A warning where no column varies, as pixels of blank images: the latent then says nothing, and rightly."""
    if np.any(np.fmax.reduce(rows.y) > np.fmin.reduce(rows.y)):
        return ()
    message = "Every column has one value only: rows are all alike, and a latent has nothing to tell of them."
    return (Finding("warning", "equal-rows", message, mend="Give rows that differ."),)


def _about_size(plan: LatentPlan, schema: Schema) -> tuple[Finding, ...]:
    """What is said where the latents are more than the columns that they are to explain.

    A warning of normal ones, of which some then stay unused, where there are more than by default: those somebody
    chose. A code of more bits than columns may be right.
    """
    n, d = getattr(plan.latent, "d", 1), schema.layout.width
    if n <= d:
        return ()
    message = f"{n} latents are more than the {d} columns of a row: some cannot say anything of their own."
    chosen = isinstance(plan.latent, NormalLatent | FullNormalLatent) and n > USUAL_LATENTS
    severity: Severity = "warning" if chosen else "note"
    fewer = f"n_latents={max(d // 2, 1)}"
    return (Finding(severity, "many-latents", message, mend=f"Try fewer: {fewer} (--set {fewer})."),)


def founding_findings(plan: LatentPlan, schema: Schema, rows: Rows) -> tuple[Finding, ...]:
    """A warning where the founding decoder's means, which are sigmoids, cannot reach a column's mean.

    It is known before training, which may run away for that reason.
    """
    if not plan.founding:
        return ()
    means = np.nanmean(rows.y, axis=0)
    outside = [name for name, mean in zip(schema.layout.normal, means, strict=True) if not 0 < mean < 1]
    if not outside:
        return ()
    message = f"The founding decoder's means lie between 0 and 1; those of {', '.join(map(repr, outside[:4]))} do not."
    return (Finding("warning", "out-of-range", message, mend="Bring the columns to between 0 and 1."),)


def _about_training(trained: Fitted, n: int) -> tuple[Finding, ...]:
    found = []
    if trained.skipped:
        message = f"{int(trained.skipped)} gradient steps were not finite and not taken."
        found.append(Finding("warning", "skipped-steps", message, mend="Lower the learning rate."))
    if np.isnan(trained.validation).all():
        message = f"None of the {n} rows was set aside: epochs were judged on the rows of training."
        found.append(Finding("warning", "no-validation", message, mend="Give more rows."))
    return tuple(found)
