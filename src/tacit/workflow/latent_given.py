"""Rows of a deep model given some of their cells: z drawn from p(z | cells), then the other cells given z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from tacit._device import compiled, placed
from tacit._typing import Array, Key, Scalar
from tacit.data.encode import Rows
from tacit.evaluation.result import Kind
from tacit.models import FullNormalLatent, LatentModel, NormalLatent
from tacit.workflow import latent_tiles
from tacit.workflow.latent_rows import FAR, Cells
from tacit.workflow.latent_weights import Nothing, WeightedDraws, drawn

if TYPE_CHECKING:
    from tacit.workflow.latent_table import LatentTable

FEWEST, MOST = 256, 4096  # draws of z that are weighted, a row
STEPS = 40  # of a Metropolis chain from every draw that was chosen
ROUGH = 50.0  # draws that carry the weight, below which rows drawn are rough
_ALL = 2**22  # weighted draws of all rows together, about
_AT_ONCE = 2**14  # chains


@dataclass(frozen=True, eq=False)
class GivenDraws:
    """`y` (n, s, d), s whole rows for every row; `effective` (n,), how many weighted draws of z carry the weight.

    `kind` is "exact" where the states of z are listed, else "estimate": z is then chosen out of `weighted` draws by
    their weights, and normal ones are moved by Metropolis steps, which leave p(z | cells) as it is.
    """

    y: Float[np.ndarray, "n s d"]
    kind: Kind
    effective: Float[np.ndarray, " n"]
    weighted: int

    @property
    def rough(self) -> bool:
        """Whether some row rests on so few draws that it may be far off."""
        return self.kind == "estimate" and bool(np.any(self.effective < ROUGH))


def given_draws(table: LatentTable, rows: Rows, n_draws: int, seed: int) -> GivenDraws:
    """Rows with their missing cells drawn given those that are there, `n_draws` times each.

    Sources: Rubin 1987 (importance resampling); Hesterberg 1995 (the draws are of a `Proposal`).
    """
    table.check_independent("given cells")
    rng = np.random.default_rng(seed)
    n = len(rows)
    if table.exact:
        prior: Any = table.model.prior(table.model.context(None))
        log_w, points = table.log_responsibilities(rows), np.asarray(prior.support())
    else:
        log_w, points = _weighted(table, rows, seed)
    order = np.argmax(log_w[:, None] + rng.gumbel(size=(n, n_draws, log_w.shape[1])), axis=2)
    z = points[order] if table.exact else points[np.arange(n)[:, None], order]
    x = None if rows.x is None else np.repeat(rows.x, n_draws, axis=0)
    flat = z.reshape(-1, *z.shape[2:])
    if isinstance(table.latent, NormalLatent | FullNormalLatent):
        flat = _moved(table, rows, x, flat, np.repeat(_spread(log_w, points), n_draws, axis=0), seed)
    keys = jax.random.split(jax.random.key(seed), len(flat))
    given = None if x is None else placed(x, jnp.float32)
    cells = Cells.of(rows.y)
    present = placed(np.repeat(np.clip(cells.y, -FAR, FAR), n_draws, axis=0), jnp.float32)
    seen = None if cells.observed is None else placed(np.repeat(cells.observed, n_draws, axis=0))
    y = np.array(latent_tiles.drawn(table.model, keys, placed(flat), given, present, seen), np.float64)
    y = np.where(np.isnan(rows.y)[:, None], y.reshape(n, n_draws, -1), rows.y[:, None])
    share = np.exp(log_w - logsumexp(log_w, axis=1, keepdims=True))
    return GivenDraws(y, table.kind, 1 / np.sum(share**2, axis=1), log_w.shape[1])


def _weighted(table: LatentTable, rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log weights (n, s) and draws of z (n, s, ...)."""
    number = int(np.clip(_ALL // max(len(rows), 1), FEWEST, MOST))
    of_row = WeightedDraws(number, Nothing(), keep_events=True)
    log_w, _, z = drawn(of_row, table.model, table.posterior, table.batch(rows), jax.random.key(seed))
    return np.asarray(log_w, np.float64), np.asarray(z)


def _spread(log_w: Float[np.ndarray, "n s"], z: Float[np.ndarray, "n s l"]) -> Float[np.ndarray, "n l"]:
    """Scales of Metropolis steps: `2.4 / sqrt(l)` of the weighted standard deviations (Roberts and Rosenthal 2001)."""
    share = np.exp(log_w - logsumexp(log_w, axis=1, keepdims=True))[..., None]
    mean = np.sum(share * z, axis=1, keepdims=True)
    variance = np.sum(share * (z - mean) ** 2, axis=1)
    return 2.4 * np.sqrt(np.maximum(variance, 1e-6) / z.shape[2])


def _moved(table: LatentTable, rows: Rows, x: Any, z: np.ndarray, step: np.ndarray, seed: int) -> np.ndarray:
    """The draws after `STEPS` Metropolis steps each, tile by tile."""
    cells, repeats = Cells.of(rows.y), len(z) // len(rows)
    y = np.repeat(np.clip(cells.y, -FAR, FAR), repeats, axis=0)
    observed = None if cells.observed is None else np.repeat(cells.observed, repeats, axis=0)
    size = min(_AT_ONCE, 1 << (len(z) - 1).bit_length())
    key, found = jax.random.key(seed + 1), []
    for i in range(0, len(z), size):
        part = slice(i, i + size)
        start, steps, rest = (placed(_padded(a[part], size), jnp.float32) for a in (z, step, y))
        given = None if x is None else placed(_padded(x[part], size), jnp.float32)
        seen = None if observed is None else placed(_padded(observed[part], size))
        ends = _chains(table.model, jax.random.fold_in(key, i), start, steps, rest, given, seen)
        found.append(np.asarray(ends))
    return np.concatenate(found)[: len(z)]


def _padded(a: np.ndarray, size: int) -> np.ndarray:
    return np.pad(a, ((0, size - len(a)), (0, 0)), mode="edge")


@compiled
def _chains(model: LatentModel, key: Key, z: Array, step: Array, y: Array, x: Any, observed: Any) -> Array:
    """Random-walk Metropolis chains that leave `p(z | present cells)` invariant; their ends."""

    def chain(key: Key, z: Array, step: Array, y: Array, x: Any, observed: Any) -> Array:
        context = model.context(x)
        prior = model.prior(context)

        def log_joint(z: Array) -> Scalar:
            return prior.log_prob(z) + model.log_likelihood(z, context, y, observed)

        def move(state: tuple[Array, Scalar], key: Key) -> tuple[tuple[Array, Scalar], None]:
            z, at = state
            key_step, key_accept = jax.random.split(key)
            new = z + step * jax.random.normal(key_step, z.shape, z.dtype)
            there = log_joint(new)
            taken = jnp.log(jax.random.uniform(key_accept, (), z.dtype)) < there - at
            return (jnp.where(taken, new, z), jnp.where(taken, there, at)), None

        (z, _), _ = jax.lax.scan(move, (z, log_joint(z)), jax.random.split(key, STEPS))
        return z

    return jax.vmap(chain)(jax.random.split(key, len(z)), z, step, y, x, observed)
