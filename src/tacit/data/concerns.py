"""What may be wrong with one column: an ordered list of looks, each yielding at most one finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tacit.data.column import CONTINUOUS, LOGGED, Column
from tacit.data.facts import Facts
from tacit.data.findings import Finding
from tacit.data.kinds import read_as
from tacit.data.table import Table

_OUTLYING = 30.0
"""Robust standard deviations from the median beyond which a value is called extreme."""


def column_concerns(column: Column, facts: Facts, table: Table) -> Iterator[Finding]:
    """The findings about one column as the schema reads it."""
    looks = _LOOKS if column.modelled else _IGNORED_LOOKS if column.role == "ignored" else ()
    for look in looks:
        finding = look(column, facts, table)
        if finding is not None:
            yield finding


def _constant(column: Column, facts: Facts, table: Table) -> Finding | None:
    if facts.n and facts.n_distinct != 1:
        return None
    what = "No cell has a value" if not facts.n else f"Every present cell is {facts.counts[0][0]}"
    return Finding("warning", "constant", f"{what}; left out of the model.", column.name)


def _date(column: Column, facts: Facts, table: Table) -> Finding | None:
    if facts.dtype != "date" or facts.n_distinct < 2:
        return None
    mend = f"Add columns such as the hour or the month if it matters, or order rows with --time {column.name}."
    return Finding("warning", "date", "Dates are left out of the model.", column.name, mend)


def _identifier(column: Column, facts: Facts, table: Table) -> Finding | None:
    if facts.dtype == "date" or (facts.n_distinct < 2 and facts.dtype != "other"):
        return None
    mend = f"Model it with {read_as(column.name, 'KIND')}."
    if facts.beyond_exact:
        message = "Whole numbers beyond 2^53, which float64 cannot tell apart; left out of the model."
        return Finding("warning", "large-integers", message, column.name, mend)
    return Finding("note", "identifier", f"Left out of the model: {column.why}.", column.name, mend)


def _missing(column: Column, facts: Facts, table: Table) -> Finding | None:
    share = 1.0 - facts.n / facts.n_rows
    if share == 0.0:
        return None
    message = f"{facts.n_rows - facts.n} of {facts.n_rows} cells are missing ({share:.1%}), taken as missing at random."
    return Finding("warning" if share > 0.5 else "note", "missing", message, column.name)


def _atom(column: Column, facts: Facts, table: Table) -> Finding | None:
    """One value that holds a twentieth of the cells and five times as many as any other does."""
    if column.kind not in CONTINUOUS:
        return None
    values, counts = facts.counts
    if column.kind != "real" and facts.n and values[0] == 0.0:
        values, counts = values[1:], counts[1:]
    if len(counts) < 3:
        return None
    following, count = np.partition(counts, -2)[-2:]
    value = values[np.argmax(counts)]
    if count < 0.05 * facts.n or count < 5 * following:
        return None
    message = f"{count} of {facts.n} cells are exactly {value:.6g}: an atom in a continuous column."
    mend = "Leave those cells empty if the value stands for something else, such as a limit or a code."
    return Finding("warning", "atom", message, column.name, mend)


def _outlier(column: Column, facts: Facts, table: Table) -> Finding | None:
    if column.kind not in CONTINUOUS or facts.n < 10:
        return None
    logged = column.kind in LOGGED
    values = np.log(facts.values[facts.values > 0]) if logged else facts.values
    low, middle, high = np.quantile(values / 2.0, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349
    distance = np.abs(values / 2.0 - middle)
    far = np.flatnonzero(distance > _OUTLYING * spread) if spread > 0 else np.zeros(0, int)
    if not far.size or far.size > 0.01 * len(values) + 1:
        return None
    worst = int(far[np.argmax(distance[far])])
    kept = table.present(column.name) & ((table.numbers(column.name) > 0) if logged else True)
    row = int(np.flatnonzero(kept)[worst])
    times = min(float(distance[worst] / spread), 1e300)
    message = (
        f"{table.numbers(column.name)[row]:.6g} lies {times:.3g} robust standard deviations from the median "
        f"({table.where(row)}); {far.size} such cells."
    )
    return Finding(
        "warning", "outlier", message, column.name, "Correct it, or leave the cell empty, if it is an error."
    )


def _offset(column: Column, facts: Facts, table: Table) -> Finding | None:
    if column.kind != "real" or abs(column.center) < 1e6 * column.scale:
        return None
    message = f"The values lie about {column.center:.6g} with a spread of {column.scale:.3g}; centred before fitting."
    return Finding("note", "offset", message, column.name)


def _huge(column: Column, facts: Facts, table: Table) -> Finding | None:
    if column.kind not in CONTINUOUS or facts.n == 0 or max(abs(facts.low), abs(facts.high)) < 1e100:
        return None
    message = f"Values reach {max(facts.low, facts.high, key=abs):.3g}; they are scaled before fitting."
    mend = "Leave such cells empty if the value stands for something else."
    return Finding("warning", "huge", message, column.name, mend)


def _rare(column: Column, facts: Facts, table: Table) -> Finding | None:
    if not column.levels:
        return None
    values, counts = facts.counts
    rare = [str(value) for value, count in zip(values, counts, strict=True) if count < 5]
    if not rare:
        return None
    shown = ", ".join(rare[:5]) + (", ..." if len(rare) > 5 else "")
    return Finding("note", "rare-levels", f"Levels that occur fewer than five times: {shown}.", column.name)


Look = Callable[[Column, Facts, Table], Finding | None]
_LOOKS: tuple[Look, ...] = (_missing, _atom, _outlier, _offset, _huge, _rare)
_IGNORED_LOOKS: tuple[Look, ...] = (_constant, _date, _identifier)
