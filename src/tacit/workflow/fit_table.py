"""The main job: choose, fit, say what the fit is worth on rows that took no part, refit on all rows, describe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from tacit._errors import DataError
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.split import folds as deal_folds
from tacit.data.split import holdout as hold_out
from tacit.evaluation.result import Result, mean_result, paired_difference
from tacit.evaluation.selection import Method, Selection, sweep
from tacit.inference import em
from tacit.inference.fit import Fit, Member, Progress, Settings, quiet
from tacit.inference.population import fit_population, refine
from tacit.inference.source import Source
from tacit.models import FiniteMixture
from tacit.workflow.anomalies import calibrate, pvalues
from tacit.workflow.segments import adjusted_rand, merge
from tacit.workflow.table_mixture import TableMixture, family, regularisation

BASELINES = {"one Gaussian": False, "independent columns": True}  # name -> independent columns?


@dataclass(frozen=True)
class Job:
    """What was asked: sizes to try, how to choose, what share to hold out, and the seed of everything random."""

    ks: tuple[int, ...] = tuple(range(1, 11))
    select: Method = "density"
    holdout: float = 0.2
    n_folds: int = 5
    seed: int = 0
    refit: bool = True
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class FittedTable:
    """The model, and everything that is known about how it came to be and what it is worth."""

    model: TableMixture
    fit: Fit  # of the model that is kept
    selection: Selection
    train: np.ndarray  # places of the rows that chose and were fitted
    heldout: np.ndarray  # places of the rows that gave the figures
    figures: list[Result]  # held out: the mixture, then the baselines
    differences: list[Result]  # the mixture less each baseline, row by row
    agreement: float | None  # adjusted Rand index of the segments between finished starts
    refitted: bool
    seconds: float


def fit_table(schema: Schema, rows: Rows, job: Job, *, progress: Progress = quiet) -> FittedTable:
    """Fit a mixture to the rows of a table, by rows that choose and other rows that judge.

    The number of components is chosen by cross-validation (or ICL) inside the training rows; the held-out rows are
    read once, for the figures; then, with `job.refit`, the kept model goes on from the training one over all rows.

    Raises `DataError` where there are too few rows to do so.
    """
    began = time.perf_counter()
    counted = np.flatnonzero((rows.weight > 0) & ~np.isnan(rows.y).all(axis=1))
    _check_size(len(counted), job)
    train, heldout = counted, counted[:0]
    if job.holdout:
        group, moment = (None if a is None else a[counted] for a in (rows.group, rows.time))
        inner, outer = hold_out(len(counted), job.holdout, seed=job.seed, group=group, time=moment)
        train, heldout = counted[inner], counted[outer]
    chosen_on = rows.take(train)
    key = jax.random.key(job.seed)
    selection = _choose(schema, chosen_on, job, key, progress)
    judged = TableMixture(schema, selection.fit.mixture)
    figures, differences = _figures(judged, chosen_on, rows.take(heldout), job, key) if len(heldout) else ([], [])

    fit, kept_rows = selection.fit, chosen_on
    refitted = bool(job.refit and len(heldout))
    if refitted:
        kept_rows = rows.take(counted)
        fit = _refit(schema, kept_rows, fit, job, progress)
    model = TableMixture(schema, _largest_first(fit.mixture))
    progress("calibrating anomalies", 0, 1)
    model = replace(model, calibration=calibrate(pvalues(model, kept_rows, job.seed), kept_rows.weight))
    if selection.n_segments is not None:
        r = np.exp(model.log_responsibilities(kept_rows))
        model = replace(model, segments=merge(r, kept_rows.weight, selection.n_segments))
    agreement = _agreement(schema, chosen_on, selection.candidate.starts, selection.n_segments)
    progress("calibrating anomalies", 1, 1)
    seconds = time.perf_counter() - began
    return FittedTable(model, fit, selection, train, heldout, figures, differences, agreement, refitted, seconds)


def _check_size(n: int, job: Job) -> None:
    least = 2 if len(job.ks) == 1 and not job.holdout else 2 * job.n_folds
    if n < max(least, min(job.ks)):
        raise DataError(
            f"{n} rows with a present cell are too few for this fit.",
            mend=f"Give at least {max(least, min(job.ks))} rows, or ask for fewer components without a held-out part.",
        )


def _choose(schema: Schema, rows: Rows, job: Job, key: Any, progress: Progress) -> Selection:
    n = len(rows.y)
    ks = [k for k in job.ks if k <= max(n // 2, 1)] or [min(job.ks)]
    dealt = None
    if len(ks) > 1 and job.select == "density":
        dealt = deal_folds(n, job.n_folds, seed=job.seed + 1, group=rows.group, time=rows.time)
    return sweep(
        rows.y,
        family(schema),
        ks,
        regularisation(schema),
        job.settings,
        key=key,
        weight=rows.weight,
        folds=dealt,
        groups=rows.group,
        method=job.select,
        offset=rows.log_jacobian,
        progress=progress,
    )


def _figures(model: TableMixture, train: Rows, heldout: Rows, job: Job, key: Any) -> tuple[list[Result], list[Result]]:
    """Held-out log-likelihoods of the mixture and of the plain baselines, and the differences row by row."""
    over: dict[str, Any] = {"weight": heldout.weight, "groups": heldout.group}
    reference = model.schema.reference()
    own = model.log_prob(heldout)
    name = f"mixture of {model.mixture.n_components}"
    figures, differences = [mean_result(name, own, reference=reference, **over)], []
    for baseline, independent in BASELINES.items():
        template = family(model.schema, independent=independent)
        with jax.enable_x64(True):
            source = Source(train.y, train.weight[:, None], pattern_columns=template.pattern_columns)
            once = fit_population(source, template, [Member(1)], regularisation(model.schema), job.settings, key=key)
        other = replace(model, mixture=once[0][0].mixture).log_prob(heldout)
        figures.append(mean_result(baseline, other, reference=reference, **over))
        differences.append(
            paired_difference(f"{name} - {baseline}", own, other, references=(reference, reference), **over)
        )
    return figures, differences


def _refit(schema: Schema, rows: Rows, fit: Fit, job: Job, progress: Progress) -> Fit:
    """EM over all rows, from the training solution, so that the model kept is the one that was judged, sharpened."""
    template = family(schema)
    with jax.enable_x64(True):
        source = Source(rows.y, rows.weight[:, None], pattern_columns=template.pattern_columns)
        stacked = jax.tree.map(lambda a: a[None], fit.mixture.components)
        population = em.Population(fit.mixture.log_weights[None], stacked, np.zeros(1, int))
        return refine(source, population, regularisation(schema), job.settings, progress=progress)[0]


def _largest_first(mixture: FiniteMixture) -> FiniteMixture:
    """The same mixture; component 1 is then the largest wherever components are numbered."""
    order = np.argsort(-mixture.log_weights, kind="stable")
    return FiniteMixture.of(mixture.log_weights[order], jax.tree.map(lambda a: a[order], mixture.components))


def _agreement(schema: Schema, rows: Rows, starts: Sequence[Fit], n_segments: int | None) -> float | None:
    """Mean adjusted Rand index between what the best start and the other finished ones make of rows.

    That is their most probable segment where components are merged, else their component.
    """
    finished = [fit for fit in starts if fit.finished]
    if len(finished) < 2 or finished[0].mixture.n_components < 2:
        return None

    def labels(mixture: FiniteMixture) -> np.ndarray:
        r = np.exp(TableMixture(schema, mixture).log_responsibilities(rows))
        if n_segments is not None:
            segment = np.array(merge(r, rows.weight, n_segments))
            r = r @ (segment[:, None] == np.unique(segment))
        return r.argmax(axis=1)

    best = labels(finished[0].mixture)
    return float(np.mean([adjusted_rand(best, labels(fit.mixture)) for fit in finished[1:]]))
