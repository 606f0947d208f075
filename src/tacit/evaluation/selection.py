"""How many components: cross-validated log-likelihood with the one-standard-error rule, or ICL; BIC and AIC beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import jax
import numpy as np

from tacit._errors import FitError
from tacit._typing import Key
from tacit.distributions import AbstractExponentialFamily
from tacit.evaluation.result import mean_result, paired_difference
from tacit.inference.degenerate import mend
from tacit.inference.em import Population
from tacit.inference.fit import Fit, Member, Progress, Settings, quiet
from tacit.inference.population import Adjust, fit_population, refine, score_rows, together
from tacit.inference.source import Source

FALLEN = 2  # this many numbers of components after the best, each so many errors behind it, end a sweep
ERRORS = 2.0
FAR = 4.0  # errors behind at which one number ends it, where rows are completed one by one
LOOSE = 10.0  # times the tolerance at which candidates are compared then; the chosen one goes on to the tolerance

Method = Literal["density", "segments", "fixed"]


@dataclass(frozen=True)
class Candidate:
    """One number of components: its cross-validated figure and its criteria (lower is better for aic, bic, icl).

    `cv` is the mean held-out log density, nats a row; `behind` is how far it lies behind the best candidate, row by
    row, and `behind_se` the standard error of that difference.
    """

    k: int
    log_likelihood: float
    n_parameters: int
    aic: float
    bic: float
    icl: float
    cv: float | None = None
    cv_se: float | None = None
    behind: float | None = None
    behind_se: float | None = None
    starts: list[Fit] = field(default_factory=list, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON."""
        return {key: value for key, value in asdict(self).items() if key != "starts"}


@dataclass(frozen=True)
class Selection:
    """The candidates, which of them was chosen, and by what rule."""

    method: Method
    rule: str
    candidates: list[Candidate]
    chosen: int  # number of components
    best: int  # the one with the best figure, before the rule
    n_segments: int | None = None  # to merge the components into, where segments were asked for
    untried: tuple[int, ...] = ()  # larger numbers, given up as cross-validation had clearly fallen before them
    mended: Fit | None = None

    @property
    def candidate(self) -> Candidate:
        """The chosen one."""
        return next(c for c in self.candidates if c.k == self.chosen)

    @property
    def fit(self) -> Fit:
        """The best start of the chosen one, or what became of it where it had degenerate components."""
        return self.mended or self.candidate.starts[0]

    def to_dict(self) -> dict[str, Any]:
        """The table, as JSON."""
        table = [candidate.to_dict() for candidate in self.candidates]
        figures = {key: value for key, value in self.__dict__.items() if key not in ("candidates", "mended")}
        return {**figures, "table": table}


def _candidate(k: int, starts: list[Fit], total: float, entropy: float, shift: float) -> Candidate:
    """`total` is the weight of all rows, `shift` what turns a log-likelihood into the user's units."""
    fit = starts[0]
    if not np.isfinite(fit.log_likelihood):
        raise FitError(
            f"the fit with {k} components is not finite.",
            mend="Ask for fewer components, or set a larger variance floor (reg_covar).",
        )
    p = fit.mixture.n_parameters()
    log_likelihood = fit.log_likelihood + shift
    aic = -2 * log_likelihood + 2 * p
    bic = -2 * log_likelihood + p * float(np.log(total))
    return Candidate(k, log_likelihood, p, aic, bic, bic + 2 * entropy, starts=starts)


def fixed(
    source: Source, starts: list[Fit], *, weight: np.ndarray | None = None, offset: np.ndarray | None = None
) -> Selection:
    """The record of a fit whose number of components was given; `weight` and `offset` as in `sweep`."""
    with jax.enable_x64(True):
        _, entropies = score_rows(source, starts[:1], per_row=False)
    k, total = starts[0].mixture.n_components, float(source.total_weight()[0])
    return _choose([_candidate(k, starts, total, float(entropies[0]), _shift(weight, offset))], "fixed")


