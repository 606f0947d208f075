"""From rows in the user's units to a chosen fit: by sweep, from a start that is given, or on from an earlier fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from tacit._errors import FitError
from tacit._typing import Key
from tacit.estimators._covariances import Covariance
from tacit.estimators._given import Given
from tacit.estimators._units import ModelRows, Units
from tacit.evaluation import selection
from tacit.inference import em, stepwise
from tacit.inference.fit import PLAIN, Fit, Progress, Settings
from tacit.inference.population import refine
from tacit.inference.source import Source
from tacit.inference.starts import template
from tacit.models import FiniteMixture


class CollapsedError(FitError, ValueError):
    """Every start ended on a covariance that is singular; a ValueError, as in scikit-learn."""

    def __init__(self) -> None:
        super().__init__(
            "Fitting the mixture model failed because some components have ill-defined empirical covariance (for "
            "instance caused by singleton or collapsed samples). Try to decrease the number of components, increase "
            "reg_covar, or scale the input data."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return CollapsedError, ()


@dataclass(frozen=True)
class Rows:
    """Training rows in the user's units with their weights (None where all are 1), and the units of the model."""

    X: Float[np.ndarray, "n d"]
    weight: Float[np.ndarray, " n"] | None
    units: Units

    @property
    def total(self) -> float:
        """Total weight."""
        return float(len(self.X) if self.weight is None else self.weight.sum())

    def offset(self) -> Float[np.ndarray, " n"]:
        """Log Jacobian of every row: what is added to a log density in model units."""
        return self.units.log_jacobian(self.X)

    def source(self, kind: Covariance) -> Source:
        """The rows as EM reads them."""
        columns = kind.template(self.X.shape[1]).pattern_columns
        weight = None if self.weight is None else self.weight[:, None]
        view: Any = ModelRows(self.X, self.units)
        return Source(view, weight, pattern_columns=columns)


def search(
    rows: Rows,
    kind: Covariance,
    ks: Sequence[int],
    regularise: Float[np.ndarray, " d"],
    settings: Settings,
    *,
    given: Given,
    key: Key,
    folds: Int[np.ndarray, " n"] | None,
    method: selection.Method,
    progress: Progress,
) -> selection.Selection:
    """Start, fit and choose; raises `CollapsedError` where every start ends on a singular covariance."""
    view: Any = ModelRows(rows.X, rows.units)
    family = kind.template(rows.X.shape[1])
    try:
        chosen = selection.sweep(
            view,
            family,
            ks,
            regularise,
            settings,
            key=key,
            weight=rows.weight,
            folds=folds,
            method=method,
            offset=rows.offset(),
            adjust=given.adjust,
            progress=progress,
        )
    except FitError as error:
        raise CollapsedError from error
    return _sound(chosen)


def improve(
    rows: Rows,
    kind: Covariance,
    population: em.Population,
    regularise: Float[np.ndarray, " d"],
    settings: Settings,
    *,
    bound: float,
    progress: Progress,
) -> selection.Selection:
    """Plain EM from given parameters; `bound` is that before the step that led to them, -inf where there was none."""
    with jax.enable_x64(True):
        source = rows.source(kind)
        plain = replace(settings, plain_steps=PLAIN)
        starts = refine(source, population, regularise, plain, bound=bound, progress=progress)
    return _sound(selection.fixed(source, starts, weight=rows.weight, offset=rows.offset()))


def absorb(
    rows: Rows, kind: Covariance, model: FiniteMixture, regularise: Float[np.ndarray, " d"], past: em.Summary | None
) -> tuple[FiniteMixture, em.Summary, float]:
    """A step of stepwise EM: the model after it, the statistics so far, and the bound before it (model units)."""
    with jax.enable_x64(True):
        population = population_of(model)
        summary = stepwise.expect(population, rows.source(kind))
        bound = float(summary.log_likelihood[0] / summary.weight[0])
        if past is not None:
            summary = stepwise.blend(past, summary)
        better = stepwise.maximise(population, summary, regularise)
        better, summary = jax.tree.map(np.asarray, (better, summary))
    stack = jax.tree.map(lambda a: a[0], better.components)
    return FiniteMixture.of(better.log_weights[0], stack), summary, bound


def population_of(model: FiniteMixture) -> em.Population:
    """A mixture as a population of one."""
    stack = jax.tree.map(lambda a: np.asarray(a)[None], model.components)
    return em.Population(np.asarray(model.log_weights)[None], stack, np.zeros(1, int))


def population_at(given: Given, kind: Covariance, k: int, d: int) -> em.Population:
    """One mixture of k components at parameters that are all given."""
    with jax.enable_x64(True):
        blank = template(kind.template(d), jnp.array([k]), jnp.array([0]), k)
        return jax.tree.map(np.asarray, given.adjust(blank))


def restart(fit: Fit, shift: float) -> dict[str, Any]:
    """A start as a record; `shift` turns its log-likelihood into the user's units."""
    return {
        "start": fit.start,
        "k": fit.mixture.n_components,
        "stage": "finished" if fit.finished else f"given up after {fit.steps} steps",
        "log_likelihood": fit.log_likelihood + shift,
        "iterations": fit.steps,
        "verdict": fit.verdict,
    }


def _sound(chosen: selection.Selection) -> selection.Selection:
    if chosen.fit.status == em.NON_FINITE:
        raise CollapsedError
    return chosen
