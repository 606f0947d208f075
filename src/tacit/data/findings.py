"""A finding: something a person should know about the data, recorded rather than raised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """What was noticed, how grave it is, in which column, and one way to mend it.

    `code` is a short stable name for programs ("constant", "unseen-level"); `message` is for people.
    """

    severity: Severity
    code: str
    message: str
    column: str | None = None
    mend: str | None = None

    def __str__(self) -> str:
        place = f"{self.column}: " if self.column is not None else ""
        return f"{self.severity}: {place}{self.message}" + (f" {self.mend}" if self.mend else "")

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON."""
        return asdict(self)
