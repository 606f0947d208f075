"""What a deep model is worth on rows: its log-likelihood, the bound beside it, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.distributions import AbstractEnumerable
from tacit.evaluation.pareto import findings
from tacit.evaluation.result import Kind, Result, mean_result
from tacit.evaluation.row_key import error_over_draws
from tacit.models import FullNormalLatent, NormalLatent
from tacit.workflow.latent_grey import labelled
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.latent_tiles import SAMPLES

LISTED = 4096  # states up to which the bound is a sum over them, without draws

LOG_LIKELIHOOD, BOUND = "log-likelihood", "ELBO"
GAP, RATE, DISTORTION = "gap, KL(q || p(z | y))", "rate, KL(q || p(z))", "distortion, -E log p(y | z)"


@dataclass(frozen=True, eq=False)
class LatentWorth:
    """Log density of every row (n,), in nats and the user's units, and the figures: the log-likelihood first.

    `findings` say where draws are not to be trusted.
    """

    log_prob: Float[np.ndarray, " n"]
    kind: Kind
    figures: tuple[Result, ...]
    findings: tuple[Finding, ...] = ()


def judge_latent(
    model: LatentTable,
    rows: Rows,
    *,
    weight: Float[np.ndarray, " n"] | None = None,
    groups: np.ndarray | None = None,
    num_samples: int = SAMPLES,
) -> LatentWorth:
    """The mean log density of rows and its parts, each labelled, with its error over rows (or groups).

        log p(y) = ELBO + KL(q || p(z | y)),   ELBO = -rate - distortion

    Where the latent can be listed all of it is exact (the bound too, of up to 4,096 states). Of one or two normal
    latents the first is an integral, with its largest error. Else it is estimated from `num_samples` draws, with the
    jackknife, and the importance-weighted bounds of all, half and a quarter of the draws stand beside it.
    """
    shares = np.ones(len(rows)) if weight is None else np.asarray(weight, float)
    shares = shares / shares.sum()

    def mean(name: str, values: np.ndarray, kind: Kind, error: Any = None, bias: Any = None) -> Result:
        noise = None if error is None else error_over_draws(error, shares, rows.y, rows.x)
        told = None if bias is None else float(shares @ bias)
        over: dict[str, Any] = {"weight": weight, "groups": groups, "reference": model.schema.reference()}
        found = mean_result(name, values, kind=kind, monte_carlo_error=noise, bias=told, **over)
        return labelled(model.schema, found)

    listed = listed_bound(model, rows) if model.exact else None
    rate, noise = model.rates(rows)
    if model.exact and listed is not None:
        log_p, bound = model.log_prob(rows), listed
        first = mean(LOG_LIKELIHOOD, log_p, "exact")
        parts = [mean(BOUND, bound, "lower bound"), mean(GAP, log_p - bound, "exact")]
        return LatentWorth(log_p, "exact", (first, *parts, *_split(mean, rate, noise, bound, None)))
    bounds: tuple[Result, ...] = ()
    told: list[Finding] = []
    noise_of_log_p: Any = 0.0
    if model.exact:
        log_p, drawn = model.log_prob(rows), model.weighted(rows, num_samples)
        first = mean(LOG_LIKELIHOOD, log_p, "exact")
    else:
        found = model.log_likelihood(rows, num_samples, weight=weight, groups=groups)
        log_p, drawn = found.values, found.drawn or model.weighted(rows, num_samples)
        first, *others = (labelled(model.schema, figure) for figure in found.results)
        if found.drawn is not None:
            bounds = tuple(others[:-1])
            normals = model.latent.size if isinstance(model.latent, NormalLatent | FullNormalLatent) else 0
            told = findings(drawn.k_hat, shares, 4 * -(-num_samples // 4), normals)
            noise_of_log_p = drawn.error
    bound = drawn.elbo + rows.log_jacobian
    parts = [
        mean(BOUND, bound, "lower bound", drawn.elbo_error),
        mean(GAP, log_p - bound, "estimate", np.hypot(drawn.elbo_error, noise_of_log_p)),
        *_split(mean, rate, noise, bound, drawn.elbo_error),
    ]
    return LatentWorth(log_p, first.kind, (first, *bounds, *parts), tuple(told))


def _split(
    mean: Any, rate: np.ndarray, noise: np.ndarray | None, bound: np.ndarray, error: np.ndarray | None
) -> tuple[Result, Result]:
    """The two parts of the bound, in the user's units; `noise` and `error` are those of draws, of rate and bound."""
    errors = [one for one in (noise, error) if one is not None]
    both = np.sqrt(sum(one**2 for one in errors)) if errors else None
    return (
        mean(RATE, rate, "exact" if noise is None else "estimate", noise),
        mean(DISTORTION, -bound - rate, "exact" if both is None else "estimate", both),
    )


def listed_bound(model: LatentTable, rows: Rows) -> Float[np.ndarray, " n"] | None:
    """`sum_z q(z) (log p(y, z) - log q(z))` of every row, in the user's units; None where states are too many."""
    prior = model.model.prior(model.model.context(None))
    if not isinstance(prior, AbstractEnumerable) or prior.n_states > LISTED:
        return None
    qs = model.posteriors(rows)
    with jax.enable_x64(True):
        doubled = jax.tree.map(lambda a: np.asarray(a, np.float64), qs)
        log_q = np.asarray(jax.jit(jax.vmap(lambda q: q.log_probs()))(doubled))
    log_p = model.log_prob(rows)
    gap = np.sum(np.exp(log_q) * (log_q - model.log_responsibilities(rows)), axis=1)
    return log_p - gap
