"""Conditional mixtures fitted by EM: linear regressions with constant weights, kept as networks without layers."""

from __future__ import annotations

import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._device import placed
from tacit._errors import UsageError
from tacit._typing import Key
from tacit.data.split import folds as deal_folds
from tacit.distributions import DiagonalNormal
from tacit.evaluation.result import Result, mean_result
from tacit.inference.fit import Progress, Settings, quiet
from tacit.models import Components, DiagonalFamily, Expert, FiniteMixture, FullFamily, Gate, MixtureOfExperts
from tacit.networks import MLP, Linear
from tacit.training import stack
from tacit.workflow.conditional_aside import FEWEST, Judged, Rows
from tacit.workflow.conditional_members import Members
from tacit.workflow.conditional_plan import Plan
from tacit.workflow.regressions import conditional, regression_fits

N_FOLDS = 5
IN_FOLDS = Settings(n_starts=4)


def train_regressions(rows: Rows, plan: Plan, make_family: Any, *, key: Key, progress: Progress = quiet) -> Members:
    """Fit the candidates' numbers of components, which are compared on five folds, and the best to all rows.

    One model and no ensemble: EM sees every row. Raises `UsageError` for a target that is not real or positive.
    """
    began = time.perf_counter()
    if plan.components != "conditional":
        mend = "Leave components out."
        raise UsageError("regressions depend on x.", where="components", mend=mend)
    ks = sorted({candidate.k for candidate in plan.candidates})
    candidates = [next(one for one in plan.candidates if one.k == k) for k in ks]
    families = [make_family(candidate) for candidate in candidates]
    if not families[0].numeric:
        mend = "Leave inference out."
        raise UsageError("regressions are for real and positive targets.", where="inference", mend=mend)
    floor = np.asarray(families[0].floor.value, float)
    diagonal = isinstance(families[0], DiagonalFamily)
    figures = _compare(rows, ks, plan.seed, diagonal, floor, progress) if len(ks) > 1 else {}
    best = max(figures, key=lambda k: figures[k].value) if figures else ks[0]
    progress("fitting", 0, 1)
    fits = regression_fits(rows.x, rows.y, rows.weight, k=best, seed=plan.seed, diagonal=diagonal, floor=floor)
    progress("fitting", 1, 1)
    fit = fits[0]
    chosen = candidates[ks.index(best)]
    if not figures:
        figures = {best: mean_result("on the training rows", _density(fit.mixture, rows), weight=rows.weight)}
    judged = tuple(
        Judged(candidate, figures[candidate.k], (fit.verdict,), (int(fit.steps),))
        for candidate in candidates
        if candidate.k in figures
    )
    model = stack([as_experts(fit.mixture, families[ks.index(best)])])
    bounds = np.asarray(fit.bounds, float)[:, None]
    missing = np.full_like(bounds, np.nan)
    nothing = np.zeros((len(rows), 1), bool)  # set aside
    return Members(
        jax.tree.map(np.asarray, model), None, chosen, judged, bounds, missing, nothing, 0, time.perf_counter() - began
    )


def as_experts(mixture: FiniteMixture, family: DiagonalFamily | FullFamily) -> MixtureOfExperts:
    """The same density as a mixture of experts whose gate is constant and whose means are linear in x.

    Scales are those of the fit, which are above the floor that the family adds to its own.
    """
    normal, slopes = mixture.components.normal, np.asarray(mixture.components.slopes)  # (k, d, p)
    k, d, p = slopes.shape
    floor = np.asarray(family.floor.value, float)
    if isinstance(normal, DiagonalNormal):
        base = np.concatenate([normal.loc, _above(np.asarray(normal.log_scale), floor)], axis=1)
    else:
        raw = np.asarray(normal.raw)
        lower, columns = np.tril_indices(d, -1)
        diagonal = _above(np.diagonal(raw, axis1=-2, axis2=-1), floor)
        base = np.concatenate([normal.loc, diagonal, raw[:, lower, columns]], axis=1)
    weight = np.zeros((k, base.shape[1], p))
    weight[:, :d] = slopes

    def single(a: Any) -> Any:
        return placed(a, jnp.float32)

    head = Linear(single(weight.reshape(-1, p)), jnp.zeros(base.size))
    gate = Gate(Linear(jnp.zeros((k, p)), single(mixture.log_weights)))
    return MixtureOfExperts(gate, Expert(Components(family, single(base), head)), MLP((), None, "identity"))


def _above(log_scale: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """What the family adds to the floor: log(scale - floor)."""
    return np.log(np.maximum(np.exp(log_scale) - floor, 1e-6 * floor))


def _compare(
    rows: Rows, ks: list[int], seed: int, diagonal: bool, floor: np.ndarray, progress: Progress
) -> dict[int, Result]:
    """The mean log density of every number of components over rows that its fit did not see."""
    n = len(rows)
    units = n if rows.group is None else len(np.unique(rows.group))
    if min(n, units) < FEWEST:
        return {}
    dealt = deal_folds(n, N_FOLDS, seed=seed, group=rows.group, time=rows.time)
    found = {}
    for place, k in enumerate(ks):
        values = np.empty(n)
        for fold in range(N_FOLDS):
            progress("comparing", place * N_FOLDS + fold, len(ks) * N_FOLDS)
            weight = np.where(dealt == fold, 0.0, rows.weight)
            (fit, *_) = regression_fits(
                rows.x, rows.y, weight, k=k, seed=seed, settings=IN_FOLDS, diagonal=diagonal, floor=floor
            )
            held = dealt == fold
            values[held] = _density(fit.mixture, Rows(rows.x[held], rows.y[held], rows.weight[held]))
        found[k] = mean_result("on the rows of other folds", values, weight=rows.weight)
    return found


def _density(mixture: FiniteMixture, rows: Rows) -> np.ndarray:
    """log p(y | x) of every row (n,)."""
    log_weights, means, covariances = conditional(mixture, rows.x)
    total = np.full(len(rows), -np.inf)
    for j, covariance in enumerate(covariances):
        white = np.linalg.solve(np.linalg.cholesky(covariance), (rows.y - means[:, j]).T)
        size = 0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * means.shape[-1] * math.log(2 * math.pi)
        total = np.logaddexp(total, log_weights[:, j] - 0.5 * np.sum(white**2, axis=0) - size)
    return total
