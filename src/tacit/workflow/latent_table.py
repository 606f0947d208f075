"""A deep latent-variable model of the columns of a table, and what it can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._typing import Event
from tacit.data.decode import decode
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.distributions.autoregressive import AbstractAutoregressive
from tacit.evaluation.importance import Estimates, importance
from tacit.evaluation.result import Kind
from tacit.models import LatentModel
from tacit.models.enumeration import listable
from tacit.workflow import latent_density, latent_tiles
from tacit.workflow.latent_points import best_events
from tacit.workflow.latent_rows import Cells
from tacit.workflow.latent_tiles import SAMPLES

_SEED = 0  # of every estimate: the same figure at every call


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
            latent_tiles.posteriors(self.posterior, *tile)
            for tile in latent_tiles.tiles(cells.y, cells.observed, len(cells.y))
        ]
        return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(rows)], *tiles)

    @property
    def factorised(self) -> bool:
        """Whether the latents are independent before a row is seen."""
        return not isinstance(self.model.prior(self.model.context(None)), AbstractAutoregressive)

    def divergences(self, rows: Rows) -> Float[np.ndarray, "n j"]:
        """What every latent says of every row, in nats: `KL(q(z_j | y) || p(z_j))`.

        Where the prior is not factorised the mean of q(z_j | y) over these rows stands for p(z_j).
        """
        qs = self.posteriors(rows)
        if self.factorised:
            return np.asarray(latent_tiles.divergences(self.model, qs))
        log_q = np.asarray(jax.nn.log_softmax(latent_tiles.as_states(qs.logits)), np.float64)
        log_mean = np.logaddexp.reduce(log_q, axis=0) - np.log(len(log_q))
        return np.sum(np.exp(log_q) * (log_q - log_mean), axis=-1)

    def rates(self, rows: Rows) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"] | None]:
        """`KL(q(z | y) || p(z))` of every row; and its error, where the prior is not factorised, from draws of q."""
        if self.factorised:
            return self.divergences(rows).sum(axis=1), None
        ratios = self._tiled(latent_tiles.sampled_rates, rows, _SEED)[0].astype(np.float64)
        return ratios.mean(axis=1), ratios.std(axis=1, ddof=1) / np.sqrt(SAMPLES)

    def moments(self, events: Event) -> Float[np.ndarray, "n m"]:
        """`latent_points.moments` of the columns at every latent event (n, ...), relaxed ones too."""
        return np.asarray(latent_tiles.latent_moments(self.model, jnp.asarray(events, jnp.float32)), np.float64)

    def expected(self, rows: Rows) -> Float[np.ndarray, "n m"]:
        """Mean of `moments` over `p(z | y)` for every row: exact, or by importance sampling from q."""
        if self.exact:
            prior: Any = self.model.prior(self.model.context(None))
            return np.exp(self.log_responsibilities(rows)) @ self.moments(prior.support())
        return self._tiled(latent_tiles.expected_moments, rows, _SEED)[0].astype(np.float64)

    def draw(self, rows: Rows, n_draws: int, seed: int) -> Float[np.ndarray, "n s d"]:
        """Events (n, n_draws, d): every row with its missing cells drawn given those that are there.

        The latent is drawn from `p(z | y)`, exactly, or out of importance samples from q by their weights.
        """
        rng = np.random.default_rng(seed)
        if self.exact:
            prior: Any = self.model.prior(self.model.context(None))
            log_w, states = self.log_responsibilities(rows), np.asarray(prior.support())
        else:
            z, log_w = self._tiled(latent_tiles.importance_draws, rows, seed)
        order = np.argmax(log_w[:, None] + rng.gumbel(size=(len(rows), n_draws, log_w.shape[1])), axis=2)
        chosen = states[order] if self.exact else z[np.arange(len(rows))[:, None], order]
        keys = jax.random.split(jax.random.key(seed), order.size)
        drawn = latent_tiles.drawn(self.model, keys, jnp.asarray(chosen.reshape(-1, *chosen.shape[2:])))
        y = hidden(self.schema, np.array(drawn, np.float64).reshape(*order.shape, -1))
        return np.where(np.isnan(rows.y)[:, None], y, rows.y[:, None])

    def decode(self, y: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
        """Events as columns in the user's units."""
        return decode(self.schema, y)

    def impute(self, rows: Rows) -> Float[np.ndarray, "n d"]:
        """Events with every missing cell at its best single value given the present cells of its row."""
        best = best_events(self.schema, self.expected(rows))
        return np.where(np.isnan(rows.y), best, rows.y)

    def _tiled(self, answer: Any, rows: Rows, seed: int) -> tuple[np.ndarray, ...]:
        """What `answer` gives for every row from draws of q, tile by tile."""
        cells, key = Cells.of(rows.y), jax.random.key(seed)
        found = [
            jax.tree.leaves(answer(self.model, self.posterior, jax.random.fold_in(key, i), *tile))
            for i, tile in enumerate(latent_tiles.tiles(cells.y, cells.observed, len(rows)))
        ]
        return tuple(np.concatenate([np.asarray(a) for a in parts])[: len(rows)] for parts in zip(*found, strict=True))

    def sample(self, n: int, seed: int) -> tuple[Event, Float[np.ndarray, "n d"]]:
        """n latent events and the encoded rows (n, d) drawn from them."""
        size = min(latent_tiles.TILE, n)
        keys = jax.random.split(jax.random.key(seed), -(-n // size) * size)
        drawn = [latent_tiles.draws(self.model, keys[i : i + size]) for i in range(0, len(keys), size)]
        z, y = (np.concatenate([np.asarray(pair[part]) for pair in drawn])[:n] for part in (0, 1))
        return z, hidden(self.schema, y.astype(np.float64))


def hidden(schema: Schema, y: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
    """Drawn events as a table shows them: of a zero, the positive part is not seen."""
    layout = schema.layout
    for name in set(layout.normal) & set(layout.bernoulli):
        zero = y[..., layout.index("bernoulli", name)] == 0
        y[..., layout.index("normal", name)][zero] = np.nan
    return y
