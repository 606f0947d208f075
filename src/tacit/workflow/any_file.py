"""A model of any sort out of a file; what the other sorts need is not imported."""

from __future__ import annotations

import os
from typing import Any, Literal

from tacit import persistence

Sort = Literal["joint", "conditional", "latent"]
_SORTS: dict[str, Sort] = {"ConditionalTable": "conditional", "LatentTable": "latent"}  # others are joint


def load_any(path: str | os.PathLike[str]) -> tuple[Any, dict[str, Any]]:
    """The model and the manifest of a file, of any sort: of a mixture over a table, a conditional or a deep model.

    Raises `ModelFileError` where it is missing, damaged, newer, or holds something else.
    """
    sort = _SORTS.get(persistence.read_manifest(path)["class"], "joint")
    if sort == "latent":
        from tacit.workflow.latent_file import load_latent

        return load_latent(path)
    if sort == "conditional":
        from tacit.workflow.conditional_file import load_conditional

        return load_conditional(path)
    from tacit.workflow.model_file import load_model

    return load_model(path)


def sort_of(model: Any) -> Sort:
    """What a loaded model is: a mixture or another density of all columns, of some given others, or a deep model."""
    return _SORTS.get(type(model).__name__, "joint")
