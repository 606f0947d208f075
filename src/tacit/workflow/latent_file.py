"""A deep latent-variable model in a model file, and whether one that comes from a file can be one."""

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
from tacit.data import soundness
from tacit.data.schema import Schema
from tacit.distributions import Mixed
from tacit.distributions.autoregressive import AbstractAutoregressive
from tacit.models import (
    Autoregressive,
    AutoregressiveDecoder,
    AutoregressiveTable,
    BernoulliLatent,
    CategoricalLatent,
    CategoricalsLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    FullNormalColumns,
    FullNormalLatent,
    ImageReader,
    ImageWriter,
    LatentModel,
    MixturePrior,
    NormalColumns,
    NormalLatent,
    Prior,
    Recognition,
    Shift,
    SigmoidColumns,
)
from tacit.networks import ACTIVATIONS, MADE, Dense, Fixed, Linear, PatchDecoder, PatchEncoder
from tacit.networks.patches import Mixer
from tacit.workflow.file_classes import register
from tacit.workflow.latent_points import moments
from tacit.workflow.latent_table import LatentTable
from tacit.workflow.table_mixture import family

LATENTS = (BernoulliLatent, CategoricalLatent, CategoricalsLatent, NormalLatent, FullNormalLatent)

register(
    *(LatentTable, LatentModel, Prior, Decoder, Recognition, ColumnFamily, ColumnInputs),
    *(NormalColumns, FullNormalColumns, SigmoidColumns),
    *LATENTS,
    *(Autoregressive, AutoregressiveDecoder, AutoregressiveTable, MixturePrior, MADE, Dense, Linear, Fixed),
    *(ImageReader, ImageWriter, Shift, PatchEncoder, PatchDecoder, Mixer),
)


def save_latent(
    model: LatentTable, record: Mapping[str, Any], path: str | os.PathLike[str], *, force: bool = False, **more: Any
) -> None:
    """Write a deep model with the record of its fit, whole or not at all; `more` goes into the manifest.

    Raises `OutputError` where the file exists (without `force`) or cannot be written.
    """
    persistence.save(model, path, manifest={**latent_manifest(model, record), **more}, force=force)


def latent_manifest(model: LatentTable, record: Mapping[str, Any]) -> dict[str, Any]:
    """What a model file says beside the model."""
    kept = record["settings"].get("refit", True) or not record["data"]["rows_heldout"]
    return {
        "schema": model.schema.to_dict(),
        "settings": record["settings"],
        "fingerprint": record["data"]["fingerprint"],
        "figures": record["heldout"],
        "fitted_on": "all rows" if kept else "the training rows only",
        "record": record,
    }


def load_latent(path: str | os.PathLike[str]) -> tuple[LatentTable, dict[str, Any]]:
    """The model and the manifest of a file that `save_latent` wrote.

    Raises `ModelFileError` where it is missing, damaged, newer, or holds something else.
    """
    model, found = persistence.load(path)
    try:
        sound = is_sound(model) and isinstance(found.get("record"), dict)
    except Exception:  # whatever a part that does not fit breaks
        sound = False
    if not sound:
        what = "is damaged: its parts do not fit together."
        raise ModelFileError(what, where=str(path), mend="Fit one with tacit fit.")
    return model, found


def is_sound(model: Any) -> bool:
    """Whether networks, latent and columns fit together, and all numbers are finite; what it raises says no."""
    if not isinstance(model, LatentTable) or not soundness.is_sound(model.schema):
        return False
    if not (model.covariates is None or soundness.are_sound(model.covariates)):
        return False
    prior: Any = model.model.prior
    decoder: Any = model.model.likelihood
    parts = (model.model, prior, decoder, model.posterior)
    if tuple(map(type, parts)) != (LatentModel, type(prior), type(decoder), Recognition):
        return False
    if type(decoder) not in (Decoder, AutoregressiveDecoder):
        return False
    if type(prior) not in (Prior, Autoregressive, MixturePrior):
        return False
    latent = model.posterior.latent
    if type(latent) not in LATENTS or latent != getattr(prior, "latent", latent) or latent != decoder.latent:
        return False
    written = decoder.features if model.independent else decoder.columns.network
    networks = (model.posterior.features, written, *([prior.network] if type(prior) is Autoregressive else []))
    if not all(name in ACTIVATIONS for network in networks for name in _activations(network)):
        return False
    leaves = jax.tree.leaves((model.model, model.posterior))
    if not all(leaf.dtype == np.float32 and np.isfinite(leaf).all() for leaf in leaves):
        return False
    return _fits(model)


