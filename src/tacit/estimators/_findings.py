"""What a person should know about a fitted mixture: recorded with it, not raised."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from tacit.data.findings import Finding
from tacit.estimators._covariances import Covariance
from tacit.inference.fit import Fit


def of_columns(X: Float[np.ndarray, "n d"], names: list[str]) -> list[Finding]:
    """Columns with a single value."""
    constant = [name for column, name in zip(X.T, names, strict=True) if np.nanmin(column) == np.nanmax(column)]
    message = "all present values are the same: its density is that of the variance floor."
    return [Finding("warning", "constant", message, name, "Leave the column out.") for name in constant]


def of_fit(starts: list[Fit], max_iter: int, mended: tuple[str, ...]) -> list[Finding]:
    """How EM ended, and what was done about degenerate components."""
    found = []
    if mended:
        message = f"degenerate components, of fewer rows than their parameters need: {', then '.join(mended)}."
        found.append(Finding("note", "degenerate", message))
    verdict = starts[0].verdict
    if verdict == "ran out of steps" and max_iter > 0:
        message = f"EM had not converged after {starts[0].steps} steps."
        found.append(Finding("warning", "not-converged", message, mend="Raise max_iter or tol."))
    if verdict == "decreased":
        message = f"the log-likelihood fell by {starts[0].drop:.2g} nats a row between two steps."
        found.append(Finding("warning", "decreased", message, mend="Lower reg_covar, or ask for fewer components."))
    collapsed = sum(fit.verdict == "non-finite" for fit in starts)
    if collapsed:
        message = f"{collapsed} of {len(starts)} starts collapsed onto single points and were left out."
        found.append(Finding("warning", "collapsed-start", message, mend="Set a larger reg_covar."))
    return found


def of_components(
    kind: Covariance, weights: Float[np.ndarray, " k"], covariances: np.ndarray, *, rows: float, floor: float
) -> list[Finding]:
    """Components without rows, at the variance floor, or too wide for a float. `rows` is the total weight."""
    found = []
    empty = np.flatnonzero(weights * rows < 1)
    if len(empty):
        message = f"components {empty.tolist()} have less than one row each."
        found.append(Finding("warning", "empty-component", message, mend="Ask for fewer components."))
    if not np.all(np.isfinite(covariances)):
        message = "some covariances are too large for a float and published as inf; densities are not affected."
        found.append(Finding("warning", "overflow", message, mend="Divide the columns by a constant."))
    elif np.any(at_floor := kind.narrowest(covariances) < 2 * floor):
        message = f"the variance of components {np.flatnonzero(at_floor).tolist()} is held up by the floor, {floor:g}."
        mend = "Repeated or exactly dependent values do that; the density there is as high as the floor is low."
        found.append(Finding("warning", "variance-floor", message, mend=mend))
    return found
