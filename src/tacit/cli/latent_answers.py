"""What the commands give for a deep latent-variable model of all columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tacit._errors import UsageError

if TYPE_CHECKING:
    from tacit.data.encode import Rows
    from tacit.workflow.latent_table import LatentTable


def latents_of(model: LatentTable, events: Rows) -> dict[str, Any]:
    """The code of every row: of each latent its most probable state, counted from 0, and the probability of that.

    Of continuous latents the mean and the standard deviation.
    """
    from tacit.workflow.latent_diagnosis import state_probabilities

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
    return model.draw(given_row(model.schema, given), n, seed)[0]


def refuse_deep(model: Any, command: str, mend: str) -> None:
    """Raise `UsageError` where a command needs exact conditionals and the model is a deep one."""
    from tacit.workflow.latent_table import LatentTable

    if isinstance(model, LatentTable):
        what = "a deep model has no exact distribution of a column given others."
        raise UsageError(what, where=f"tacit {command}", mend=mend)
