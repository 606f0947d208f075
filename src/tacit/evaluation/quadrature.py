"""log p(y | x) of a model with one or two normal latents, by quadrature about q."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from tacit._device import placed
from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.distributions import AbstractDistribution, DiagonalNormal, MultivariateNormal
from tacit.evaluation.rows import AbstractOfRow, kinds, over_rows, subset
from tacit.inference.procedure import evidence
from tacit.models import AbstractConditional, LatentModel

FIRST, MOST = 32, {1: 4096, 2: 512}  # intervals a latent: to begin with, and at most
TOLERANCE = 1e-4  # nats a row
CALM = 4.0  # how much less than the change before it an error may be: of kinks, a doubling takes it to a quarter
REACH = 10.0  # standard deviations of prior and of q that are integrated over
CHUNK = {1: 64, 2: 512}  # nodes at once
_NORMAL = (DiagonalNormal, MultivariateNormal)


class Integrals(NamedTuple):
    """Of every row (n,): `log_p` in nats, and its `error`, from the last two doublings of the nodes a latent."""

    log_p: Float[np.ndarray, " n"]
    error: Float[np.ndarray, " n"]


class _Integral(AbstractOfRow):
    """`log int p(z | x) p(y | z, x) dz` on a grid, and on every other node of it.

    The trapezoid rule in u with `z = m + L sinh(u)`: dense about q = N(m, L L'), and reaching over the prior.
    """

    intervals: Int[Array, ""]  # an even number

    def __call__(
        self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any
    ) -> tuple[Scalar, Scalar]:
        context = model.context(x)
        prior: Any = model.prior(context)
        q: Any = prior if posterior is None else posterior(evidence(y, x, observed))
        loc, factor = q.loc, _factor(q)
        inverse = jnp.abs(jnp.linalg.inv(factor))
        whole = inverse @ (jnp.abs(loc - prior.loc) + REACH * jnp.sqrt(prior.variance))  # of q, in standard deviations
        half_width = jnp.arcsinh(jnp.maximum(whole, REACH))
        d, n, chunk = loc.shape[0], self.intervals, CHUNK[loc.shape[0]]

        def log_term(place: Int[Array, " d"]) -> Scalar:
            u = half_width * (2 * place / n - 1).astype(loc.dtype)
            z = loc + factor @ jnp.sinh(u)
            slope = jnp.sum(jnp.log(jnp.cosh(u))) + jnp.sum(jnp.log(jnp.diagonal(factor)))
            return prior.log_prob(z) + model.log_likelihood(z, context, y, observed) + slope

        def add(i: Array, sums: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
            number = i * chunk + jnp.arange(chunk)
            places = jnp.stack([number // (n + 1) ** j % (n + 1) for j in range(d)], axis=1)
            terms = jnp.where(number < (n + 1) ** d, jax.vmap(log_term)(places), -jnp.inf)
            even = jnp.where(jnp.all(places % 2 == 0, axis=1), terms, -jnp.inf)
            fine, coarse = (jnp.logaddexp(s, jax.nn.logsumexp(t)) for s, t in zip(sums, (terms, even), strict=True))
            return fine, coarse

        nothing = jnp.asarray(-jnp.inf, loc.dtype)
        fine, coarse = jax.lax.fori_loop(0, -(-((n + 1) ** d) // chunk), add, (nothing, nothing))
        spacing = jnp.sum(jnp.log(2 * half_width / n))
        return fine + spacing, coarse + spacing + d * jnp.log(2.0).astype(loc.dtype)


def quadrature(
    model: LatentModel,
    posterior: AbstractConditional | None,
    rows: Batch,
    *,
    tolerance: float = TOLERANCE,
    most: Mapping[int, int] = MOST,
) -> Integrals:
    """`log p(y | x) = log int p(z | x) p(y | z, x) dz` of every row, for one or two normal latents, in nats.

    The nodes lie about q (about the prior where `posterior` is None) and are doubled for the rows whose figure still
    changes by more than `tolerance`, up to `most` intervals a latent; `error` is the last change, or a quarter of
    the change before it where that is more: an estimate, which networks with kinks have exceeded by two or three times.
    Raises `UsageError` for other latents.

    >>> from tacit.models import Constant, AbstractConditional
    >>> class Noisy(AbstractConditional):
    ...     def __call__(self, context):
    ...         return DiagonalNormal(context[0], jnp.zeros(1))
    >>> model = LatentModel(Constant(DiagonalNormal(jnp.zeros(1), jnp.zeros(1))), Noisy())
    >>> found = quadrature(model, None, Batch(np.array([[1.0]]), None, None, None, None))
    >>> print(found.log_p.round(4))  # that of N(0, 2) at 1
    [-1.5155]
    """
    dimensions = check_quadrature(model, posterior, rows)
    intervals = FIRST
    log_p, error, open_rows = np.empty(len(rows.y)), np.empty(len(rows.y)), np.arange(len(rows.y))
    last = np.full(len(rows.y), np.inf)  # so that there are two changes at least
    while len(open_rows):
        tile = 64 if dimensions == 1 else 16
        part = subset(rows, open_rows)
        fine, coarse = over_rows(_Integral(placed(intervals)), model, posterior, part, key=jax.random.key(0), tile=tile)
        change = np.abs(np.asarray(fine, np.float64) - coarse)
        # networks with corners: changes fall by about 4 a doubling, unevenly, and one may be small by chance
        log_p[open_rows], error[open_rows] = fine, np.maximum(change, last[open_rows] / CALM)
        last[open_rows] = change
        intervals *= 2
        settled = error[open_rows] <= tolerance  # false where not a number
        open_rows = open_rows[~settled] if intervals <= most[dimensions] else open_rows[:0]
    return Integrals(log_p, error)


def integrable(prior: AbstractDistribution, q: AbstractDistribution | None) -> bool:
    """Whether quadrature applies: one or two latents, normal in the prior and in q."""
    return isinstance(prior, _NORMAL) and (q is None or isinstance(q, _NORMAL)) and prior.n_columns in MOST


def check_quadrature(model: LatentModel, posterior: AbstractConditional | None, rows: Batch) -> int:
    """The number of latents; raises `UsageError` where quadrature does not apply."""
    prior, q = kinds(model, posterior, rows)
    if not integrable(prior, q):
        what = f"quadrature is for one or two normal latents, not for {type(prior).__name__}."
        raise UsageError(what, where="quadrature", mend="Use importance weights.")
    return int(prior.n_columns)  # type: ignore[attr-defined]


def _factor(q: Any) -> Float[Array, "d d"]:
    """The Cholesky factor of the covariance."""
    if isinstance(q, MultivariateNormal):
        return q.scale_tril
    return jnp.diag(jnp.exp(q.log_scale) * jnp.ones_like(q.loc))
