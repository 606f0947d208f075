"""What a conditional model is worth on rows that took no part in its fit: for a relaxed latent, four numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from tacit.data.encode import Rows
from tacit.evaluation.result import Kind, Result, mean_result
from tacit.evaluation.row_key import error_over_draws
from tacit.workflow.conditional_table import ConditionalTable

BOUND = "relaxed ELBO"
RELAXED = "relaxed log-likelihood"
DISCRETISED = "discretised log-likelihood"
TRAINED_EXACTLY = "the same networks, trained exactly"
"""Names of the four numbers of a relaxed model."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """Log density of every row (n,) in nats and the user's units, its label, and every figure that goes with it.

    `figures` holds the log-likelihood; with a relaxed latent the bound, the log-likelihood, and that of the discretised
    model.
    """

    log_prob: Float[np.ndarray, " n"]
    kind: Kind
    figures: tuple[Result, ...]

    @property
    def log_likelihood(self) -> Result:
        """The mean of `log_prob`."""
        return self.figures[0] if len(self.figures) == 1 else next(one for one in self.figures if one.name == RELAXED)


def judge(
    model: ConditionalTable,
    x: Float[np.ndarray, "n p"],
    rows: Rows,
    *,
    name: str = "log-likelihood",
    exact: ConditionalTable | None = None,
    weight: Float[np.ndarray, " n"] | None = None,
    groups: np.ndarray | None = None,
) -> Judgement:
    """The mean log density of rows, with its error over rows or groups and, where sampled, its noise and bias.

    A relaxed latent has several: the ELBO of the relaxed model (a lower bound), its exact log-likelihood (an estimate
    by importance sampling where it has no closed form), and the exact log-likelihood of the model whose category
    is put at the corners of the simplex. The first may exceed the last: it bounds another model. With `exact`, the same
    networks trained with their category summed out, theirs is the fourth.
    """
    shares = np.ones(len(x)) if weight is None else np.asarray(weight, float)
    shares = shares / shares.sum()

    def mean(name: str, values: np.ndarray, kind: Kind, error: Any = None, bias: Any = None) -> Result:
        noise = None if error is None else error_over_draws(error, shares, x, rows.y)
        return mean_result(
            name,
            values,
            weight=weight,
            groups=groups,
            kind=kind,
            monte_carlo_error=noise,
            bias=None if bias is None else float(shares @ bias),
            reference=model.reference(),
        )

    if model.posteriors is None or not is_relaxed(model):
        log_p = model.log_prob(x, rows)
        return Judgement(log_p, model.kind, (mean(name, log_p, model.kind),))
    estimate, error, bias, bound, bound_error = model.estimates(x, rows)
    if model.exact:
        log_p = model.log_prob(x, rows)
        own = mean(RELAXED, log_p, "exact")
    else:
        log_p = estimate
        own = mean(RELAXED, log_p, "estimate", error, bias)
    discrete = model.discretised_log_prob(x, rows)
    figures = [mean(BOUND, bound, "lower bound", bound_error), own, mean(DISCRETISED, discrete, "exact")]
    if exact is not None:
        twin = judge(exact, x, rows, name=TRAINED_EXACTLY, weight=weight, groups=groups)
        figures.append(twin.log_likelihood)
    return Judgement(log_p, model.kind, tuple(figures))


def is_relaxed(model: ConditionalTable) -> bool:
    """Whether the latent is a relaxed category."""
    return hasattr(model.members.prior, "log_temperature")
