"""A deep latent-variable model of the columns of a table, and what it can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._device import placed
from tacit._errors import DataError, UsageError
from tacit._typing import Event
from tacit.data.batch import Batch
from tacit.data.covariates import Covariates
from tacit.data.decode import decode
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.distributions import Mixed
from tacit.distributions.autoregressive import AbstractAutoregressive
from tacit.distributions.predictive import AbstractNumericPrediction, AbstractPrediction
from tacit.evaluation.log_likelihood import LogLikelihood, log_likelihood
from tacit.evaluation.quadrature import integrable
from tacit.evaluation.result import Kind
from tacit.evaluation.weights import Weighted, weighted
from tacit.models import AutoregressiveDecoder, LatentModel
from tacit.models.enumeration import listable
from tacit.workflow import latent_density, latent_tiles
from tacit.workflow.latent_given import given_draws
from tacit.workflow.latent_impute import imputed
from tacit.workflow.latent_margins import margin_divergences
from tacit.workflow.latent_predict import predict
from tacit.workflow.latent_rows import FAR, Cells
from tacit.workflow.latent_tiles import SAMPLES
from tacit.workflow.latent_weights import DRAWS, Expected, Moments, Ratios, WeightedDraws, drawn

LISTED_IN_ORDER = 2**10  # states, where each takes a network over all rows
NODES = {1: 4096, 2: 128}  # of a quadrature, intervals a latent at most
_SEED = 0  # of every estimate: the same figure at every call


@dataclass(frozen=True, eq=False)
class LatentTable:
    """The density of a table's columns by `p(y) = sum_z p(z) p(y | z)`, and a posterior q(z | y).

    Where the latent can be listed, densities are exact; of one or two normal latents they are integrals; else they are
    estimates by importance weights of draws. Missing cells are left out of the likelihood, which is right when cells
    are missing at random. With `covariates` it is `p(y | x) = int p(z) p(y | z, x) dz`, and rows hold their x.
    """

    schema: Schema
    model: LatentModel
    posterior: Any  # Recognition
    covariates: Covariates | None = None

    @property
    def latent(self) -> Any:
        """The kind of latent."""
        return self.posterior.latent

    @property
    def independent(self) -> bool:
        """Whether columns are independent given z; else each is given those before it as well."""
        return not isinstance(self.model.likelihood, AutoregressiveDecoder)

    def check_independent(self, where: str) -> None:
        """Raise `UsageError` where a column cannot be told from z alone, and none can be left out."""
        if not self.independent:
            what = "columns of this model are one after the other: none is told by z alone, and none can be left out."
            raise UsageError(what, where=where, mend="Fit with decoder='independent' to ask this.")

    @property
    def exact(self) -> bool:
        """Whether the states of the latent can be listed, so that every answer is exact."""
        prior: Any = self.model.prior(self.model.context(None))
        return listable(prior) and (self.independent or prior.n_states <= LISTED_IN_ORDER)

    @property
    def kind(self) -> Kind:
        """The label of what averages over p(z | y)."""
        return "exact" if self.exact else "estimate"

    def log_prob(self, rows: Rows) -> Float[np.ndarray, " n"]:
        """`log p` of the present cells of every row, in nats and the user's units."""
        if not self.exact:
            return self.log_likelihood(rows).values
        cells = self._cells(rows)
        return latent_density.log_marginals(self.model, cells.y, cells.observed) + rows.log_jacobian

    def log_likelihood(
        self, rows: Rows, num_samples: int = SAMPLES, *, weight: Any = None, groups: Any = None
    ) -> LogLikelihood:
        """Of rows whose latent cannot be listed, in nats and the user's units: always the same for the same rows.

        By quadrature in double precision for one or two normal latents; else from importance weights.
        """
        settings: dict[str, Any] = {"key": jax.random.key(_SEED), "num_samples": -(-num_samples // 4), "nodes": NODES}
        settings |= {"groups": groups, "offset": rows.log_jacobian, "reference": self.schema.reference()}
        if not integrable(self.model.prior(self.model.context(None)), None):
            settings["method"] = "importance"
            return log_likelihood(self.model, self.posterior, self.batch(rows, weight), **settings)
        with jax.enable_x64(True):
            model, posterior = (latent_density.double(part) for part in (self.model, self.posterior))
            return log_likelihood(model, posterior, self.batch(rows, weight, np.inf), **settings)

    def weighted(self, rows: Rows, num_samples: int = SAMPLES) -> Weighted:
        """Bounds by importance weights of `num_samples` draws of q alone, in nats and the model's units."""
        settings: dict[str, Any] = {"num_samples": -(-num_samples // 4), "key": jax.random.key(_SEED), "modes": False}
        return weighted(self.model, self.posterior, self.batch(rows), **settings)

    def batch(self, rows: Rows, weight: Any = None, reach: float = FAR) -> Batch:
        """The rows as the core takes them, with 0 in missing cells; cells beyond `reach` are taken to lie there."""
        cells = self._cells(rows)
        return Batch(np.clip(cells.y, -reach, reach), rows.x, cells.observed, weight, None)

    def _cells(self, rows: Rows) -> Cells:
        """Rows whose missing cells, where there are some, the likelihood can leave out."""
        cells = Cells.of(rows.y)
        if cells.observed is not None and not self.independent:
            what = (
                "a cell is missing, or holds a level that was not seen in training, and columns of this model are one "
                "after the other: none can be left out."
            )
            place = f"row {int((~cells.observed).any(axis=1).argmax()) + 1}"
            mend = "Fill the cells in, leave these rows out, or fit with decoder='independent'."
            raise DataError(what, where=place, mend=mend)
        return cells

    def log_responsibilities(self, rows: Rows) -> Float[np.ndarray, "n k"]:
        """Log of the exact `p(z | y)` of every state; only where the latent can be listed."""
        cells = self._cells(rows)
        joints = latent_density.log_joints(self.model, cells.y, cells.observed)
        return joints - np.logaddexp.reduce(joints, axis=1, keepdims=True)

    def posteriors(self, rows: Rows) -> Any:
        """q(z | y) of every row, stacked, as NumPy arrays."""
        cells = self._cells(rows)
        tiles = [latent_tiles.posteriors(self.posterior, *tile) for tile in latent_tiles.tiles(cells, rows.x)]
        return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(rows)], *tiles)

    @property
    def factorised(self) -> bool:
        """Whether the latents are independent before a row is seen."""
        return not isinstance(self.model.prior(self.model.context(None)), AbstractAutoregressive | Mixed)

    def divergences(self, rows: Rows) -> Float[np.ndarray, "n j"]:
        """What every latent says of every row, in nats: `KL(q(z_j | y) || p(z_j))`.

        With a mixture of normals as the prior, p(z_j) is its margin; where the prior is autoregressive the mean of
        q(z_j | y) over these rows stands for p(z_j).
        """
        qs = self.posteriors(rows)
        if self.factorised:
            return np.asarray(latent_tiles.divergences(self.model, qs))
        prior = self.model.prior(self.model.context(None))
        if isinstance(prior, Mixed):
            return margin_divergences(np.asarray(qs.loc, float), np.sqrt(np.asarray(qs.variance, float)), prior)
        log_q = np.asarray(jax.nn.log_softmax(latent_tiles.as_states(qs.logits)), np.float64)
        log_mean = np.logaddexp.reduce(log_q, axis=0) - np.log(len(log_q))
        return np.sum(np.exp(log_q) * (log_q - log_mean), axis=-1)

    def rates(self, rows: Rows) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"] | None]:
        """`KL(q(z | y) || p(z))` of every row; and its error, where the prior is not factorised, from draws of q."""
        if self.factorised:
            return self.divergences(rows).sum(axis=1), None
        ratios = drawn(Ratios(SAMPLES), self.model, self.posterior, self.batch(rows), jax.random.key(_SEED))
        return ratios.mean(axis=1, dtype=float), ratios.std(axis=1, ddof=1) / np.sqrt(SAMPLES)

    def moments(self, events: Event, x: Float[np.ndarray, "n p"] | None = None) -> Float[np.ndarray, "n m"]:
        """`latent_points.moments` of the columns at every latent event (n, ...), relaxed ones too.

        Raises `UsageError` where columns are not independent given z.
        """
        self.check_independent("decoding")
        given = None if x is None else placed(x, jnp.float32)
        return np.asarray(latent_tiles.latent_moments(self.model, placed(events, jnp.float32), given), np.float64)

    def expected(self, rows: Rows) -> Float[np.ndarray, "n m"]:
        """Mean of `moments` over `p(z | y)` for every row: exact, or by weighted draws."""
        self.check_independent("missing cells")
        if self.exact:
            prior: Any = self.model.prior(self.model.context(None))
            return np.exp(self.log_responsibilities(rows)) @ self.moments(prior.support())
        of_row, key = Expected(WeightedDraws(DRAWS, Moments())), jax.random.key(_SEED)
        return np.asarray(drawn(of_row, self.model, self.posterior, self.batch(rows), key), np.float64)

    def draw(self, rows: Rows, n_draws: int, seed: int) -> Float[np.ndarray, "n s d"]:
        """Events (n, n_draws, d): every row with its missing cells drawn given those that are there.

        The latent is drawn from `p(z | y)`, exactly, or as `given_draws` says.
        """
        return hidden(self.schema, given_draws(self, rows, n_draws, seed).y)

    def decode(self, y: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
        """Events as columns in the user's units."""
        return decode(self.schema, y)

    def predict(self, rows: Rows, target: str) -> AbstractPrediction:
        """The distribution of one column given the other present cells of each row: `latent_predict.predict`."""
        return predict(self, rows, target)

    def best(self, prediction: AbstractPrediction, target: str) -> np.ndarray:
        """The best single value (n,) of a prediction of a column, by the rule of `impute`."""
        if not isinstance(prediction, AbstractNumericPrediction):
            return prediction.mode()
        return prediction.mean() if self.schema[target].kind == "real" else prediction.quantile(0.5)

    def impute(self, rows: Rows) -> Float[np.ndarray, "n d"]:
        """Events with every missing cell at its best single value: `latent_impute.imputed`."""
        return imputed(self, rows)

    def sample(
        self, n: int, seed: int, x: Float[np.ndarray, "n p"] | None = None
    ) -> tuple[Event, Float[np.ndarray, "n d"]]:
        """n latent events and the encoded rows (n, d) drawn from them, given covariates where the model has some."""
        size = min(latent_tiles.TILE, n)
        keys = jax.random.split(jax.random.key(seed), -(-n // size) * size)
        given = None if x is None else placed(np.pad(x, ((0, len(keys) - n), (0, 0))), jnp.float32)
        drawn = [
            latent_tiles.draws(self.model, keys[i : i + size], None if given is None else given[i : i + size])
            for i in range(0, len(keys), size)
        ]
        z, y = (np.concatenate([np.asarray(pair[part]) for pair in drawn])[:n] for part in (0, 1))
        return z, hidden(self.schema, y.astype(np.float64))


def zero_inflated(schema: Schema) -> tuple[tuple[int, int], ...]:
    """Of every zero-inflated column the places of its positive part, and of whether there is one."""
    layout = schema.layout
    names = [name for name in layout.normal if name in layout.bernoulli]
    return tuple((layout.index("normal", name), layout.index("bernoulli", name)) for name in names)


def hidden(schema: Schema, y: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
    """Drawn events as a table shows them: of a zero, the positive part is not seen."""
    for part, there in zero_inflated(schema):
        y[..., part][y[..., there] == 0] = np.nan
    return y
