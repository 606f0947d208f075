"""A deep latent-variable model of the columns of a table, and what it can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Array, Event, Key
from tacit.data.decode import decode
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.distributions import kl_factors
from tacit.evaluation.importance import Estimates, importance
from tacit.evaluation.result import Kind
from tacit.inference.procedure import evidence
from tacit.models import LatentModel
from tacit.models.enumeration import listable
from tacit.workflow import latent_density
from tacit.workflow.latent_points import best_events, moments
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
        return np.asarray(_divergences(self.model, self.posteriors(rows)))

    def moments(self, events: Event) -> Float[np.ndarray, "n m"]:
        """`latent_points.moments` of the columns at every latent event (n, ...), relaxed ones too."""
        return np.asarray(_moments(self.model, jnp.asarray(events, jnp.float32)), np.float64)

    def expected(self, rows: Rows) -> Float[np.ndarray, "n m"]:
        """Mean of `moments` over `p(z | y)` for every row: exact, or by importance sampling from q."""
        if self.exact:
            prior: Any = self.model.prior(self.model.context(None))
            return np.exp(self.log_responsibilities(rows)) @ self.moments(prior.support())
        z, log_w = self._weighted(rows, _SEED)
        shares = np.exp(log_w - np.logaddexp.reduce(log_w, axis=1, keepdims=True))
        every = self.moments(z.reshape(-1, *z.shape[2:])).reshape(*z.shape[:2], -1)
        return np.einsum("ns,nsm->nm", shares, every)

    def draw(self, rows: Rows, n_draws: int, seed: int) -> Float[np.ndarray, "n s d"]:
        """Events (n, n_draws, d): every row with its missing cells drawn given those that are there.

        The latent is drawn from `p(z | y)`, exactly, or out of importance samples from q by their weights.
        """
        rng = np.random.default_rng(seed)
        if self.exact:
            prior: Any = self.model.prior(self.model.context(None))
            log_w, states = self.log_responsibilities(rows), np.asarray(prior.support())
        else:
            z, log_w = self._weighted(rows, seed)
        order = np.argmax(log_w[:, None] + rng.gumbel(size=(len(rows), n_draws, log_w.shape[1])), axis=2)
        chosen = states[order] if self.exact else z[np.arange(len(rows))[:, None], order]
        keys = jax.random.split(jax.random.key(seed), order.size)
        drawn = _drawn(self.model, keys, jnp.asarray(chosen.reshape(-1, *chosen.shape[2:])))
        y = hidden(self.schema, np.array(drawn, np.float64).reshape(*order.shape, -1))
        return np.where(np.isnan(rows.y)[:, None], y, rows.y[:, None])

    def decode(self, y: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
        """Events as columns in the user's units."""
        return decode(self.schema, y)

    def impute(self, rows: Rows) -> Float[np.ndarray, "n d"]:
        """Events with every missing cell at its best single value given the present cells of its row."""
        best = best_events(self.schema, self.expected(rows))
        return np.where(np.isnan(rows.y), best, rows.y)

    def _weighted(self, rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws from q of every row, (n, s, ...), and their log-weights (n, s)."""
        cells = Cells.of(rows.y)
        found = [
            _importance_draws(self.model, self.posterior, jax.random.fold_in(jax.random.key(seed), i), *tile)
            for i, tile in enumerate(_tiles(cells.y.astype(np.float32), cells.observed, len(cells.y)))
        ]
        z, log_w = (np.concatenate([np.asarray(pair[part]) for pair in found])[: len(rows)] for part in (0, 1))
        return z, log_w

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
def _divergences(model: LatentModel, qs: Any) -> Array:
    prior = model.prior(model.context(None))
    return jax.vmap(lambda q: kl_factors(q, prior))(qs)


@eqx.filter_jit
def _moments(model: LatentModel, events: Array) -> Array:
    context = model.context(None)
    return jax.vmap(lambda z: moments(model.likelihood((z, context))))(events)


@eqx.filter_jit
def _importance_draws(model: LatentModel, posterior: Any, key: Key, y: Array, observed: Array | None) -> Any:
    """Draws and log-weights `log p(y, z) - log q(z | y)` of a tile of rows."""
    context = model.context(None)
    prior = model.prior(context)

    def row(key: Key, y: Array, observed: Array | None) -> Any:
        q = posterior(evidence(y, None, observed))

        def one(key: Key) -> Any:
            z = q.sample(key)
            return z, model.log_likelihood(z, context, y, observed) + prior.log_prob(z) - q.log_prob(z)

        return jax.vmap(one)(jax.random.split(key, SAMPLES))

    return jax.vmap(row)(jax.random.split(key, len(y)), y, observed)


@eqx.filter_jit
def _drawn(model: LatentModel, keys: Array, events: Array) -> Array:
    context = model.context(None)
    return jax.vmap(lambda key, z: model.likelihood((z, context)).sample(key))(keys, events)


@eqx.filter_jit
def _draws(model: LatentModel, keys: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda key: model.sample(key))(keys)
