"""Whether a schema that comes from a file can be one: its parts were set by name, and nothing was measured."""

from __future__ import annotations

import math
from typing import Any, get_args

from tacit.data.column import CODED, ROLES, Column
from tacit.data.columns import DType
from tacit.data.kinds import KINDS
from tacit.data.schema import Schema


def is_sound(schema: Any) -> bool:
    """Whether the columns have names, kinds, roles, levels and measures that a fitted schema can have.

    Example:
        >>> column = Column("x", "real", scale=2.0, floor=0.1)
        >>> is_sound(Schema((column,))), is_sound(Schema((column, column))), is_sound("x")
        (True, False, False)
    """
    if not isinstance(schema, Schema) or not isinstance(schema.columns, tuple):
        return False
    if not all(isinstance(column, Column) and _column(column) for column in schema.columns):
        return False
    names = [column.name for column in schema.columns]
    holders = [column.role for column in schema.columns if column.role in ("weight", "group", "time")]
    return len(set(names)) == len(names) and len(set(holders)) == len(holders) and bool(schema.names)


def _column(column: Column) -> bool:
    measures = (column.center, column.scale, column.floor)
    return (
        isinstance(column.name, str)
        and bool(column.name)
        and column.kind in KINDS
        and column.role in ROLES
        and column.dtype in get_args(DType)
        and isinstance(column.why, str)
        and all(type(value) in (int, float) and math.isfinite(value) for value in measures)
        and column.scale > 0
        and column.floor >= 0
        and _levels(column)
    )


def _levels(column: Column) -> bool:
    """Levels of one type, all distinct: two of a binary column, more of a categorical one, none of the others."""
    levels = column.levels
    if not isinstance(levels, tuple) or not column.modelled or column.kind not in CODED:
        return levels == ()
    finite = all(not isinstance(level, float) or math.isfinite(level) for level in levels)
    types = {type(level) for level in levels}
    alike = finite and (types in ({str}, {bool}) or types <= {int, float})
    few = len(levels) == 2 if column.kind == "binary" else len(levels) >= 2
    return alike and few and len(set(levels)) == len(levels)
