"""What the latent says of a row: rate and distortion, units in use, codes never used, and whether it has collapsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions import Bernoulli, Categorical, Categoricals, kl_factors
from tacit.evaluation.result import Result, mean_result
from tacit.evaluation.rows import AbstractOfRow, kinds, over_rows
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel

ACTIVE = 0.01  # variance over rows of the mean of a unit, from which on it is active (Burda et al. 2016)
COLLAPSED = 0.05  # nats: a rate below this says nothing of a row
SAMPLES = 16


class _Figures(NamedTuple):
    rate: Array  # (j,) of every latent factor where there is a closed form, else () of all
    rate_error: Scalar
    distortion: Scalar
    distortion_error: Scalar
    mean: Array  # of the latent


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
        return _Figures(rate, error, -jnp.mean(likelihood), jnp.std(likelihood, ddof=1) / root, latent_mean(q))


@dataclass(frozen=True, eq=False)
class Code:
    """What the latent says of a row.

    `rate`, `E KL(q || prior)`, and `distortion`, `-E log p(y | z)`: their sum is minus the ELBO. `kl` (j,): the rate of
    each latent factor in nats, None where it has no closed form. `variance` (j,): over rows, of the mean of each
    factor under q (the largest of its states); `active` where above .01. `unused`: pairs (factor, state) that are no
    row's most probable one; None for a latent that is not discrete.
    """

    rate: Result
    distortion: Result
    kl: Float[np.ndarray, " j"] | None
    variance: Float[np.ndarray, " j"]
    unused: list[tuple[int, int]] | None

    @property
    def active(self) -> Bool[np.ndarray, " j"]:
        """Which factors are in use."""
        return self.variance > ACTIVE

    @property
    def verdict(self) -> str:
        """One of "collapsed", "partly collapsed", "in use"."""
        if self.rate.value < COLLAPSED or not self.active.any():
            return "collapsed"
        return "in use" if self.active.mean() > 0.5 else "partly collapsed"

    @property
    def remedy(self) -> str:
        """What to try; empty where nothing is wrong."""
        if self.verdict == "collapsed":
            return "Raise beta slowly from 0, set free_bits (about .1 nats a latent), or take a weaker decoder."
        if self.verdict == "partly collapsed":
            return (
                f"Only {int(self.active.sum())} of {len(self.active)} latents are used: fewer would do, or free_bits."
            )
        return ""


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
    closed = has_closed_kl(q, prior)
    found = _Figures(*over_rows(_OfCode(num_samples, closed), model, posterior, rows, key=key))
    share = np.ones(len(rows.y)) if rows.weight is None else np.asarray(rows.weight, np.float64)
    share = share / share.sum()
    rates = np.asarray(found.rate, np.float64)
    each = rates.reshape(len(rates), -1).sum(axis=1)

    def mean(name: str, values: Array, errors: Array, kind: Any) -> Result:
        noise = float(np.sqrt(np.sum((share * np.asarray(errors, np.float64)) ** 2))) if kind == "estimate" else None
        return mean_result(name, values, weight=rows.weight, groups=groups, kind=kind, monte_carlo_error=noise)

    means = np.asarray(found.mean, np.float64)
    centred = means - np.tensordot(share, means, axes=1)
    variance = np.tensordot(share, centred**2, axes=1)
    return Code(
        mean("rate", each, found.rate_error, "exact" if closed else "estimate"),
        mean("distortion", found.distortion, found.distortion_error, "estimate"),
        share @ rates if closed else None,
        variance if variance.ndim == 1 else variance.max(axis=1),
        _unused(q, means[share > 0]),
    )


def latent_mean(q: Any) -> Array:
    """`E_q z`: (j,) of normals and bits, (j, k) of categories. Raises `UsageError` for other latents."""
    if isinstance(q, Bernoulli):
        return q.probs
    if isinstance(q, Categorical | Categoricals):
        return jnp.atleast_2d(jax.nn.softmax(q.logits))
    if not hasattr(q, "loc"):
        raise UsageError(f"the mean of {type(q).__name__} is not known.", mend="Use a normal or discrete posterior.")
    return q.loc


def has_closed_kl(q: Any, prior: Any) -> bool:
    """Whether `kl_factors` knows the two."""
    try:
        jax.eval_shape(lambda: kl_factors(q, prior))
    except UsageError:
        return False
    return True


def _unused(q: Any, means: np.ndarray) -> list[tuple[int, int]] | None:
    """Pairs (factor, state) that no row is most probably at."""
    if not isinstance(q, Bernoulli | Categorical | Categoricals):
        return None
    probabilities = np.stack([1 - means, means], axis=-1) if means.ndim == 2 else means
    best = probabilities.argmax(axis=-1)  # (n, j)
    j, k = probabilities.shape[1:]
    return [(int(d), int(s)) for d in range(j) for s in np.setdiff1d(np.arange(k), best[:, d])]
