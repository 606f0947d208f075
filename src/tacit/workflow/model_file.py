"""A fitted table in a model file: the mixture with its schema, and what is known about it in the manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from tacit import persistence
from tacit._errors import ModelFileError
from tacit.data.soundness import is_sound
from tacit.distributions import (
    Bernoulli,
    Categorical,
    CategoricalColumns,
    DiagonalNormal,
    LinearNormal,
    MultivariateNormal,
    Poisson,
    Product,
)
from tacit.models import Constant, FiniteMixture, Selected
from tacit.models.linear_gaussian import LinearDecoder, LinearGaussianModel, StandardNormal
from tacit.workflow.file_classes import register
from tacit.workflow.linear_table import LinearTable
from tacit.workflow.table_mixture import TableMixture, family

if TYPE_CHECKING:
    from tacit.workflow.fit_table import FittedTable

register(
    *(TableMixture, FiniteMixture, Constant, Categorical, Selected),
    *(Product, MultivariateNormal, DiagonalNormal, LinearNormal, Bernoulli, CategoricalColumns, Poisson),
    *(LinearTable, LinearGaussianModel, LinearDecoder, StandardNormal),
)


def save_model(
    fitted: FittedTable, record: Mapping[str, Any], path: str | os.PathLike[str], *, force: bool = False
) -> None:
    """Write the model that is kept, with the record of its fit, whole or not at all.

    Raises `OutputError` where the file exists (without `force`) or cannot be written.
    """
    persistence.save(fitted.model, path, manifest=manifest(fitted, record), force=force)


def manifest(fitted: FittedTable, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of a fitted mixture says beside the model."""
    return table_manifest(fitted.model, record, all_rows=fitted.refitted or not len(fitted.heldout))


def linear_manifest(model: LinearTable, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of a linear-Gaussian model says beside the model."""
    kept = record["settings"]["refit"] or not record["data"]["rows_heldout"]
    return table_manifest(model, record, all_rows=kept)


def table_manifest(model: TableMixture, record: Mapping[str, Any], *, all_rows: bool) -> dict[str, Any]:
    """What a model file says beside the model, which was fitted on all rows or on the training rows only."""
    return {
        "schema": model.schema.to_dict(),
        "floors": {column.name: column.floor for column in model.schema.modelled if column.floor},
        "settings": record["settings"],
        "fingerprint": record["data"]["fingerprint"],
        "figures": record["heldout"],
        "fitted_on": "all rows" if all_rows else "the training rows only",
        "record": record,
    }


def load_model(path: str | os.PathLike[str]) -> tuple[TableMixture, dict[str, Any]]:
    """The model and the manifest of a file that `save_model` wrote.

    Raises `ModelFileError` where it is missing, damaged, newer, or holds something else.
    """
    model, found = persistence.load(path)
    mend = "Fit one with tacit fit."
    if not isinstance(model, TableMixture):
        raise ModelFileError(f"holds a {found['class']}, not the model of a table.", where=str(path), mend=mend)
    try:
        sound = _is_sound(model) and (not isinstance(model, LinearTable) or _is_linear(model))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        sound = False
    if not sound or not isinstance(found.get("record"), dict):
        raise ModelFileError("is damaged: its parts do not fit together.", where=str(path), mend=mend)
    return model, found


def _is_linear(model: LinearTable) -> bool:
    """Whether the linear model is one of these columns, and its normal the one that answers for it."""
    d, decoder = len(model.schema.layout.normal), model.linear.likelihood
    parts = (type(model.linear), type(model.linear.prior), type(decoder))
    if parts != (LinearGaussianModel, StandardNormal, LinearDecoder) or model.schema.layout.width != d:
        return False
    leaves = (decoder.weight, decoder.bias, decoder.log_scale)
    shapes = ((d, model.linear.prior.n_latents), (d,), (d,))
    if not all(
        leaf.shape == shape and leaf.dtype == np.float64 and np.isfinite(leaf).all()
        for leaf, shape in zip(leaves, shapes, strict=True)
    ):
        return False
    implied = jax.tree.leaves(LinearTable.of(model.schema, model.linear).mixture)
    return all(np.allclose(a, b) for a, b in zip(implied, jax.tree.leaves(model.mixture), strict=True))


def _is_sound(model: TableMixture) -> bool:
    """Whether the components are those of the schema's columns, and finite."""
    if not is_sound(model.schema):
        return False
    k = model.mixture.n_components
    template, components = family(model.schema), model.mixture.components
    expected, found = jax.tree.leaves(template), jax.tree.leaves(components)
    shapes = zip(expected, found, strict=True)
    return (
        k > 0
        and model.mixture.log_weights.shape == (k,)
        and bool(np.isfinite(np.max(model.mixture.log_weights)))
        and str(jax.tree.structure(template)) == str(jax.tree.structure(components))
        and all(leaf.shape == (k, *one.shape) and np.isfinite(leaf).all() for one, leaf in shapes)
        and all(leaf.dtype == np.float64 for leaf in (*found, model.mixture.log_weights, model.calibration))
        and model.calibration.ndim == 1
        and model.calibration.size > 1
        and bool(np.all(np.diff(model.calibration, prepend=0.0, append=1.0) >= 0))
        and isinstance(model.segments, tuple)
        and len(model.segments) in (0, k)
        and all(type(segment) is int and 0 <= segment < k for segment in model.segments)
    )
