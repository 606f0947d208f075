"""What an amortised posterior costs: `log p(y | x) = ELBO + KL(q(z | y, x) || p(z | y, x))`, all three listed."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, logsumexp

from tacit._device import compiled
from tacit._errors import UsageError
from tacit._typing import Array
from tacit.data.encode import Rows
from tacit.evaluation.result import Result, mean_result
from tacit.workflow.conditional_table import ConditionalTable


def gap(
    model: ConditionalTable, x: np.ndarray, rows: Rows, weight: np.ndarray | None, groups: ArrayLike | None
) -> tuple[Result, Result, Result]:
    """Means over rows and members of the log density, the bound and the divergence, exact, in nats a row.

    Every member is a model of its own here: the log density of their mixture, which `score_samples` gives, is above
    the mean of theirs. Raises `UsageError` for a model without an approximate posterior of a category.
    """
    if model.posteriors is None or hasattr(model.members.prior, "log_temperature"):
        mend = 'Fit with inference="amortised".'
        raise UsageError("there is no approximate posterior of a category.", where="gap", mend=mend)
    joints = model.member_log_joints(x, rows.y)  # (n, m, k)
    log_p = logsumexp(joints, axis=2)
    log_q = log_softmax(np.asarray(_posterior_logits(model.posteriors, rows.y, x), np.float64), axis=2)
    q = np.exp(log_q)
    bound = np.sum(q * (joints - log_q), axis=2)
    divergence = np.sum(q * (log_q - joints + log_p[..., None]), axis=2)

    def mean(name: str, values: np.ndarray, kind: Any, reference: str) -> Result:
        return mean_result(name, values, weight=weight, groups=groups, kind=kind, reference=reference)

    jacobian, reference = rows.log_jacobian, model.reference()
    return (
        mean("log-likelihood, mean over members", log_p.mean(axis=1) + jacobian, "exact", reference),
        mean("ELBO", bound.mean(axis=1) + jacobian, "lower bound", reference),
        mean("KL(q || posterior)", divergence.mean(axis=1), "exact", ""),
    )


@compiled
def _posterior_logits(posteriors: Any, y: Any, x: Any) -> Array:
    """Logits (n, m, k) of q for every row and member."""

    def row(y: Array, x: Array) -> Array:
        return eqx.filter_vmap(lambda encoder: encoder((y, x)).logits)(posteriors)

    return jax.vmap(row)(jnp.asarray(y, jnp.float32), jnp.asarray(x, jnp.float32))
