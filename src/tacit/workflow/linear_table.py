"""A linear-Gaussian model of a table's columns: everything a mixture can be asked, and the latent itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tacit._device import compiled, placed
from tacit._errors import DataError
from tacit._typing import Array
from tacit.data.column import CHOSEN, Column, fit_column
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.distributions import MultivariateNormal, Product
from tacit.models import FiniteMixture
from tacit.models.linear_gaussian import LinearGaussianModel
from tacit.workflow.latent_rows import Cells
from tacit.workflow.table_mixture import TableMixture

TILE = 2048  # rows at once


@dataclass(frozen=True, eq=False)
class LinearTable(TableMixture):
    """`y = W z + b + e` over the real columns and the logarithms of positive ones, in the schema's units.

    Its density is the one normal `N(b, W W' + diag s^2)`, which is the `mixture`: columns given others are answered by
    it. Densities of rows and posteriors of z go by W, at the cost of as many dimensions as z has.
    """

    linear: LinearGaussianModel = field(kw_only=True)

    @classmethod
    def of(cls, schema: Schema, linear: LinearGaussianModel, **more: Any) -> Self:
        """With the normal that it implies."""
        with jax.enable_x64(True):
            marginal = jax.tree.map(jnp.asarray, linear.marginal)
            normal = MultivariateNormal.from_covariance(marginal.bias, marginal.covariance)
        block = jax.tree.map(lambda a: np.asarray(a)[None], normal)
        return cls(schema, FiniteMixture.of(np.zeros(1), Product((block,))), linear=linear, **more)

    def log_prob(self, rows: Rows) -> Float[np.ndarray, " n"]:
        return self._by_row(_log_marginal, rows.y) + rows.log_jacobian

    def latents(self, rows: Rows) -> tuple[Float[np.ndarray, "n l"], Float[np.ndarray, "n l l"]]:
        """Mean and covariance of `p(z | present cells)` of every row: exact."""
        found: tuple[np.ndarray, np.ndarray] = self._by_row(_posterior, rows.y)
        return found

    def events(self, z: Float[np.ndarray, "n l"]) -> Float[np.ndarray, "n d"]:
        """Encoded rows at their means given z."""
        decoder = self.linear.likelihood
        return np.asarray(z, float) @ decoder.weight.T + decoder.bias

    @property
    def loadings(self) -> Float[np.ndarray, "l d"]:
        """W' in the user's units (of the logarithm, for positive columns), in the order of the schema's layout."""
        return self.linear.likelihood.weight.T * self._scale

    @property
    def noise(self) -> Float[np.ndarray, " d"]:
        """Variance of each column given z, in the same units."""
        return np.exp(2 * self.linear.likelihood.log_scale) * self._scale**2

    @property
    def _scale(self) -> Float[np.ndarray, " d"]:
        return np.array([self.schema[name].scale for name in self.schema.layout.normal])

    def _by_row(self, answer: Any, y: Float[np.ndarray, "n d"]) -> Any:
        cells, n = Cells.of(y), len(y)
        count = max(-(-n // TILE), 1)
        size = -(-n // count)
        found = []
        with jax.enable_x64(True):
            model = jax.tree.map(jnp.asarray, self.linear)
            for start in range(0, n, size):
                part = slice(start, start + size)
                pad = ((0, start + size - min(start + size, n)), (0, 0))
                seen = None if cells.observed is None else placed(np.pad(cells.observed[part], pad))
                found.append(jax.tree.map(np.asarray, answer(model, placed(np.pad(cells.y[part], pad)), seen)))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:n], *found)


@compiled
def _log_marginal(model: LinearGaussianModel, y: Array, observed: Array | None) -> Array:
    return jax.vmap(model.log_marginal, (0, None if observed is None else 0))(y, observed)


@compiled
def _posterior(model: LinearGaussianModel, y: Array, observed: Array | None) -> tuple[Array, Array]:
    q = jax.vmap(model.posterior, (0, None if observed is None else 0))(y, observed)
    return q.loc, q.covariance


def numbers_as_real(table: Table, schema: Schema) -> Schema:
    """A schema that was inferred, with its columns of numbers real, but for those whose kind somebody chose.

    Raises `DataError` for columns that are left and are neither real nor positive.
    """

    def read(column: Column) -> Column:
        numeric = column.modelled and column.dtype in ("int", "float") and column.why != CHOSEN
        return fit_column(table, column.name, "real", "numbers") if numeric else column

    found = Schema(tuple(map(read, schema.columns)))
    check_columns(found, table.source)
    return found


def check_columns(schema: Schema, source: str) -> None:
    """Raise `DataError` for columns that are neither real nor positive."""
    odd = [column for column in schema.modelled if column.kind not in ("real", "positive")]
    if odd:
        what = f"column {odd[0].name!r} is {odd[0].kind}; a linear-Gaussian model is over real and positive columns."
        mend = "Leave it out, call it real if it holds numbers, or use a Mixture or a VAE."
        raise DataError(what, where=source, mend=mend)
