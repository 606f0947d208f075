"""What a person should know about a fit: recorded with it, beside what was found in the table."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np

from tacit.data.encode import Rows
from tacit.data.findings import Finding, Severity
from tacit.data.row_roles import few_by_weight
from tacit.evaluation.result import Result
from tacit.workflow.fit_table import FittedTable, Job
from tacit.workflow.table_mixture import TableMixture

_NORMAL_95 = 1.96
_FEW_HELDOUT = 30


def fit_findings(fitted: FittedTable, job: Job, rows: Rows) -> list[Finding]:
    """The findings about a fit, those that touch the figures most first."""
    return [
        *few_by_weight(rows.weight),
        *_ending(fitted, job),
        *_range(fitted, job),
        *_worth(fitted),
        *_at_floor(fitted.model),
        *_small_components(fitted.model, rows),
        *_starts(fitted, job),
    ]


def _ending(fitted: FittedTable, job: Job) -> Iterator[Finding]:
    verdict = fitted.fit.verdict
    if verdict == "ran out of steps":
        message = f"EM had not converged after {fitted.fit.steps} steps."
        more = 10 * job.settings.max_steps
        mend = f"Allow more: max_iter={more} (--set max_steps={more})."
        yield Finding("warning", "not-converged", message, mend=mend)
    if verdict == "decreased":
        message = (
            f"The log-likelihood fell by {fitted.fit.drop:.2g} nats a row between two steps. The variance floor and "
            "the pseudo-row of each discrete column, which every step adds, do that where a component has few rows."
        )
        yield Finding("warning", "decreased", message, mend="Ask for fewer components, or drop a dependent column.")
    if verdict == "non-finite":
        yield Finding("warning", "non-finite", "EM met a step that is not finite.", mend="Ask for fewer components.")


def _range(fitted: FittedTable, job: Job) -> Iterator[Finding]:
    selection = fitted.selection
    tried = [candidate.k for candidate in selection.candidates]
    if len(tried) + len(selection.untried) < len(job.ks):
        message = f"{len(fitted.train)} rows carry at most {max(tried)} components; larger numbers were not tried."
        yield Finding("note", "too-many-components", message)
    elif len(tried) > 1 and selection.best == max(tried):
        severity: Severity = "warning" if selection.chosen == selection.best else "note"
        message = f"The best figure is at the largest number of components tried, {max(tried)}."
        low, high = min(tried), 2 * max(tried)
        mend = f"Try more: n_components=range({low}, {high + 1}) (-k {low}:{high})."
        yield Finding(severity, "edge-of-range", message, mend=mend)


def _worth(fitted: FittedTable) -> Iterator[Finding]:
    names = [figure.name for figure in fitted.figures[1:]]
    for name, gap in zip(names, fitted.differences, strict=True):
        if not _clear(gap):
            message = f"On held-out rows the model is not clearly better than the plain baseline, {name}."
            yield Finding("warning", "no-better", message, mend="Give more rows, or be content with the baseline.")
    if 0 < len(fitted.heldout) < _FEW_HELDOUT:
        message = f"The held-out figures rest on {len(fitted.heldout)} rows only."
        yield Finding("warning", "few-heldout", message, mend="Give more rows.")


def _clear(gap: Result) -> bool:
    return gap.value > _NORMAL_95 * (gap.standard_error or 0.0)


def _at_floor(model: TableMixture) -> Iterator[Finding]:
    """Components whose least variance, in units of the floors' squares, is mostly the floor that was added."""
    names = model.schema.layout.normal
    if not names:
        return
    floors = np.array([model.schema[name].floor / model.schema[name].scale for name in names])
    with jax.enable_x64(True):
        scaled = np.asarray(model.block("normal").scale_tril) / floors[:, None]
    held: dict[str, list[int]] = {}
    for number, factor in enumerate(scaled, start=1):
        values, vectors = np.linalg.eigh(factor @ factor.T)
        for direction in vectors.T[values < 2.0]:
            held.setdefault(names[int(np.argmax(np.abs(direction)))], []).append(number)
    for name, numbers in held.items():
        which = ", ".join(map(str, sorted(set(numbers))))
        those = f"Component {which} is" if len(set(numbers)) == 1 else f"Components {which} are"
        message = f"{those} held up by the floor: the density there is as high as the floor is low."
        mend = "Equal, rounded or exactly dependent values do that; drop the column, or raise its floor in the schema."
        yield Finding("warning", "variance-floor", message, name, mend)


def _small_components(model: TableMixture, rows: Rows) -> Iterator[Finding]:
    counts = np.exp(model.mixture.log_weights) * rows.weight.sum()
    least = len(model.schema.layout.normal) + 1
    small = np.flatnonzero(counts < least)
    if len(small) and model.mixture.n_components > 1:
        which = ", ".join(f"{j + 1} ({counts[j]:.1f})" for j in small)
        message = f"Components of fewer rows than a covariance needs ({least}): {which}."
        yield Finding("warning", "small-component", message, mend="Ask for fewer components.")


def _starts(fitted: FittedTable, job: Job) -> Iterator[Finding]:
    starts = fitted.selection.candidate.starts
    if fitted.selection.mended is not None:
        done = ", then ".join(fitted.selection.mended.mended)
        message = f"Degenerate components, of fewer rows than their parameters need: {done}."
        yield Finding("note", "degenerate", message)
    collapsed = sum(fit.verdict == "non-finite" for fit in starts)
    if collapsed:
        yield Finding("note", "collapsed-start", f"{collapsed} of {len(starts)} starts were not finite and left out.")
    finished = [fit.log_likelihood for fit in starts if fit.finished and np.isfinite(fit.log_likelihood)]
    gap = (max(finished) - min(finished)) / max(len(fitted.train), 1) if finished else 0.0
    if gap > 0.01:
        message = f"Finished starts differ by up to {gap:.2g} nats a row; the best was kept."
        more = 4 * job.settings.n_starts
        mend = f"Look further: n_init={more} (--set n_starts={more})."
        yield Finding("note", "starts-differ", message, mend=mend)
    if fitted.agreement is not None and fitted.agreement < 0.8:
        severity: Severity = "warning" if job.select == "segments" else "note"
        message = f"Segments differ between starts (adjusted Rand index {fitted.agreement:.2f}): read them with care."
        yield Finding(severity, "unstable-segments", message)
