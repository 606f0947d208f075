"""What the latent says of a row: rate and distortion, latents in use, codes never used, and collapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions import kl_factors
from tacit.evaluation.latent_use import LatentUse, latent_mean
from tacit.evaluation.result import Result, mean_result
from tacit.evaluation.row_key import error_over_draws
from tacit.evaluation.rows import AbstractOfRow, kinds, over_rows
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel

SAMPLES = 16


class _Figures(NamedTuple):
    rate: Array  # (j,) of every latent factor where there is a closed form, else () of all
    rate_error: Scalar
    distortion: Scalar
    distortion_error: Scalar
    q: Any


class _OfCode(AbstractOfRow):
    num_samples: int
    closed: bool

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> _Figures:
        context = model.context(x)
        q, prior = posterior(evidence(y, x, observed)), model.prior(context)

        def terms(key: Key) -> tuple[Scalar, Scalar]:
            z = q.sample(key)
            return model.log_likelihood(z, context, y, observed), q.log_prob(z) - prior.log_prob(z)

        likelihood, ratio = jax.vmap(terms)(jax.random.split(key, self.num_samples))
        root = jnp.sqrt(self.num_samples)
        rate = kl_factors(q, prior) if self.closed else jnp.mean(ratio)
        error = jnp.zeros(()) if self.closed else jnp.std(ratio, ddof=1) / root
        return _Figures(rate, error, -jnp.mean(likelihood), jnp.std(likelihood, ddof=1) / root, q)


@dataclass(frozen=True, eq=False)
class Code(LatentUse):
    """What the latent says of a row, and what each of its parts does.

    `rate`, `E KL(q || prior)`, and `distortion`, `-E log p(y | z)`: their sum is minus the ELBO.
    """

    rate: Result
    distortion: Result


def code(
    model: LatentModel,
    posterior: AbstractConditional,
    rows: Batch,
    *,
    key: Key,
    num_samples: int = SAMPLES,
    groups: ArrayLike | None = None,
) -> Code:
    """Rate, distortion, and the use of the latent, over rows; from `num_samples` draws of q a row, at least 2.

    >>> from tacit.distributions import DiagonalNormal
    >>> from tacit.models import Constant
    >>> normal = Constant(DiagonalNormal(jnp.zeros(2), jnp.zeros(2)))
    >>> rows = Batch(np.zeros((3, 2)), None, None, None, None)
    >>> found = code(LatentModel(normal, normal), normal, rows, key=jax.random.key(0))
    >>> found.verdict, found.rate.value
    ('collapsed', 0.0)
    """
    if num_samples < 2:
        raise UsageError(f"num_samples={num_samples} has no error.", where="code", mend="Use at least 2.")
    prior, q = kinds(model, posterior, rows)
    latent_mean(jax.tree.map(lambda a: a[None], q))  # refuses unknown latents
    closed = has_closed_kl(q, prior)
    found = _Figures(*over_rows(_OfCode(num_samples, closed), model, posterior, rows, key=key))
    share = np.ones(len(rows.y)) if rows.weight is None else np.asarray(rows.weight, np.float64)
    share = share / share.sum()
    rates = np.asarray(found.rate, np.float64)
    each = rates.reshape(len(rates), -1).sum(axis=1)

    def mean(name: str, values: Array, errors: Array, kind: Any) -> Result:
        noise = None
        if kind == "estimate":
            noise = error_over_draws(np.asarray(errors, np.float64), share, rows.y, rows.x, rows.mask)
        return mean_result(name, values, weight=rows.weight, groups=groups, kind=kind, monte_carlo_error=noise)

    use = LatentUse.of(found.q, rates.reshape(len(rates), -1) if closed else None, share)
    return Code(
        use.kl,
        use.variance,
        use.usage,
        mean("rate", each, found.rate_error, "exact" if closed else "estimate"),
        mean("distortion", found.distortion, found.distortion_error, "estimate"),
    )


def has_closed_kl(q: Any, prior: Any) -> bool:
    """Whether `kl_factors` knows the two."""
    try:
        jax.eval_shape(lambda: kl_factors(q, prior))
    except UsageError:
        return False
    return True
