"""A deep latent-variable model of the columns of a table, and what it can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Event
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.distributions import kl_factors
from tacit.evaluation.importance import Estimates, importance
from tacit.evaluation.result import Kind
from tacit.inference.procedure import evidence
from tacit.models import LatentModel
from tacit.models.enumeration import listable
from tacit.workflow import latent_density
from tacit.workflow.latent_points import moments
from tacit.workflow.latent_rows import Cells

SAMPLES = 256  # importance samples a row, where the latent cannot be listed
_SEED = 0  # of every estimate: the same figure at every call
_TILE = 1024


@dataclass(frozen=True, eq=False)
class LatentTable:
    """The density of a table's columns by `p(y) = sum_z p(z) p(y | z)`, and a posterior q(z | y).

    Where the latent can be listed, densities are exact; else they are estimates by importance sampling from q. Missing
    cells are left out of the likelihood, which is right when cells are missing at random.
    """

    schema: Schema
    model: LatentModel
    posterior: Any  # Recognition

    @property
    def latent(self) -> Any:
        """The kind of latent."""
        return self.posterior.latent

    @property
    def exact(self) -> bool:
        """Whether densities are exact."""
        return listable(self.model.prior(self.model.context(None)))

    @property
    def kind(self) -> Kind:
        """The label of `log_prob`."""
        return "exact" if self.exact else "estimate"

    def log_prob(self, rows: Rows) -> Float[np.ndarray, " n"]:
        """`log p` of the present cells of every row, in nats and the user's units."""
        if not self.exact:
            return self.estimates(rows).log_p
        cells = Cells.of(rows.y)
        return latent_density.log_marginals(self.model, cells.y, cells.observed) + rows.log_jacobian

    def estimates(self, rows: Rows, num_samples: int = SAMPLES) -> Estimates:
        """By importance sampling from q, in nats and the user's units: always the same for the same rows."""
        cells, key = Cells.of(rows.y), jax.random.key(_SEED)
        settings: dict[str, Any] = {"num_samples": num_samples, "key": key, "observed": cells.observed}
        found = importance(self.model, self.posterior, cells.y, None, **settings)
        return found._replace(log_p=found.log_p + rows.log_jacobian, elbo=found.elbo + rows.log_jacobian)

    def log_responsibilities(self, rows: Rows) -> Float[np.ndarray, "n k"]:
        """Log of the exact `p(z | y)` of every state; only where the latent can be listed."""
        cells = Cells.of(rows.y)
        joints = latent_density.log_joints(self.model, cells.y, cells.observed)
        return joints - np.logaddexp.reduce(joints, axis=1, keepdims=True)

    def posteriors(self, rows: Rows) -> Any:
        """q(z | y) of every row, stacked, as NumPy arrays."""
        cells = Cells.of(rows.y)
        tiles = [
            _posteriors(self.posterior, *tile)
            for tile in _tiles(cells.y.astype(np.float32), cells.observed, len(cells.y))
        ]
        return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(rows)], *tiles)

    def divergences(self, rows: Rows) -> Float[np.ndarray, "n j"]:
        """`KL(q(z_j | y) || p(z_j))` of every row and latent, in nats."""
        prior = self.model.prior(self.model.context(None))
        return np.asarray(jax.vmap(lambda q: kl_factors(q, prior))(self.posteriors(rows)))

    def moments(self, events: Event) -> Float[np.ndarray, "n m"]:
        """`latent_points.moments` of the columns at every latent event (n, ...), relaxed ones too."""
        return np.asarray(_moments(self.model, jnp.asarray(events, jnp.float32)), np.float64)

    def sample(self, n: int, seed: int) -> tuple[Event, Float[np.ndarray, "n d"]]:
        """n latent events and the encoded rows (n, d) drawn from them."""
        keys = jax.random.split(jax.random.key(seed), -(-n // _TILE) * _TILE if n > _TILE else n)
        drawn = [_draws(self.model, keys[i : i + _TILE]) for i in range(0, len(keys), _TILE)]
        z, y = (np.concatenate([np.asarray(pair[part]) for pair in drawn])[:n] for part in (0, 1))
        return z, hidden(self.schema, y.astype(np.float64))


def hidden(schema: Schema, y: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
    """Drawn events as a table shows them: of a zero, the positive part is not seen."""
    layout = schema.layout
    for name in set(layout.normal) & set(layout.bernoulli):
        zero = y[..., layout.index("bernoulli", name)] == 0
        y[..., layout.index("normal", name)][zero] = np.nan
    return y


def _tiles(y: np.ndarray, observed: np.ndarray | None, n: int) -> list[tuple[Array, Array | None]]:
    """Rows in tiles of one of two sizes, the last filled up."""
    size = _TILE if n > 64 else 64

    def cut(a: np.ndarray, start: int) -> Array:
        part = a[start : start + size]
        return jnp.asarray(np.pad(part, ((0, size - len(part)), (0, 0))))

    return [(cut(y, i), None if observed is None else cut(observed, i)) for i in range(0, n, size)]


@eqx.filter_jit
def _posteriors(posterior: Any, y: Array, observed: Array | None) -> Any:
    return jax.vmap(lambda y, o: posterior(evidence(y, None, o)))(y, observed)


@eqx.filter_jit
def _moments(model: LatentModel, events: Array) -> Array:
    context = model.context(None)
    return jax.vmap(lambda z: moments(model.likelihood((z, context))))(events)


@eqx.filter_jit
def _draws(model: LatentModel, keys: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda key: model.sample(key))(keys)