def _shift(weight: np.ndarray | None, offset: np.ndarray | None) -> float:
    """Weighted sum of the offsets."""
    if offset is None:
        return 0.0
    return float(np.sum(offset) if weight is None else weight @ offset)


def sweep(
    y: np.ndarray,
    family: AbstractExponentialFamily,
    ks: Sequence[int],
    regularise: Any,
    settings: Settings,
    *,
    key: Key,
    weight: np.ndarray | None = None,
    folds: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    method: Method = "density",
    offset: np.ndarray | None = None,
    adjust: Adjust = lambda population: population,
    progress: Progress = quiet,
) -> Selection:
    """Fit every number of components in `ks`, and choose one.

    Numbers of components, folds and starts run as populations over the same rows. "density" takes the fewest
    components whose cross-validated log density is within one standard error of the best, the error being that of
    the row-by-row difference (over `groups` where given). Where the work is large the numbers run in stages, fewest
    first, and a stage that ends with two numbers more than two standard errors behind a smaller one is the last: the
    rest are `untried`. Where rows have too many patterns of missing cells to share them, one number four standard
    errors behind is enough, and candidates are compared at ten times the tolerance. "segments" needs no folds: the
    smallest BIC gives the density, and the smallest ICL the number of segments that its components are merged into
    (Baudry et al. 2010).

    Args:
        y: (n, d) rows in model units, NaN where missing.
        family: one unstacked member of the family.
        ks: numbers of components.
        regularise: what `maximise` of the family takes.
        settings: how EM runs.
        key: random key.
        weight: (n,) row weights.
        folds: (n,) fold of every row, 0..f-1; None for no cross-validation.
        groups: (n,) rows that belong together.
        method: "density", "segments", or "fixed" for a single k.
        offset: (n,) added to the log density of each row, so that the figures of the candidates are in the user's
            units: the log Jacobian. (The starts of a candidate stay in model units.)
        adjust: may overwrite the starting points.
        progress: called with stage, done, total.
    """
    ks = sorted(set(ks))
    n_folds = 0 if folds is None else int(folds.max()) + 1
    alone = weighting = None if weight is None else weight[:, None]
    if folds is not None:
        counts = np.ones((len(y), 1)) if alone is None else alone
        weighting = np.hstack([counts, counts * (folds[:, None] != np.arange(n_folds))])
    source = Source(y, weighting, pattern_columns=family.pattern_columns)
    members = {k: [Member(k, column, in_fold=column > 0) for column in range(n_folds + 1)] for k in ks}
    stages = [ks]
    if folds is not None:
        stages = together(source, family, [member for k in ks for member in members[k]], settings)
    compared, fallen = settings, (FALLEN, ERRORS)
    if source.lone and len(ks) > 1:
        compared, fallen = replace(settings, tolerance=LOOSE * settings.tolerance), (1, FAR)
    total, shift = float(source.total_weight()[0]), _shift(weight, offset)
    base = np.zeros(len(y)) if offset is None else offset
    candidates: list[Candidate] = []
    unseen: dict[int, np.ndarray] = {}
    for number, stage in enumerate(stages):
        these = [member for k in stage for member in members[k]]
        with jax.enable_x64(True):
            key_here = jax.random.fold_in(key, number)
            fits = fit_population(
                source, family, these, regularise, compared, key=key_here, adjust=adjust, progress=progress
            )
            best = [starts[0] for starts in fits]
            log_probs, entropies = score_rows(source, best, per_row=folds is not None)
        for j, k in enumerate(stage):
            i = j * (n_folds + 1)  # the member that sees all rows
            candidates.append(_candidate(k, fits[i], total, float(entropies[i]), shift))
            if folds is not None:
                unseen[k] = log_probs[np.arange(len(y)), i + 1 + folds] + base
        if folds is not None and _has_fallen(unseen, weight, groups, *fallen):
            break
    if folds is not None:
        candidates = _with_cross_validation(candidates, unseen, weight, groups)
    chosen = _choose(candidates, method, tuple(ks[len(candidates) :]), fallen)
    with jax.enable_x64(True):
        whole = Source(y, alone, pattern_columns=family.pattern_columns)
        last = chosen.fit.bounds[-2:]
        if compared.tolerance > settings.tolerance and abs(last[-1] - last[0]) >= settings.tolerance:
            chosen.candidate.starts[0] = _finished(whole, chosen.fit, regularise, settings)
        mended = mend(whole, chosen.fit, regularise, settings, keep=len(ks) == 1)
    return replace(chosen, mended=mended if mended.mended else None)


