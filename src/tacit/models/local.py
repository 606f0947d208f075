"""A posterior without an encoder: a table with the parameters of every row's own q."""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Int

from tacit._typing import Array
from tacit.distributions import AbstractDistribution
from tacit.models.latent import AbstractConditional


class PerRow(AbstractConditional):
    """One q for each of n rows, by the row's place in the table; a row begins where `start` puts it.

    `start` is any posterior: a `Constant`, or an encoder whose q is to be refined row by row. It is not trained.
    `table` holds the parameters of all rows, (n, ...) each; `seen` (n,) marks those that are no longer at their start.
    Called with the evidence of a row it gives its start: for a row whose place is not told nothing else is known.

    >>> from tacit.distributions import Bernoulli
    >>> from tacit.models import Constant
    >>> rows = PerRow.of(Constant(Bernoulli(jnp.zeros(2))), n_rows=5, sample=(jnp.zeros(3), None))
    >>> rows.table.logits.shape
    (5, 2)
    """

    start: AbstractConditional
    table: Any  # a distribution whose arrays have a leading axis of rows
    seen: Bool[Array, "*m n"]

    @classmethod
    def of(cls, start: AbstractConditional, *, n_rows: int, sample: tuple[Any, ...]) -> Self:
        """For a table of n rows; `sample` is the evidence of any of them."""
        q = start(sample)
        table = jax.tree.map(lambda a: jnp.zeros((n_rows, *jnp.shape(a)), jnp.result_type(a)), q)
        return cls(start, table, jnp.zeros(n_rows, bool))

    def __call__(self, context: Any) -> AbstractDistribution:
        return self.start(context)

    def gather(self, index: Int[Array, " b"], starts: Any) -> Any:
        """q of the rows at these places, stacked: `starts` for those not yet seen, and for places out of the table."""
        seen = self.seen.at[index].get(mode="fill", fill_value=False)

        def rows(table: Array, start: Array) -> Array:
            found = table.at[index].get(mode="clip")
            return jnp.where(seen.reshape(-1, *[1] * (found.ndim - 1)), found, start)

        return jax.tree.map(rows, self.table, starts)

    def scatter(self, index: Int[Array, " b"], qs: Any) -> Self:
        """The table with these rows replaced; places out of it, which are padding, are dropped."""
        table = jax.tree.map(lambda whole, part: whole.at[index].set(part, mode="drop"), self.table, qs)
        return eqx.tree_at(lambda p: (p.table, p.seen), self, (table, self.seen.at[index].set(True, mode="drop")))
