"""How the targets of a conditional model are read, measured, and seen by training."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from tacit._errors import DataError
from tacit.data.column import Column, fit_column
from tacit.data.encode import Rows
from tacit.data.facts import Facts
from tacit.data.findings import Finding
from tacit.data.kinds import read_as
from tacit.data.schema import Schema
from tacit.data.table import Table

Support = Literal["auto", "positive", "real"]
CONTINUOUS = ("real", "positive")
REACH = 30.0  # of a target in training, in its scale about the median
WIDEST = 1.0  # s.d. of the logarithm that a component may have even where the target's own is less
MARGIN = (3.0, 7.0)  # that means may lie beyond the training values of a logged target: in its s.d., in logarithms
FREE = 1e30  # a reach that holds nothing


def target_column(table: Table, schema: Schema, name: str, support: Support) -> Column:
    """How a target is read; zero-inflated ones and those chosen to be are real."""
    column = next((one for one in schema.columns if one.name == name), None)
    kind = None if column is None or column.kind == "id" else column.kind
    if support != "auto" and kind in (*CONTINUOUS, "zero-inflated", "count"):
        kind = support
    elif kind == "zero-inflated":
        kind = "real"
    if column is None or kind is None:
        if column is not None and table.present(name).any() and Facts.of(table, name).n_distinct == 1:
            raise DataError("has one value in all rows.", where=table.where(column=name), mend="Choose another target.")
        why = "" if column is None else f" ({column.why})"
        raise DataError(
            f"cannot be a target as it is read{why}.",
            where=table.where(column=name),
            mend=f"Say what it holds with {read_as(name, 'real')}, or choose another target.",
        )
    if kind == column.kind:
        return column
    return Schema.infer(table, types={name: kind})[name]


def about_targets(table: Table, schema: Schema, holes: np.ndarray) -> tuple[Finding, ...]:
    findings = []
    if holes.any():
        message = f"{holes.sum()} of {len(holes)} rows lack a target and take no part."
        findings.append(Finding("warning", "missing-target", message))
    for column in schema.modelled:
        if column.kind not in CONTINUOUS:
            continue
        values = table.numbers(column.name)[~holes]
        distinct = len(np.unique(values))
        if distinct < 0.5 * len(values):
            unit = "of its logarithm " if column.kind == "positive" else ""
            message = (
                f"The target has {distinct} distinct values in {len(values)} rows; a density over so few is bounded by "
                f"the floor of its scale alone: the least s.d. {unit}is {column.floor:.3g}."
            )
            findings.append(Finding("warning", "few-distinct", message, column.name))
    return tuple(findings)


def measured(schema: Schema, part: Table) -> Schema:
    """The targets' schema with centres, scales and floors of these rows, levels as they were."""
    columns = []
    for column in schema.columns:
        if column.kind in CONTINUOUS:
            fresh = fit_column(part, column.name, column.kind, column.why)
            values = part.numbers(column.name)
            column = replace(fresh, scale=_unit(np.log(values) if column.kind == "positive" else values))
        columns.append(column)
    return Schema(tuple(columns))


def _unit(values: np.ndarray) -> float:
    """The s.d., or five times what the quartiles say of it if that is less: a far outlier does not hide the rest.

    No power of two, as elsewhere: the same target in other units is the same to the networks.
    """
    half = values / 2.0 - np.median(values) / 2.0
    size = float(np.max(np.abs(half)))
    if size == 0.0:
        return 1.0
    low, high = np.quantile(half / size, [0.25, 0.75])
    deviation = float(np.std(half / size))
    spread = 5.0 * float(high - low) / 1.349
    return 2.0 * size * (min(deviation, spread) if spread > 0 else deviation)


def within_reach(schema: Schema, events: Rows) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """The targets as training sees them: continuous ones that lie further off than `REACH` are taken to lie there."""
    if schema.modelled[0].kind not in CONTINUOUS:
        return events.y, ()
    far = np.abs(events.y) > REACH
    found = [
        Finding(
            "warning",
            "far-target",
            f"{count} value{'s lie' if count > 1 else ' lies'} more than {REACH:g} standard units off; training takes "
            f"{'them' if count > 1 else 'it'} to lie there.",
            column.name,
            "Correct them if they are wrong; their own densities are low.",
        )
        for column, count in zip(schema.modelled, far.sum(axis=0), strict=True)
        if count
    ]
    return np.clip(events.y, -REACH, REACH), tuple(found)


def limits(schema: Schema, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The greatest scale (d,) of components, and how far their means reach (d,), in standardised units.

    The mean of a log-normal component, exp(mu + sigma²/2), is finite only as far as these are. No component of a logged
    target is wider than the target itself over the training rows, or than a factor e, whichever is more; no mean
    lies further out than the furthest training value by 3 s.d., or a factor of a thousand, whichever is more.
    Of a real target no mean explodes: its components are as wide as training targets reach at most.
    """
    logged = np.array([column.kind == "positive" for column in schema.modelled])
    scales = np.array([column.scale for column in schema.modelled])
    ceiling = np.where(logged, np.maximum(1.0, WIDEST / scales), REACH)
    furthest = np.max(np.abs(y), axis=0)
    reach = np.where(logged, furthest + np.maximum(MARGIN[0], MARGIN[1] / scales), FREE)
    return np.minimum(ceiling, REACH), reach
