"""How each column is read: one ordered table of rules, the first that applies decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from tacit._errors import DataError, shown
from tacit.data.facts import Facts, skewness
from tacit.data.table import Table

Kind = Literal["real", "positive", "count", "binary", "categorical", "zero-inflated", "id"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MEANING: dict[Kind, str] = {
    "real": "any number; modelled as it is",
    "positive": "numbers above zero; modelled on the log scale",
    "count": "whole numbers from zero up; a Poisson in each component",
    "binary": "one of two values",
    "categorical": "one of a few values without order",
    "zero-inflated": "exactly zero, or a number above zero modelled on the log scale",
    "id": "kept out of the model",
}

CONSTANT = "every present cell is "
MAX_LEVELS = 100
_MAX_CODES = 31
_MAX_COUNT = 100


def read_as(name: str, kind: str) -> str:
    """How a person says of what kind a column is, in Python and at the command line.

    >>> read_as("x", "real")
    "types={'x': 'real'} (--type x=real)"
    """
    return f"types={{{name!r}: {kind!r}}} (--type {name}={kind})"


def _empty(f: Facts) -> str | None:
    return "no cell has a value" if f.n == 0 else None


def _nested(f: Facts) -> str | None:
    return f"cells of type {f.cells.type} are not modelled" if f.dtype == "other" else None


def _constant(f: Facts) -> str | None:
    return f"{CONSTANT}{f.counts[0][0]}" if f.n_distinct == 1 else None


def _date(f: Facts) -> str | None:
    return "the cells are dates" if f.dtype == "date" else None


def _two_values(f: Facts) -> str | None:
    if f.n_distinct != 2 or f.n < 3:
        return None
    return f"two values, {f.counts[0][0]} and {f.counts[0][1]}"


def _names(f: Facts) -> str | None:
    if f.dtype != "text" or f.n_distinct <= max(2, f.n / 2):
        return None
    return f"text, and {f.n_distinct} of {f.n} values are distinct"


def _many_levels(f: Facts) -> str | None:
    if f.dtype != "text" or f.n_distinct <= MAX_LEVELS:
        return None
    return f"text with {f.n_distinct} distinct values, more than {MAX_LEVELS}"


def _levels(f: Facts) -> str | None:
    return f"text with {f.n_distinct} distinct values" if f.dtype == "text" else None


def _row_number(f: Facts) -> str | None:
    """Distinct whole numbers that fill a range in any order, or rise through one with few gaps."""
    if not f.whole or f.n_distinct < f.n or f.n < f.n_rows or f.n < 3:
        return None
    if f.name.lower() in ("id", "index", "row", "rowid", "rownames", "rownumber") or f.name.lower().endswith("_id"):
        return "whole numbers, all distinct, and the name of an identifier"
    if f.n < 10 or f.low not in (0.0, 1.0):
        return None
    if f.high - f.low + 1 == f.n:
        return f"the numbers {f.low:.0f} to {f.high:.0f}, each once: a row number"
    rising = bool(np.all(np.diff(f.values) > 0)) and f.high - f.low <= 2 * f.n
    return "whole numbers that rise from row to row: a row number" if rising else None


def _large_identifier(f: Facts) -> str | None:
    if not f.beyond_exact or f.n_distinct < f.n:
        return None
    return "whole numbers beyond 2^53, all distinct"


def _count(f: Facts) -> str | None:
    """Whole, from zero up to a modest maximum that few rows reach, and spread at least like a Poisson."""
    if not f.whole or f.low < 0 or f.high > _MAX_COUNT or f.low > 0.25 * f.high:
        return None
    tapers = f.counts[1][-1] < 0.5 * f.n / f.n_distinct
    dispersed = f.values.var() >= 0.8 * f.values.mean()
    return f"whole numbers from {f.low:.0f} to {f.high:.0f}, large ones rare" if tapers and dispersed else None


def _codes(f: Facts) -> str | None:
    """Few whole numbers, each often: up to ten of any size, or a run that starts at 0 or 1."""
    run = f.whole and f.low in (0.0, 1.0) and f.high - f.low + 1 == f.n_distinct <= _MAX_CODES
    if not f.whole or not (run or f.n_distinct <= 10) or f.n < 20 * f.n_distinct:
        return None
    return f"{f.n_distinct} distinct whole numbers"


def _zero_inflated(f: Facts) -> str | None:
    """A twentieth of the cells or more are exactly zero, the others positive, unsymmetric and less tied."""
    if f.low < 0 or f.zero_share < 0.05 or f.zero_share > 0.99:
        return None
    smallest, commonest = np.unique(f.values[f.values > 0], return_counts=True)
    if commonest.max() > 2.0 * f.zero_share * f.n or skewness(f.values) < 0.5:
        return None
    return f"{f.zero_share:.0%} exact zeros, the rest above zero (from {smallest[0]:.4g})"


def _positive(f: Facts) -> str | None:
    """Above zero, over a range of ten or more, clearly skewed, and much less so after the logarithm."""
    if f.low <= 0 or f.high / f.low < 10:
        return None
    before, after = skewness(f.values), skewness(np.log(f.values))
    if before < 0.75 or abs(after) > 0.6 * before:
        return None
    return f"all above zero and skewed to the right ({before:.1f}; {after:.1f} after the logarithm)"


def _real(f: Facts) -> str | None:
    return "whole numbers" if f.whole else "numbers"


Rule = Callable[[Facts], str | None]

RULES: tuple[tuple[Kind, Rule], ...] = (
    ("id", _empty),
    ("id", _nested),
    ("id", _constant),
    ("id", _date),
    ("binary", _two_values),
    ("id", _large_identifier),
    ("id", _names),
    ("id", _many_levels),
    ("categorical", _levels),
    ("id", _row_number),
    ("count", _count),
    ("categorical", _codes),
    ("zero-inflated", _zero_inflated),
    ("positive", _positive),
    ("real", _real),
)


def infer_kind(facts: Facts, table: Table) -> tuple[Kind, str]:
    """The kind of a column and, in a few words, why.

    Raises:
        DataError: a column of numbers has text in some cells, or whole numbers too large for float64 repeat.
    """
    if facts.late_text is not None:
        row = int(np.flatnonzero(table.present(facts.name))[facts.late_text])
        value = facts.cells[facts.late_text].as_py()
        raise DataError(
            f"{shown(value)} is not a number, though most cells of this column are.",
            where=table.where(row, facts.name),
            mend=f"Correct the cell, leave it empty, or read text with {read_as(facts.name, 'categorical')}.",
        )
    kind, why = next((kind, why) for kind, rule in RULES if (why := rule(facts)) is not None)
    if facts.beyond_exact and kind != "id":
        raise DataError(
            "The whole numbers are beyond 2^53, where float64 cannot tell neighbours apart.",
            where=table.where(column=facts.name),
            mend=f"Leave it out (--drop {facts.name}), or read it as text: {read_as(facts.name, 'categorical')}.",
        )
    return kind, why
