"""Weights and groups of rows in means over them: those given beside a table, and those that a schema names in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tacit.data.row_roles import group_codes, row_weights
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.estimators._checks import check_weight


def roles(
    schema: Schema, table: Table, sample_weight: ArrayLike | None, groups: ArrayLike | None
) -> tuple[Float[np.ndarray, " n"] | None, Any]:
    """Weights (n,) and groups (n,) of the rows of a table, None where there are none.

    A weight column of the schema multiplies `sample_weight`, as in `fit`; its group column counts where no `groups` are
    given. Columns that this table lacks are passed over.
    """
    weight = check_weight(sample_weight, len(table))
    named = {role: schema.with_role(role) for role in ("weight", "group")}
    held = {role for role, column in named.items() if column is not None and column.name in table.names}
    if "weight" in held:
        own = row_weights(schema, table)
        weight = own if weight is None else weight * own
    if groups is None and "group" in held:
        groups = group_codes(schema, table)
    return weight, groups
