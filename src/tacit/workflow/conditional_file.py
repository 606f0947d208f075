"""A conditional model in a model file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tacit import persistence
from tacit._errors import ModelFileError
from tacit.data.schema import Schema
from tacit.models import (
    BernoulliFamily,
    CategoricalFamily,
    Components,
    ConcreteGate,
    DiagonalFamily,
    Encoder,
    Expert,
    FullFamily,
    Gate,
    MixtureOfExperts,
    MixtureRelaxation,
    MomentsRelaxation,
    NetworkRelaxation,
    PoissonFamily,
)
from tacit.networks import MLP, Fixed, Linear
from tacit.workflow.conditional_soundness import is_sound
from tacit.workflow.conditional_table import ConditionalTable
from tacit.workflow.file_classes import register

register(
    *(ConditionalTable, MixtureOfExperts, Gate, ConcreteGate, Encoder, Expert, Components, MLP, Linear, Fixed),
    *(MixtureRelaxation, MomentsRelaxation, NetworkRelaxation),
    *(DiagonalFamily, FullFamily, PoissonFamily, BernoulliFamily, CategoricalFamily),
)


def save_conditional(
    model: ConditionalTable,
    record: Mapping[str, Any],
    schema: Schema,
    path: str | os.PathLike[str],
    *,
    force: bool = False,
) -> None:
    """Write a conditional model with the record of its fit and the schema of the whole table, whole or not at all.

    Raises `OutputError` where the file exists (without `force`) or cannot be written.
    """
    persistence.save(model, path, manifest=conditional_manifest(model, record, schema), force=force)


def conditional_manifest(model: ConditionalTable, record: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """What a model file says beside the model."""
    kept = bool(record["settings"]["refit"]) or not record["data"]["rows_heldout"]
    return {
        "schema": schema.to_dict(),
        "targets": list(model.targets),
        **{
            f"{limit}s": {one["name"]: one[limit] for one in record["data"]["columns"] if one.get(limit)}
            for limit in ("floor", "ceiling")
        },
        "settings": record["settings"],
        "fingerprint": record["data"]["fingerprint"],
        "figures": record["heldout"],
        "fitted_on": "all rows" if kept else "the training rows only",
        "record": record,
    }


def load_conditional(path: str | os.PathLike[str]) -> tuple[ConditionalTable, dict[str, Any]]:
    """The model and the manifest of a file that `save_conditional` wrote; raises `ModelFileError` for any other."""
    model, found = persistence.load(path)
    try:
        sound = is_sound(model) and isinstance(found.get("record"), dict)
    except Exception:  # whatever a part that does not fit breaks
        sound = False
    if not sound:
        mend = "Fit one with tacit fit."
        raise ModelFileError("is damaged: its parts do not fit together.", where=str(path), mend=mend)
    return model, found
