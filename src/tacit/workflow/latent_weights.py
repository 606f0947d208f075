"""p(z | present cells) as weighted points of z: all states where they can be listed, else draws; means over it."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from tacit._typing import Array, Key, Scalar
from tacit.data.batch import Batch
from tacit.evaluation.proposal import log_joint_of, proposal
from tacit.evaluation.rows import AbstractOfRow, over_rows
from tacit.inference.procedure import evidence
from tacit.models import LatentModel
from tacit.workflow.latent_points import moments, one_by_one
from tacit.workflow.latent_rows import FAR

DRAWS = 1024  # of z a row, for what is asked of one column given others
CHUNK = 64  # draws of a row at once
LEFT_OUT = 1e-9  # of the weight of a row


class Reading(eqx.Module):
    """What is kept of the columns' family at a point of z, as numbers (m,): of `one_by_one` columns."""

    @abc.abstractmethod
    def __call__(self, family: Any) -> Any:
        """The numbers."""


class Moments(Reading):
    """`latent_points.moments` of all columns."""

    def __call__(self, family: Any) -> Float[Array, " m"]:
        return moments(family)


class Nothing(Reading):
    """Nothing: a nought in its place, since none cannot be mapped over draws in chunks."""

    def __call__(self, family: Any) -> Float[Array, " m"]:
        return jnp.zeros(1)


class Several(Reading):
    """Several things, one after the other."""

    parts: tuple[Reading, ...]

    def __call__(self, family: Any) -> tuple[Float[Array, " m"], ...]:
        return tuple(part(family) for part in self.parts)


class WeightedDraws(AbstractOfRow):
    """`log w_s = log p(y, z_s | x) - log m(z_s)`, (s,), what is read of the columns at z_s, (s, m), and z_s itself.

    The draws are those of the row's `Proposal`: of q, of normals about modes and of the prior, in turn, so no weight is
    above eight times a likelihood, however little q knows of rows with so few cells. Of a row without a cell all are of
    the prior, with equal weights. Source: Hesterberg 1995 (defensive mixtures).
    """

    num_samples: int
    read: Reading
    keep_events: bool = False

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Any:
        context = model.context(x)
        q, prior = posterior(evidence(y, x, observed)), model.prior(context)
        empty = jnp.zeros((), bool) if observed is None else ~jnp.any(observed)
        key, key_modes = jax.random.split(key)

        log_joint = log_joint_of(model, prior, context, y, observed)

        def draw(inputs: tuple[Key, Array]) -> tuple[Scalar, Array, Array | None]:
            key, place = inputs
            z = m.sample_of(key, jnp.where(empty, -1, place))  # the prior's, of a row without a cell
            read = self.read(one_by_one(model.likelihood((z, context)), y, observed))
            return jnp.where(empty, 0.0, log_joint(z) - m.log_prob(z)), read, z if self.keep_events else None

        m = proposal(key_modes, q, prior, log_joint, holes=observed is not None)
        each = jax.random.split(key, self.num_samples)
        numbers = jnp.arange(self.num_samples)
        return jax.lax.map(draw, (each, numbers), batch_size=min(CHUNK, self.num_samples))


class Ratios(AbstractOfRow):
    """`log q(z_s | y, x) - log p(z_s | x)` at draws of q, (s,)."""

    num_samples: int

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Array:
        q, prior = posterior(evidence(y, x, observed)), model.prior(model.context(x))
        events = jax.vmap(q.sample)(jax.random.split(key, self.num_samples))
        return jax.vmap(lambda z: q.log_prob(z) - prior.log_prob(z))(events)


class Expected(AbstractOfRow):
    """The mean over `p(z | y, x)` of what is read of the columns, (m,)."""

    draws: WeightedDraws

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Array:
        log_w, values, _ = self.draws(key, model, posterior, y, x, observed)
        return jax.nn.softmax(log_w) @ values


class Points(NamedTuple):
    """Log weights (n, s) of points of z, of which each row's sum to one, and numbers read of the columns (n, s, m)."""

    log_weights: Float[np.ndarray, "n s"]
    values: Float[np.ndarray, "n s m"]

    @classmethod
    def of(cls, log_w: Float[ArrayLike, "n s"], values: Float[ArrayLike, "n s m"]) -> Points:
        """From weights that need not sum to one, without points that together have less than 1e-9 of a row's weight.

        As many are kept as the row that needs most of them has. In other rows those in excess have no weight and the
        numbers of the heaviest, and so have points whose numbers are not finite.
        """
        logs: np.ndarray = np.asarray(log_w, np.float64)
        logs = logs - logsumexp(logs, axis=1, keepdims=True)
        order = np.argsort(logs, axis=1)
        needed = np.cumsum(np.exp(np.take_along_axis(logs, order, axis=1)), axis=1) > LEFT_OUT
        most = int(needed.sum(axis=1).max())
        order, needed = order[:, : -most - 1 : -1], needed[:, : -most - 1 : -1]  # the heaviest first
        found = np.asarray(values)[np.arange(len(logs))[:, None], order].astype(np.float64)
        needed = needed & np.isfinite(found).all(axis=2)
        logs = np.where(needed, np.take_along_axis(logs, order, axis=1), -np.inf)
        heaviest = found[np.arange(len(found)), needed.argmax(axis=1)][:, None]
        return cls(logs - logsumexp(logs, axis=1, keepdims=True), np.where(needed[..., None], found, heaviest))

    @classmethod
    def joined(cls, parts: Sequence[Points]) -> Points:
        """Those of some rows after those of others."""
        most = max(part.log_weights.shape[1] for part in parts)
        pads = [((0, 0), (0, most - part.log_weights.shape[1])) for part in parts]
        log_w = [np.pad(p.log_weights, pad, constant_values=-np.inf) for p, pad in zip(parts, pads, strict=True)]
        values = [np.pad(p.values, (*pad, (0, 0)), mode="edge") for p, pad in zip(parts, pads, strict=True)]
        return cls(np.concatenate(log_w), np.concatenate(values))


def drawn(of_row: AbstractOfRow, model: LatentModel, posterior: Any, batch: Batch, key: Key) -> Any:
    """`of_row` of every row by draws that depend on `key` and on what the row holds, in single precision."""
    return over_rows(of_row, model, posterior, batch._replace(y=np.clip(batch.y, -FAR, FAR)), key=key)
