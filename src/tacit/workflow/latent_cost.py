"""What it costs that q is approximate, and how much the latent tells of a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from tacit.data.encode import Rows
from tacit.evaluation.gaps import gaps
from tacit.evaluation.log_likelihood import LogLikelihood
from tacit.evaluation.mutual_information import mutual_information
from tacit.evaluation.result import Result, mean_result
from tacit.evaluation.sandwich import Sandwich, sandwich
from tacit.workflow.latent_grey import labelled
from tacit.workflow.latent_table import LatentTable

MOST_ROWS = 500  # whose q is refined, at most
_SEED = 0  # of draws: the same figures at every call


def cost(
    model: LatentTable,
    rows: Rows,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
    groups: np.ndarray | None = None,
) -> tuple[Result, Result, Result]:
    """Means over rows in nats: the amortisation gap, the approximation gap, and the mutual information of row and z.

        log p(y) = ELBO + amortisation gap + approximation gap

    The first is what q of every row gains when it is refined for that row alone: one encoder serves them all. The
    second is what the best q of its family still lacks. Of more than 500 rows so many, drawn at random, are looked at.
    """
    if len(rows) > MOST_ROWS:
        looked = np.sort(np.random.default_rng(_SEED).choice(len(rows), MOST_ROWS, replace=False))
        rows = rows.take(looked)
        weight, groups = (None if a is None else np.asarray(a)[looked] for a in (weight, groups))
    batch, key = model.batch(rows, weight), jax.random.key(_SEED)
    found = gaps(model.model, model.posterior, batch, _log_p(model, rows, weight, groups), key=key, groups=groups)
    told = mutual_information(model.model, model.posterior, batch, key=key).mutual_information
    first, second = (labelled(model.schema, one) for one in (found.amortisation, found.approximation))
    return first, second, told


def between_bounds(model: LatentTable, n: int, seed: int, x: np.ndarray | None = None) -> Sandwich:
    """The mean log-likelihood of n rows that the model itself draws, from below and from above, in the model's units.

    With covariates, of rows given these x (n, p).
    """
    found = sandwich(model.model, model.posterior, n, key=jax.random.key(seed), x=x)
    lower, upper, gap = (labelled(model.schema, one) for one in (found.lower, found.upper, found.gap))
    return found._replace(lower=lower, upper=upper, gap=gap)


def _log_p(model: LatentTable, rows: Rows, weight: Any, groups: Any) -> LogLikelihood:
    """The log-likelihood in the model's units, by the best way there is."""
    if not model.exact:
        found = model.log_likelihood(rows, weight=weight, groups=groups)
        return replace(found, values=found.values - rows.log_jacobian)
    values = model.log_prob(rows) - rows.log_jacobian
    return LogLikelihood(values, "listing", (mean_result("log-likelihood", values, weight=weight, groups=groups),))
