"""What a person should know about the training of a conditional mixture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tacit.data.findings import Finding
from tacit.workflow.conditional_fit import FittedConditional
from tacit.workflow.conditional_plan import Plan


def of_training(fitted: FittedConditional, plan: Plan) -> Iterator[Finding]:
    """What the fit noticed of its targets, steps that were not finite, and whether anything was set aside."""
    yield from fitted.findings
    members = fitted.members
    mend = "Lower the learning rate, for example to 0.001."
    if members.skipped:
        message = f"{members.skipped} gradient steps were not finite and not taken."
        yield Finding("warning", "skipped-steps", message, mend=mend)
    judged = next(one for one in members.judged if one.candidate == members.chosen)
    if "non-finite" in judged.verdicts:
        yield Finding("warning", "non-finite", "A member of the ensemble never had a finite objective.", mend=mend)
    if np.isnan(members.validation).all() and plan.inference != "em":
        n = len(fitted.train) + len(fitted.heldout) if fitted.judged is not None else len(fitted.train)
        message = f"None of the {n} rows was set aside: settings and epochs were judged on the rows of training."
        yield Finding("warning", "no-validation", message, mend="Give more rows.")
