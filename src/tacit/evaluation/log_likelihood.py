"""The log-likelihood of any latent-variable model, by the best way there is, labelled and with its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.evaluation.pareto import in_words
from tacit.evaluation.quadrature import MOST, TOLERANCE, integrable, quadrature
from tacit.evaluation.result import Result, mean_result
from tacit.evaluation.row_key import error_over_draws
from tacit.evaluation.rows import TILE, AbstractOfRow, kinds, over_rows
from tacit.evaluation.weights import Weighted, weighted
from tacit.models import AbstractConditional, LatentModel
from tacit.models.enumeration import listable, log_marginal

Method = Literal["auto", "listing", "quadrature", "importance"]
SAMPLES = 64  # S: bounds are of S, 2 S and 4 S draws
_LISTED = 2**14  # states times rows at once


@dataclass(frozen=True)
class LogLikelihood:
    """`values` (n,): the best figure of each row, in nats. `results`: its mean first, then the bounds, where drawn."""

    values: np.ndarray
    method: str
    results: tuple[Result, ...]
    drawn: Weighted | None = None

    @property
    def result(self) -> Result:
        """The mean over rows."""
        return self.results[0]


class _Marginal(AbstractOfRow):
    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Scalar:
        return log_marginal(model, y, x, observed)


def log_likelihood(
    model: LatentModel,
    posterior: AbstractConditional | None,
    rows: Batch,
    *,
    key: Key,
    num_samples: int = SAMPLES,
    method: Method = "auto",
    groups: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    reference: str = "",
    nodes: Mapping[int, int] = MOST,
) -> LogLikelihood:
    """The mean of `log p(y | x)` over rows, in nats a row.

    Exact by listing where the states of the latent can be listed; by quadrature for one or two normal latents, "exact"
    where the doubled nodes agree on every row, else "estimate"; else importance-weighted: the jackknifed figure of 4 S
    draws (of q and about modes of the posterior: see `weighted`), an "estimate", then bounds at 4 S, 2 S and S draws
    and the ELBO, each a "lower bound" in expectation with its bias to leading order. The three errors are the standard
    error over rows (or `groups`), the Monte Carlo error over draws, and the bias. Same key, same figures.

    Args:
        model: prior and likelihood.
        posterior: q; None only where the states are listed.
        rows: y (n, d), x (n, p) or None, mask (n, d) or None, weight (n,) or None.
        key: random key.
        num_samples: S.
        method: "auto", or one of the three.
        groups: (n,) rows that belong together.
        offset: (n,) added to every row: the log Jacobian that makes it a density in the user's units.
        reference: what the density is over.
        nodes: of a quadrature, intervals at most by the number of latents.

    >>> import jax.numpy as jnp
    >>> from tacit.distributions import Bernoulli, Categorical
    >>> from tacit.models import Constant, Selected
    >>> model = LatentModel(Constant(Categorical(jnp.zeros(2))), Selected(Bernoulli(jnp.array([[0.0], [2.0]]))))
    >>> rows = Batch(np.array([[1.0], [0.0]]), None, None, None, None)
    >>> print(log_likelihood(model, None, rows, key=jax.random.key(0)).result)
    log-likelihood  -0.77 ± 0.40 nats a row  (exact; standard error over 2 rows; states listed)
    """
    prior, q = kinds(model, posterior, rows)
    if method == "auto":
        method = "listing" if listable(prior) else "quadrature" if integrable(prior, q) else "importance"
    shift = np.zeros(len(rows.y)) if offset is None else np.asarray(offset, np.float64)
    shared: dict[str, Any] = {"weight": rows.weight, "groups": groups, "reference": reference}
    if method == "listing":
        values = listed(model, rows) + shift
        found = mean_result("log-likelihood", values, note="states listed", **shared)
        return LogLikelihood(values, method, (found,))
    if method == "quadrature":
        integrals = quadrature(model, posterior, rows, most=nodes)
        worst, values = float(np.max(integrals.error)), integrals.log_p + shift
        kind: Any = "exact" if worst <= TOLERANCE else "estimate"
        note = f"quadrature, largest error of a row {worst:.1g}"
        return LogLikelihood(values, method, (mean_result("log-likelihood", values, kind=kind, note=note, **shared),))
    if method != "importance":
        known = "auto, listing, quadrature, importance"
        raise UsageError(f"{method!r} is not known.", where="method", mend=f"Use one of {known}.")
    if posterior is None:
        mend = "Give the encoder that the model was trained with."
        raise UsageError("there is no q to draw from.", where="log_likelihood", mend=mend)
    drawn = weighted(model, posterior, rows, num_samples=num_samples, key=key)
    cells = (rows.y, rows.x, rows.mask)
    return LogLikelihood(drawn.jackknife + shift, method, _results(drawn, num_samples, shift, cells, shared), drawn)


def listed(model: LatentModel, rows: Batch) -> Float[np.ndarray, " n"]:
    """`log p(y | x)` of every row by listing the states, in nats. Raises `UsageError` where they are too many."""
    prior: Any = kinds(model, None, rows)[0]
    states = prior.n_states if listable(prior) else _LISTED  # `log_marginal` says what is wrong
    tile = int(np.clip(_LISTED // states, 1, TILE))
    return np.asarray(over_rows(_Marginal(), model, None, rows, key=jax.random.key(0), tile=tile), np.float64)


def _results(
    drawn: Weighted, num_samples: int, shift: np.ndarray, cells: tuple[Any, ...], shared: dict[str, Any]
) -> tuple[Result, ...]:
    weight = np.ones(len(shift)) if shared["weight"] is None else np.asarray(shared["weight"], np.float64)
    share = weight / weight.sum()

    def over_draws(errors: np.ndarray) -> float:
        return error_over_draws(errors, share, *cells)

    noise, most = over_draws(drawn.error), 4 * num_samples
    note = f"jackknife of {most:,} draws; {in_words(drawn.k_hat, share)}"
    errors: dict[str, Any] = {"monte_carlo_error": noise, "bias": float(share @ drawn.jackknife_bias)}
    name = "log-likelihood"
    best = mean_result(name, drawn.jackknife + shift, kind="estimate", note=note, **errors, **shared)
    bounds = []
    for j, draws in enumerate((num_samples, 2 * num_samples, most)):
        values, bias = drawn.bounds[:, j] + shift, float(share @ drawn.bias) * most / draws
        errors = {"monte_carlo_error": noise, "bias": bias}
        bounds.append(mean_result(f"bound of {draws:,} draws", values, kind="lower bound", **errors, **shared))
    noise = over_draws(drawn.elbo_error)
    elbo = mean_result("ELBO", drawn.elbo + shift, kind="lower bound", monte_carlo_error=noise, **shared)
    return best, *reversed(bounds), elbo
