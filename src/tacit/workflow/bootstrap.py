"""How well the parameters of a fitted mixture are known: refitted to resampled rows, all resamples at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import numpy as np

from tacit._errors import DataError, UsageError
from tacit.data.encode import Rows
from tacit.inference import em
from tacit.inference.fit import Fit, Progress, Settings, quiet
from tacit.inference.population import refine
from tacit.inference.source import Source
from tacit.models import FiniteMixture
from tacit.workflow.parameters import parameters
from tacit.workflow.table_mixture import TableMixture, regularisation

MATCHING_ROWS = 5000
RESAMPLE_BYTES = 256 << 20  # of the counts of rows in resamples that are fitted together


@dataclass(frozen=True)
class Interval:
    """A parameter of one component in the user's units, with its error and interval over resamples.

    `column` is empty for the weight of the component.
    """

    component: int
    column: str
    quantity: str
    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals of all parameters. `n_resamples` were used; `n_left_out` did not end on finite numbers."""

    intervals: tuple[Interval, ...]
    coverage: float
    n_resamples: int
    n_left_out: int

    def to_frame(self) -> dict[str, np.ndarray]:
        """Columns of a table, one parameter a row."""
        names = list(Interval.__dataclass_fields__)
        return {name: np.array([getattr(interval, name) for interval in self.intervals]) for name in names}


def bootstrap(
    model: TableMixture,
    rows: Rows,
    *,
    n_resamples: int,
    coverage: float,
    seed: int,
    settings: Settings,
    progress: Progress = quiet,
) -> Bootstrap:
    """Intervals from EM on resamples of the rows (of whole groups where given), begun at the fitted parameters.

    All resamples run as one population over the same rows, which they see under multinomial counts. Components of a
    refit are matched to those of the model by the rows that they share: the assignment of largest total
    `sum_i min(r_ij, r'_il) / sum_i max(r_ij, r'_il)` (Hungarian algorithm). The intervals leave out the uncertainty
    of the number of components and of other local optima. Source: Efron and Tibshirani 1993; for mixtures,
    McLachlan and Peel 2000, section 2.16.

    Raises `UsageError` for fewer than 2 resamples or a coverage outside (0, 1), `DataError` where there are no two
    rows or groups.
    """
    if n_resamples < 2 or not 0 < coverage < 1:
        raise UsageError("A bootstrap takes 2 resamples or more, and a coverage between 0 and 1.", where="bootstrap")
    rows = rows.take(np.flatnonzero((rows.weight > 0) & ~np.isnan(rows.y).all(axis=1)))
    fits = _refits(model, rows, n_resamples, seed, settings, progress)
    sound = [fit for fit in fits if fit.status != em.NON_FINITE]
    if len(sound) < 2:
        raise DataError("Fewer than two resamples could be fitted.", mend="Ask for fewer components.")
    few = rows.take(np.unique(np.linspace(0, len(rows) - 1, MATCHING_ROWS).astype(int)))
    own = np.exp(model.log_responsibilities(few))
    names, values = parameters(model)
    drawn = np.stack([_matched(model, fit.mixture, few, own) for fit in sound])
    tail = (1 - coverage) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    error = drawn.std(axis=0, ddof=1)
    intervals = tuple(
        Interval(j, *name, *(float(a[j, q]) for a in (values, error, low, high)))
        for j in range(len(values))
        for q, name in enumerate(names)
    )
    return Bootstrap(intervals, coverage, len(sound), len(fits) - len(sound))


def _refits(
    model: TableMixture, rows: Rows, n_resamples: int, seed: int, settings: Settings, progress: Progress
) -> list[Fit]:
    units = np.arange(len(rows)) if rows.group is None else np.unique(rows.group, return_inverse=True)[1].reshape(-1)
    n_units = int(units.max(initial=-1)) + 1
    if n_units < 2:
        raise DataError(f"{n_units} rows or groups cannot be resampled.", mend="Give more.")
    # a stream of its own: rows simulated with the same seed must not meet the very draws that made them
    random = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    batch = int(np.clip(RESAMPLE_BYTES // (8 * len(rows)), 1, n_resamples))
    fits: list[Fit] = []
    while len(fits) < n_resamples:
        m = min(batch, n_resamples - len(fits))
        counts = random.multinomial(n_units, np.full(n_units, 1 / n_units), size=m)
        weighting = rows.weight[:, None] * counts.T[units]
        log_weights, components = jax.tree.map(
            lambda a, m=m: np.repeat(np.asarray(a)[None], m, axis=0),
            (model.mixture.log_weights, model.mixture.components),
        )
        with jax.enable_x64(True):
            source = Source(rows.y, weighting, pattern_columns=model.mixture.components.pattern_columns)
            population = em.Population(log_weights, components, np.arange(m))
            fits += refine(source, population, regularisation(model.schema), settings, progress=progress)
    return fits


def _matched(model: TableMixture, mixture: FiniteMixture, rows: Rows, own: np.ndarray) -> np.ndarray:
    """The parameters (k, q) of a refit, in the order of the model's components."""
    from scipy.optimize import linear_sum_assignment

    refit = replace(model, mixture=mixture)
    r = np.exp(refit.log_responsibilities(rows))
    shared = np.array([[np.minimum(a, b).sum() / np.maximum(a, b).sum() for b in r.T] for a in own.T])
    return parameters(refit)[1][linear_sum_assignment(-shared)[1]]
