"""The typed errors and warnings that users see: what is wrong, where, and one way to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


def shown(value: Any, most: int = 60) -> str:
    """A value as Python writes it, cut where it is long.

    >>> shown("x" * 100, 10)
    "'xxxxxxxxx..."
    """
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def few(names: Sequence[str], most: int = 4) -> str:
    """Names in a row, the rest counted.

    >>> few(["a", "b", "c"], 2), few(["a", "b"])
    ('a, b and 1 more', 'a and b')
    """
    shown, rest = list(names[:most]), len(names) - most
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


class TacitError(Exception):
    """An error that says what is wrong, where, and one way to mend it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what, self.where, self.mend = what, where, mend
        place = f"{where}: " if where else ""
        remedy = f" {mend}" if mend else ""
        super().__init__(f"{place}{what}{remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.where, self.mend)

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON: its kind, what, where and mend."""
        return {"error": type(self).__name__, "what": self.what, "where": self.where, "mend": self.mend}


def _rebuild(kind: type[TacitError], what: str, where: str | None, mend: str | None) -> TacitError:
    return kind(what, where=where, mend=mend)


class OutputError(TacitError):
    """An output that cannot be written."""

    exit_code = 1


class UsageError(TacitError, ValueError):
    """A setting or argument out of its range, or a combination that makes no sense."""

    exit_code = 2


class DataError(TacitError, ValueError):
    """The data: missing, unreadable, empty, wrong, or with nothing left to model."""

    exit_code = 3


class ModelFileError(TacitError):
    """A model file that is missing, damaged, hostile, newer or of another kind."""

    exit_code = 4


class FitError(TacitError, RuntimeError):
    """A fit that could not be finished, or resources that do not suffice."""

    exit_code = 5


class TacitWarning(UserWarning):
    """Something a person should know, recorded with the fit as well."""