def _finished(source: Source, fit: Fit, regularise: Any, settings: Settings) -> Fit:
    """The fit taken on to the tolerance."""
    stacked = jax.tree.map(lambda a: a[None], fit.mixture.components)
    population = Population(fit.mixture.log_weights[None], stacked, np.zeros(1, int))
    left = replace(settings, max_steps=max(settings.max_steps - fit.steps, 1))
    again = refine(source, population, regularise, left)[0]
    bounds = np.concatenate([fit.bounds, again.bounds])
    return replace(again, steps=fit.steps + again.steps, drop=max(fit.drop, again.drop), bounds=bounds, start=fit.start)


def _has_fallen(
    scores: dict[int, np.ndarray], weight: np.ndarray | None, groups: np.ndarray | None, numbers: int, errors: float
) -> bool:
    """Whether the last numbers of components are all this many errors behind a smaller one."""
    best = max(scores, key=lambda k: mean_result("log density", scores[k], weight=weight, groups=groups).value)
    beyond = [k for k in scores if k > best]
    gaps = [paired_difference("behind", scores[best], scores[k], weight=weight, groups=groups) for k in beyond]
    clear = [gap.standard_error is not None and gap.value > errors * gap.standard_error for gap in gaps]
    return len(clear) >= numbers and all(clear[-numbers:])


def _with_cross_validation(
    candidates: list[Candidate], scores: dict[int, np.ndarray], weight: np.ndarray | None, groups: np.ndarray | None
) -> list[Candidate]:
    figures = {k: mean_result("log density", s, weight=weight, groups=groups) for k, s in scores.items()}
    best = max(figures, key=lambda k: figures[k].value)
    filled = []
    for c in candidates:
        gap = paired_difference("behind", scores[best], scores[c.k], weight=weight, groups=groups)
        cv = {"cv": figures[c.k].value, "cv_se": figures[c.k].standard_error}
        record = {**c.__dict__, **cv, "behind": gap.value, "behind_se": gap.standard_error}
        filled.append(Candidate(**record))
    return filled


def _choose(
    candidates: list[Candidate],
    method: Method,
    untried: tuple[int, ...] = (),
    fallen: tuple[int, float] = (FALLEN, ERRORS),
) -> Selection:
    if len(candidates) == 1:
        k = candidates[0].k
        return Selection("fixed", "the only number of components that was tried", candidates, k, k)
    if method == "segments":
        best, n_segments = min(candidates, key=lambda c: c.bic).k, min(candidates, key=lambda c: c.icl).k
        rule = "components by the smallest BIC, merged into as many segments as the smallest ICL has components"
        return Selection(method, rule, candidates, best, best, min(best, n_segments))
    best = max(candidates, key=lambda c: c.cv if c.cv is not None else -np.inf).k
    near = [c for c in candidates if (c.behind or 0.0) <= (c.behind_se or 0.0)]
    rule = "fewest components within one standard error of the best cross-validated log-likelihood"
    if untried:
        before = "last before lies" if fallen[0] == 1 else f"last {fallen[0]} before lie"
        rule += f"; {_numbers(untried)} not tried, as the {before} more than {fallen[1]:g} errors behind"
    return Selection(method, rule, candidates, min(c.k for c in near), best, untried=untried)


def _numbers(ks: tuple[int, ...]) -> str:
    return str(ks[0]) if len(ks) == 1 else f"{ks[0]} to {ks[-1]}"
