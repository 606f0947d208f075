"""Grey levels under a Bernoulli likelihood: what it gives of them is not a log-likelihood, and is labelled so."""

from __future__ import annotations

from dataclasses import replace

from tacit._errors import UsageError
from tacit.data.findings import Finding
from tacit.data.schema import Schema
from tacit.evaluation.result import Result

NOT = "not a log-likelihood"
_NOTE = "Bernoulli likelihood of grey levels"


def no_distribution(where: str, mend: str) -> UsageError:
    """What is said where a distribution of grey levels is asked for."""
    return UsageError("grey levels have no distribution under a Bernoulli likelihood.", where=where, mend=mend)


def is_grey(schema: Schema) -> bool:
    """Whether columns hold grey levels: numbers from 0 to 1, each taken as the share of ones.

    `y log p + (1 - y) log(1 - p)` does not integrate to 1 over y from 0 to 1, so its sum over a row is no log density.
    """
    return any(column.grey for column in schema.modelled)


def labelled(schema: Schema, figure: Result) -> Result:
    """The figure as it is or, of grey levels, with a name and a note that say that it is not a log-likelihood.

    >>> from tacit.data.column import Column
    >>> grey = Schema((Column("p0", "binary"),))
    >>> print(labelled(grey, Result("log-likelihood", -2.5, standard_error=0.1, n=10)))
    grey-level score (not a log-likelihood)  -2.50 ± 0.10 nats a row  (exact; standard error over 10 rows; \
Bernoulli likelihood of grey levels)
    """
    if not is_grey(schema) or NOT in figure.name:
        return figure
    name = figure.name.replace("log-likelihood", "grey-level score")
    note = "; ".join(part for part in (figure.note, _NOTE) if part)
    return replace(figure, name=f"{name} ({NOT})", note=note)


def grey_findings(schema: Schema) -> list[Finding]:
    """What a person should know of grey levels."""
    grey = [column.name for column in schema.modelled if column.grey]
    if not grey:
        return []
    message = (
        f"{len(grey)} columns hold grey levels from 0 to 1 under a Bernoulli likelihood: figures are {NOT}, and "
        "compare with those of the same likelihood on the same pixels only."
    )
    mend = "For a density use likelihood='gaussian'; for a likelihood make the pixels 0 or 1 (X > 0.5)."
    return [Finding("warning", "grey-levels", message, mend=mend)]
