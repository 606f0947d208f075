"""What the figures of a record say, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tacit._errors import few
from tacit.plots import figure, finite
from tacit.report.numerals import number, with_error
from tacit.report.record import Record, Warned

_KINDS = {
    "exact": "exact",
    "estimate": "estimate",
    "lower bound": "lower bound: the true figure is this or higher",
    "upper bound": "upper bound: the true figure is this or lower",
}
_VERBS = {"lower bound": "is at least", "upper bound": "is at most", "estimate": "is estimated at"}
_NORMAL_95 = 1.96
_NOT = "not a log-likelihood"  # in the name of a figure that is none


def headline(record: Record) -> str:
    """One paragraph: what was fitted to what, what it is worth, and against what."""
    return " ".join(part for part in (_fitted(record), _worth(record), _against(record)) if part)


def measure(record: Record) -> str:
    """What the figures are: a log-likelihood or, of grey levels under a Bernoulli likelihood, a score that is none.

    >>> measure({"heldout": [{"name": "grey-level score (not a log-likelihood)", "value": -2.5}]})
    'grey-level score'
    """
    figures = [*(record.get("heldout") or []), *(record.get("bounds") or [])]
    return "grey-level score" if any(_NOT in str(one.get("name")) for one in figures) else "log-likelihood"


def kind_in_words(result: Mapping[str, Any]) -> str:
    """Whether a figure is exact, a bound or an estimate, and what that means."""
    kind = str(result.get("kind", "exact"))
    return _KINDS.get(kind, kind)


def error_in_words(result: Mapping[str, Any]) -> str:
    """Where the uncertainty of a figure comes from: rows or groups, Monte Carlo, bias."""
    parts = []
    if result.get("standard_error") is not None:
        over = f"{number(result['n_groups'])} groups" if result.get("n_groups") else f"{number(result.get('n'))} rows"
        parts.append(f"± one standard error over {over}")
    if result.get("monte_carlo_error"):
        parts.append(f"Monte Carlo error {number(result['monte_carlo_error'], 2)}")
    if result.get("bias"):
        parts.append(f"bias {number(result['bias'], 2)}")
    return ", ".join(parts) if parts else "no error known"


def comparison(difference: Mapping[str, Any]) -> str:
    """Whether a paired difference is clearly above or below zero, at 95 %."""
    value, error = figure(difference.get("value")), finite(difference.get("standard_error"))
    if value is None or (error is None and math.isfinite(value)):
        return "not comparable"
    if abs(value) <= _NORMAL_95 * (error or 0.0):
        return "no clear difference"
    return "clearly better" if value > 0 else "clearly worse"


def ranked(warnings: Sequence[Warned]) -> list[Warned]:
    """Warnings before notes, otherwise in the order given."""
    return sorted(warnings, key=lambda warning: warning.get("severity") != "warning")


def gathered(warnings: Sequence[Warned], most: int = 3) -> list[tuple[Warned, str]]:
    """What is to be said, and of which other columns too: one code of more than `most` columns is said once.

    >>> atoms: list[Warned] = [{"severity": "warning", "code": "atom", "column": name} for name in "abcde"]
    >>> [(told["column"], others) for told, others in gathered(atoms)]
    [('a', 'b, c, d and e')]
    >>> len(gathered(atoms[:3]))
    3
    """
    kinds = [(warning.get("severity"), warning.get("code")) if warning.get("column") else None for warning in warnings]
    told: list[tuple[Warned, str]] = []
    for place, (warning, kind) in enumerate(zip(warnings, kinds, strict=True)):
        if kind is None or kinds.count(kind) <= most:
            told.append((warning, ""))
        elif kind not in kinds[:place]:
            names = [str(one["column"]) for one, of in zip(warnings, kinds, strict=True) if of == kind]
            told.append((warning, few(names[1:])))
    return told


def _fitted(record: Record) -> str:
    data = record.get("data", {})
    source = data.get("source") or record.get("title")
    k = record.get("k")
    rows = f" ({number(data['rows'])} rows)" if data.get("rows") else ""
    of = f" of {source}{rows}" if source else ""
    parts = f" with {k} component{'' if k == 1 else 's'}" if k else ""
    if record.get("targets"):
        members = record.get("n_members") or 1
        networks = f", by {members} networks together" if members > 1 else ""
        what = f"The density of {few(record['targets'])} given {few(record.get('covariates') or [])}"
        return f"{what}, learned from {source or 'a table'}{rows}{parts}{networks}."
    return f"A {record.get('model', 'density')} model{of}{parts}."


def _worth(record: Record) -> str:
    results = record.get("heldout") or []
    if not results:
        return ""
    first = results[0]
    if figure(first.get("value")) is None:
        return f"Its {measure(record)} on held-out rows could not be computed."
    rows = f"{number(first['n'])} rows" if first.get("n") else "rows"
    text = with_error(first["value"], first.get("standard_error"))
    verb = _VERBS.get(first.get("kind", "exact"), "is")
    which = f"the {rows} of {record['judged_on']}" if record.get("judged_on") else f"{rows} it never saw"
    what = measure(record) + (f" ({_NOT})" if measure(record) != "log-likelihood" else "")
    return f"On {which}, its {what} {verb} {text} {first.get('units') or 'nats a row'}."


def _against(record: Record) -> str:
    differences = [d for d in record.get("differences") or [] if figure(d.get("value")) is not None]
    if not differences:
        return ""
    least = min(differences, key=lambda d: float(d["value"]))
    text = with_error(least["value"], least.get("standard_error"), signed=True)
    verdicts = {comparison(d) for d in differences}
    said = (
        "It is clearly better than every baseline on the same rows"
        if verdicts == {"clearly better"}
        else "It is clearly worse than a plain baseline on the same rows"
        if "clearly worse" in verdicts
        else "It is not clearly better than every plain baseline on the same rows"
    )
    return f"{said}; the closest comparison is {text} ({least.get('name', 'difference')})."