def _activations(network: Any) -> list[Any]:
    if isinstance(network, ImageReader | ImageWriter):
        return [block.activation for block in network.network.blocks]
    return [network.activation]


def _fits(model: LatentTable) -> bool:
    """Whether shapes carry a row from the columns to the latent and back; nothing is computed."""
    width = model.schema.layout.width
    x = None if model.covariates is None else jnp.zeros(len(model.covariates.names))

    def ask(model: Any, posterior: Any) -> Any:
        y, observed = jnp.zeros(width), jnp.ones(width, bool)
        q, prior = posterior((y, x, observed)), model.prior(x)
        z = q.sample(jax.random.key(0))
        likelihood = model.likelihood((z, x))
        log_q = q.log_prob(z) + prior.log_prob(z)
        if ordered:
            return q, prior, likelihood, likelihood.log_prob(y), log_q, likelihood.sample(jax.random.key(0))
        return q, prior, likelihood, likelihood.log_prob(y, observed), log_q, moments(likelihood)

    ordered = not model.independent
    q, prior, likelihood, log_p, log_q, found = eqx.filter_eval_shape(ask, model.model, model.posterior)
    shaped = _alike(q, prior) and log_p.shape == log_q.shape == () and found.ndim == 1
    if ordered:
        floors = np.asarray(model.model.likelihood.columns.floor.value)  # type: ignore[attr-defined]
        return shaped and _ordered_as(model.schema, likelihood) and found.shape == (width,) and bool(np.all(floors > 0))
    decoder: Any = model.model.likelihood
    floors = decoder.family.normal
    expected = family(model.schema, independent=not isinstance(floors, FullNormalColumns))
    blocks = likelihood.blocks if hasattr(likelihood, "blocks") else (likelihood,)
    alike = [
        isinstance(a, type(b)) and a.n_columns == b.n_columns for a, b in zip(blocks, expected.blocks, strict=True)
    ]
    numbers = [leaf.shape for block in blocks for leaf in jax.tree.leaves(block)]
    wanted = [leaf.shape for block in expected.blocks for leaf in jax.tree.leaves(block)]
    return shaped and all(alike) and numbers == wanted and (floors is None or bool(np.all(floors.floor.value > 0)))


def _ordered_as(schema: Schema, columns: Any) -> bool:
    """Whether columns one after the other are those of the schema."""
    layout = schema.layout
    found = (columns.n_normal, columns.n_binary, columns.levels, columns.log_means.shape[-1])
    levels = layout.levels
    wanted = (len(layout.normal), len(layout.bernoulli), levels, len(layout.poisson))
    network = columns.network
    channels = columns.channels(columns.n_normal, levels, columns.n_modes)
    sizes = (network.n_variables, network.channels, len(network.contexts))
    return found == wanted and sizes == (layout.width, channels, len(network.layers))


def _alike(q: Any, prior: Any) -> bool:
    """Whether posterior and prior are of latents of one shape."""
    if isinstance(prior, Mixed):
        shapes, d = [leaf.shape for leaf in jax.tree.leaves(prior)], q.loc.shape[-1]
        k = prior.logits.shape[-1]
        return shapes == [(k,), (k, d), (k, d)]
    before = prior.blank() if isinstance(prior, AbstractAutoregressive) else prior
    return [leaf.shape for leaf in jax.tree.leaves(q)] == [leaf.shape for leaf in jax.tree.leaves(before)]
