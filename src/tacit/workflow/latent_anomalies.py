"""How odd rows are under a deep model: by exact densities where states can be listed, else by equal draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.batch import Batch
from tacit.data.schema import Schema
from tacit.evaluation.rows import TILE, AbstractOfRow
from tacit.models import LatentModel
from tacit.workflow import latent_density
from tacit.workflow.anomalies import leaving_out, one_by_one
from tacit.workflow.latent_grey import is_grey, no_distribution
from tacit.workflow.latent_points import given_rest
from tacit.workflow.latent_rows import Cells
from tacit.workflow.latent_weights import Nothing, WeightedDraws, drawn

if TYPE_CHECKING:
    from tacit.workflow.latent_table import LatentTable

DRAWS, CELL_DRAWS = 64, 512  # of a row, for its density and for the surprise of its cells
_NUMBERS = 2**24  # held at once
_SEED = 2


class _Surprises(AbstractOfRow):
    """`log p(row less a column) - log p(row)` of every column, (columns,), by the same draws for all of them.

    With weights w of the whole row: `p(rest) = mean w / p(column | rest, z)`.
    """

    places: tuple[tuple[int, ...], ...]  # of every column in the event

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Array:
        context = model.context(x)
        seen = jnp.ones(y.shape, bool) if observed is None else observed
        draws = WeightedDraws(CELL_DRAWS, Nothing(), keep_events=True)
        log_w, _, events = draws(key, model, posterior, y, x, observed)
        own = jnp.stack([jnp.zeros(y.shape, bool).at[jnp.asarray(places)].set(True) & seen for places in self.places])

        def columns(inputs: tuple[Array, Array]) -> Array:
            z, log_w = inputs
            family: Any = given_rest(model.likelihood((z, context)), y, seen)
            of_column = jax.vmap(lambda only: family.log_prob(jnp.where(only, y, 0.0), only))(own)
            return log_w - of_column

        at_once = max(1, min(16, _NUMBERS // (TILE * own.size)))
        rest = jax.nn.logsumexp(jax.lax.map(columns, (events, log_w), batch_size=at_once), axis=0)
        return jnp.where(own.any(axis=1), rest - jax.nn.logsumexp(log_w), 0.0)


class _LogDensity(AbstractOfRow):
    """The logarithm of the mean weight of a few draws."""

    def __call__(self, key: Key, model: LatentModel, posterior: Any, y: Array, x: Any, observed: Any) -> Array:
        log_w, _, _ = WeightedDraws(DRAWS, Nothing())(key, model, posterior, y, x, observed)
        return jax.nn.logsumexp(log_w) - jnp.log(DRAWS)


@dataclass(frozen=True, eq=False)
class OddsOfLatent:
    """What is asked of a deep model to judge how odd rows are.

    Where the density is estimated, that of every row, also of those the model draws for comparison, comes from as
    many draws, the same at every call: so p-values are right whatever its error. They refer to rows that the model
    draws: P-values of training rows are not kept. Raises `UsageError` for a model that has covariates.
    """

    model: LatentTable
    simulated: tuple[int, int, int] = (4000, 40_000, 500)

    def __post_init__(self) -> None:
        if self.model.covariates is not None:
            mend = "Rank rows by tacit score, or fit a model of all columns."
            raise UsageError("odd rows are judged by a density of all columns.", where="anomalies", mend=mend)
        self.model.check_independent("anomalies")
        if is_grey(self.schema):
            mend = "Rank rows by tacit score, or use likelihood='gaussian'."
            raise no_distribution("anomalies", mend)

    @property
    def schema(self) -> Schema:
        """How the columns are read."""
        return self.model.schema

    @cached_property
    def calibration(self) -> np.ndarray:
        """Those of rows that the model draws."""
        return np.linspace(0.0, 1.0, 2)

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """Of the present cells of events (n, D), in model units: (n,)."""
        cells = Cells.of(y)
        if self.model.exact:
            return latent_density.log_marginals(self.model.model, cells.y, cells.observed)
        return self._drawn(_LogDensity(), cells)

    def log_densities(self, y: np.ndarray, present: np.ndarray) -> Iterator[np.ndarray]:
        """Of events with only some cells left, one pattern after the other."""
        return one_by_one(self, y, present)

    def drawn(self, n: int, seed: int) -> np.ndarray:
        """Events (n, D)."""
        return self.model.sample(n, seed)[1]

    def surprises(self, y: np.ndarray) -> np.ndarray:
        """`-log p(column | rest of the row)` (n, columns) in nats: exact, or by draws."""
        if self.model.exact:
            return leaving_out(self, y)
        places = tuple(self.schema.layout.places(name) for name in self.schema.names)
        return self._drawn(_Surprises(places), Cells.of(y))

    def _drawn(self, of_row: AbstractOfRow, cells: Cells) -> np.ndarray:
        seen = np.ones(cells.y.shape, bool) if cells.observed is None else cells.observed  # one way for all patterns
        batch = Batch(cells.y, None, seen, None, None)
        found = drawn(of_row, self.model.model, self.model.posterior, batch, jax.random.key(_SEED))
        return np.asarray(found, np.float64)
