"""What the commands give for a deep latent-variable model of all columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tacit._errors import UsageError
from tacit.cli.failures import note

if TYPE_CHECKING:
    from tacit.data.encode import Rows
    from tacit.workflow.latent_table import LatentTable


def latents_of(model: LatentTable, events: Rows) -> dict[str, Any]:
    """The code of every row: of each latent its most probable state, counted from 0, and the probability of that.

    Of continuous latents the mean and the standard deviation.
    """
    from tacit.evaluation.latent_use import state_probabilities

    q = model.posteriors(events)
    found = state_probabilities(q)
    columns: dict[str, Any] = {}
    if found is None:
        for j in range(q.loc.shape[1]):
            columns |= {f"latent_{j + 1}": q.loc[:, j], f"sd_{j + 1}": np.sqrt(np.asarray(q.variance)[:, j])}
        return columns
    states = found.argmax(axis=2)
    for j in range(found.shape[1]):
        columns |= {f"latent_{j + 1}": states[:, j], f"probability_{j + 1}": found[:, j].max(axis=1)}
    return columns


def drawn_rows(model: LatentTable, n: int, seed: int, given: Mapping[str, Any]) -> np.ndarray:
    """n encoded rows; with values `given`, those cells fixed and the others drawn given them."""
    from tacit.data.encode import given_row

    if not given:
        return model.sample(n, seed)[1]
    from tacit.models import FullNormalLatent, NormalLatent
    from tacit.workflow.latent_given import given_draws
    from tacit.workflow.latent_table import hidden

    found = given_draws(model, given_row(model.schema, given), n, seed)
    if found.kind == "estimate":
        carried = f"{found.effective[0]:,.0f} of {found.weighted:,} weighted draws of the latent carry the weight"
        normal = isinstance(model.latent, NormalLatent | FullNormalLatent)
        how = "importance resampling and Metropolis steps" if normal else "importance resampling"
        note(f"given cells: an estimate, by {how}; {carried}")
        if found.rough:
            note("so few draws are rough: what is given is unlikely under the model")
    return hidden(model.schema, found.y[0])


def note_estimate(model: Any) -> None:
    """Say of a deep model whose latent cannot be listed that what fills its cells is an estimate."""
    if getattr(model, "kind", "exact") == "estimate":
        note("missing cells are filled by weighted draws of the latent given the others: an estimate")


def refuse_without_covariates(model: Any) -> None:
    """Raise `UsageError` where rows cannot be drawn without those of the covariates."""
    if getattr(model, "covariates", None) is not None:
        given = ", ".join(one.column.name for one in model.covariates.columns)
        mend = "Give rows that hold them: tacit sample MODEL ROWS -n N."
        raise UsageError(f"the model is of the rows given {given}.", where="tacit sample", mend=mend)
