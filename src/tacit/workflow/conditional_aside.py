"""The rows that members set aside, and what candidates score on them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from tacit._device import compiled, placed
from tacit._errors import DataError
from tacit._typing import Array
from tacit.data.split import folds as deal_folds
from tacit.evaluation.result import Kind, Result, mean_result
from tacit.models.predictive import predictive
from tacit.training import Fitted, Population
from tacit.workflow.conditional_plan import TOGETHER, Candidate, Plan

FEWEST = 10  # rows below which none are set aside to judge epochs


@dataclass(frozen=True)
class Rows:
    """Standardised rows: x (n, p), y (n, d), weight (n,), and what keeps rows together when they are split."""

    x: Float[np.ndarray, "n p"]
    y: Float[np.ndarray, "n d"]
    weight: Float[np.ndarray, " n"]
    group: np.ndarray | None = None
    time: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Judged:
    """One candidate and what its members scored on the rows set aside, in nats a row of the standardised target."""

    candidate: Candidate
    figure: Result
    verdicts: tuple[str, ...]
    epochs: tuple[int, ...]


def set_aside(rows: Rows, plan: Plan) -> tuple[np.ndarray, Population]:
    """The rows set aside of each member (n, members), and the same as places."""
    n = int(np.sum(rows.weight > 0))
    if n < 2:
        raise DataError("One row is too few to learn from.", mend="Give two rows or more.")
    counted = np.flatnonzero(rows.weight > 0)
    held = np.zeros((len(rows), plan.n_members), bool)
    group, time = (None if a is None else a[counted] for a in (rows.group, rows.time))
    units = n if group is None else len(np.unique(group))
    if min(n, units) >= FEWEST and plan.validation_fraction > 0:
        n_folds = min(max(round(1 / plan.validation_fraction), 2), units)
        dealt = deal_folds(n, n_folds, seed=plan.seed, group=group, time=time)
        together = min(TOGETHER, plan.n_members)
        for member in range(plan.n_members):
            held[counted, member] = dealt == (n_folds - 1 - max(member - together + 1, 0)) % n_folds
    places = [(np.setdiff1d(counted, np.flatnonzero(one)), np.flatnonzero(one)) for one in held.T]
    return held, Population(_padded([a for a, _ in places], len(rows)), _padded([b for _, b in places], len(rows)))


def _padded(places: list[np.ndarray], n: int) -> np.ndarray:
    """Places as one array, filled up with n, which is no row."""
    width = max(map(len, places))
    return np.stack([np.pad(one, (0, width - len(one)), constant_values=n) for one in places]).astype(np.int32)


def judged_on(fitted: Fitted, plan: Plan, held: np.ndarray, rows: Rows) -> Iterator[Judged]:
    """Every candidate's figure on the rows that its members set aside.

    Where the latent is exact and those rows are the same it is that of the members' mixture, as it is the mixture that
    will answer: members that are sharp and unlike each other gain most by it. Else it is the mean of their own.
    """
    m = held.shape[1]
    shares = held.T @ rows.weight if held.any() else np.ones(m)
    values, epochs, verdicts = (np.reshape(a, (-1, m)) for a in (fitted.value, fitted.epochs, fitted.verdict))
    name = "on the rows set aside" if held.any() else "on the training rows"
    kind: Kind = "exact" if plan.exact else "lower bound"
    together = plan.exact and held.any() and bool((held == held[:, :1]).all())
    if together:
        places = np.flatnonzero(held[:, 0])
        x, y = (placed(a[places], jnp.float32) for a in (rows.x, rows.y))
        groups = None if rows.group is None else rows.group[places]
        densities = np.asarray(_log_densities(fitted.model, x, y), np.float64).reshape(-1, m, len(places))
    for number, candidate in enumerate(plan.candidates):
        scored = np.where(np.isfinite(values[number]), values[number], -np.inf)
        figure = mean_result(name, scored, weight=shares, kind=kind)
        if together and np.isfinite(scored).all():
            mixture = logsumexp(densities[number], axis=0) - math.log(m)
            figure = mean_result(name, mixture, weight=rows.weight[places], groups=groups, kind=kind)
        yield Judged(candidate, figure, tuple(verdicts[number].tolist()), tuple(epochs[number].tolist()))


@compiled
def _log_densities(models: Any, x: Array, y: Array) -> Array:
    """log p(y | x) of every member and row (c, n), the latent summed out."""
    key = jax.random.key(0)  # of nothing: nothing is drawn

    def one(model: Any) -> Array:
        return jax.vmap(lambda x, y: predictive(model, x, key, 1).log_prob(y))(x, y)

    return eqx.filter_vmap(one)(models)
