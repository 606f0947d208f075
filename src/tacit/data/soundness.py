"""Whether a schema, or covariates, that come from a file can be some: parts set by name, nothing measured."""

from __future__ import annotations

import math
from typing import Any, get_args

from tacit.data.column import CODED, ROLES, Column
from tacit.data.columns import DType
from tacit.data.covariate import Covariate
from tacit.data.covariates import Covariates
from tacit.data.findings import Finding
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


def are_sound(covariates: Any) -> bool:
    """Whether covariates are what a fit can have measured; what it raises says no."""
    return (
        isinstance(covariates, Covariates)
        and all(map(_covariate, covariates.columns))
        and all(isinstance(finding, Finding) for finding in covariates.findings)
    )


def _covariate(one: Any) -> bool:
    numbers = (one.unit, one.center, one.spread, one.low, one.high)
    return (
        isinstance(one, Covariate)
        and is_sound(Schema((one.column,)))
        and type(one.value) is bool
        and type(one.indicator) is bool
        and one.transform in ("raw", "log", "log1p")
        and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
        and one.unit > 0
        and one.spread > 0
        and bool(one.names)
    )


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
    if column.grey:
        return levels == ()
    if not isinstance(levels, tuple) or not column.modelled or column.kind not in CODED:
        return levels == ()
    finite = all(not isinstance(level, float) or math.isfinite(level) for level in levels)
    types = {type(level) for level in levels}
    alike = finite and (types in ({str}, {bool}) or types <= {int, float})
    few = len(levels) == 2 if column.kind == "binary" else len(levels) >= 2
    return alike and few and len(set(levels)) == len(levels)
