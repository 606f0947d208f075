"""What it costs that q is approximate, and how much the latent tells of a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit.data.encode import Rows
from tacit.evaluation.gaps import gaps
from tacit.evaluation.log_likelihood import LogLikelihood
from tacit.evaluation.mutual_information import mutual_information
from tacit.evaluation.result import Result, mean_result
from tacit.evaluation.row_key import error_over_draws
from tacit.evaluation.sandwich import AbstractSeen, Sandwich, sandwich
from tacit.workflow.latent_figures import BOUND, LOG_LIKELIHOOD
from tacit.workflow.latent_grey import labelled
from tacit.workflow.latent_table import LatentTable, zero_inflated

MOST_ROWS = 500  # whose q is refined, at most
_SEED = 0  # of draws: the same figures at every call


class Cost(NamedTuple):
    """Means over the same rows, in nats: `log_likelihood = bound + amortisation + approximation`.

    `amortisation`: what q of every row gains when it is refined for that row alone. `approximation`: what the best q of
    its family still lacks. `information`: the mutual information of row and z.
    """

    log_likelihood: Result
    bound: Result
    amortisation: Result
    approximation: Result
    information: Result


def cost(
    model: LatentTable,
    rows: Rows,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
    groups: np.ndarray | None = None,
) -> Cost:
    """What lies between the bound and the log-likelihood, and how much z tells of a row.

    Of more than 500 rows with a weight so many, drawn at random, are looked at.
    """
    counted = np.arange(len(rows)) if weight is None else np.flatnonzero(weight)
    if len(counted) > MOST_ROWS:
        counted = np.sort(np.random.default_rng(_SEED).choice(counted, MOST_ROWS, replace=False))
    rows = rows.take(counted)
    weight, groups = (None if a is None else np.asarray(a)[counted] for a in (weight, groups))
    batch, key = model.batch(rows, weight), jax.random.key(_SEED)
    log_p = _log_p(model, rows, weight, groups)
    found = gaps(model.model, model.posterior, batch, log_p, key=key, groups=groups)
    told = mutual_information(model.model, model.posterior, batch, key=key, groups=groups).mutual_information
    share = np.ones(len(rows)) if weight is None else weight
    noise = error_over_draws(found.bound_error, share / share.sum(), rows.y, rows.x)
    over: dict[str, Any] = {"weight": weight, "groups": groups, "reference": model.schema.reference()}
    kind, error = log_p.result.kind, log_p.result.monte_carlo_error
    whole = mean_result(
        LOG_LIKELIHOOD,
        log_p.values + rows.log_jacobian,
        kind=kind,
        monte_carlo_error=error,
        note=log_p.result.note,
        **over,
    )
    bound = mean_result(
        BOUND, found.bound + rows.log_jacobian, kind="lower bound", monte_carlo_error=noise or None, **over
    )
    log_likelihood, lower, first, second = (
        labelled(model.schema, one) for one in (whole, bound, found.amortisation, found.approximation)
    )
    return Cost(log_likelihood, lower, first, second, told)


def between_bounds(model: LatentTable, n: int, seed: int, x: np.ndarray | None = None) -> Sandwich:
    """The mean log-likelihood of n rows that the model itself draws, from below and from above, in the model's units.

    With covariates, of rows given these x (n, p).
    """
    seen = _Seen(zero_inflated(model.schema))
    found = sandwich(model.model, model.posterior, n, key=jax.random.key(seed), x=x, seen=seen)
    lower, upper, gap = (labelled(model.schema, one) for one in (found.lower, found.upper, found.gap))
    return found._replace(lower=lower, upper=upper, gap=gap)


class _Seen(AbstractSeen):
    """All cells but the positive part of a zero."""

    pairs: tuple[tuple[int, int], ...]  # places of the positive part, and of whether there is one

    def __call__(self, event: Any) -> tuple[Any, Any]:
        if not self.pairs:
            return event, None
        observed = jnp.ones(event.shape, bool)
        for part, there in self.pairs:
            observed = observed.at[part].set(event[there] != 0)
        return jnp.where(observed, event, 0.0), observed


def _log_p(model: LatentTable, rows: Rows, weight: Any, groups: Any) -> LogLikelihood:
    """The log-likelihood in the model's units, by the best way there is."""
    if not model.exact:
        found = model.log_likelihood(rows, weight=weight, groups=groups)
        return replace(found, values=found.values - rows.log_jacobian)
    values = model.log_prob(rows) - rows.log_jacobian
    return LogLikelihood(values, "listing", (mean_result("log-likelihood", values, weight=weight, groups=groups),))
