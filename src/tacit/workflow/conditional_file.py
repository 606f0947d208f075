"""A conditional model in a model file, and either sort of model out of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacit import persistence
from tacit._errors import ModelFileError
from tacit.data.covariates import Covariates
from tacit.data.schema import Schema
from tacit.data.soundness import is_sound
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
from tacit.training.population import take
from tacit.workflow.conditional_table import ConditionalTable
from tacit.workflow.model_file import load_model
from tacit.workflow.table_mixture import TableMixture

_CLASSES: tuple[type, ...] = (
    *(ConditionalTable, MixtureOfExperts, Gate, ConcreteGate, Encoder, Expert, Components, MLP, Linear, Fixed),
    *(MixtureRelaxation, MomentsRelaxation, NetworkRelaxation),
    *(DiagonalFamily, FullFamily, PoissonFamily, BernoulliFamily, CategoricalFamily),
)
for _cls in _CLASSES:
    persistence.register(_cls)


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
    kept = bool(record["settings"]["refit"]) or not record["data"]["rows_heldout"]
    manifest = {
        "schema": schema.to_dict(),
        "targets": list(model.targets),
        "floors": {column["name"]: column["floor"] for column in record["data"]["columns"] if column["floor"]},
        "settings": record["settings"],
        "fingerprint": record["data"]["fingerprint"],
        "figures": record["heldout"],
        "fitted_on": "all rows" if kept else "the training rows only",
        "record": record,
    }
    persistence.save(model, path, manifest=manifest, force=force)


def load_any(path: str | os.PathLike[str]) -> tuple[TableMixture | ConditionalTable, dict[str, Any]]:
    """The model and the manifest of a file, of a mixture over a table or of a conditional model.

    Raises `ModelFileError` where it is missing, damaged, newer, or holds something else.
    """
    if persistence.read_manifest(path)["class"] != ConditionalTable.__name__:
        return load_model(path)
    model, found = persistence.load(path)
    try:
        sound = _is_sound(model) and isinstance(found.get("record"), dict)
    except Exception:  # whatever a part that does not fit breaks
        sound = False
    if not sound:
        mend = "Fit one with tacit fit."
        raise ModelFileError("is damaged: its parts do not fit together.", where=str(path), mend=mend)
    return model, found


def _is_sound(model: ConditionalTable) -> bool:
    """Whether networks, targets and covariates have shapes that fit, and finite numbers."""
    if not is_sound(model.schema) or not isinstance(model.covariates, Covariates) or not model.cell >= 0.0:
        return False
    p, d = len(model.covariates.names), model.schema.layout.width
    leaves = jax.tree.leaves((model.members, model.posteriors))
    size = len(leaves[0])
    finite = all(len(leaf) == size and np.isfinite(leaf).all() for leaf in leaves)
    one = take(model.members, 0)

    def ask(x: Any, y: Any) -> Any:
        context = one.context(x)
        prior = one.prior(context)
        z = prior.sample(jax.random.key(0))
        found = one.likelihood((z, context)).log_prob(y)
        return found, None if model.posteriors is None else take(model.posteriors, 0)((y, x)).sample(jax.random.key(0))

    density, drawn = eqx.filter_eval_shape(ask, jnp.zeros(p), jnp.zeros(d))
    return finite and density.shape == () and (drawn is None or drawn.ndim == 1)
