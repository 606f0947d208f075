"""Whether a conditional model that comes from a file can be one: its parts were set by name, none was trained."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacit.data import soundness
from tacit.data.schema import Schema
from tacit.distributions import Bernoulli, CategoricalColumns, DiagonalNormal, MultivariateNormal, Poisson
from tacit.models import Encoder, MixtureOfExperts
from tacit.models.predictive import discretised, predictive
from tacit.workflow.conditional_table import ConditionalTable

_STACKS: dict[str, tuple[type, ...]] = {
    "count": (Poisson,),
    "binary": (Bernoulli,),
    "categorical": (CategoricalColumns,),
    "real": (DiagonalNormal, MultivariateNormal),
    "positive": (DiagonalNormal, MultivariateNormal),
}


def is_sound(model: Any) -> bool:
    """Whether targets, covariates and networks fit together, and all numbers are finite; what it raises says no."""
    if not isinstance(model, ConditionalTable) or not soundness.is_sound(model.schema):
        return False
    if not soundness.are_sound(model.covariates):
        return False
    if type(model.cell) is not float or not 0.0 <= model.cell < math.inf:
        return False
    if type(model.spread) is not float or not 0.0 < model.spread < math.inf:
        return False
    return _networks(model) and _limits(model)


def _limits(model: ConditionalTable) -> bool:
    """Whether scales have a floor above 0 and a ceiling above it, as far as they have any."""
    floors, ceilings = model.floors(), model.ceilings()
    if floors is None:
        return True
    return bool(np.all(floors > 0.0)) and (ceilings is None or bool(np.all(ceilings > floors)))


def _networks(model: ConditionalTable) -> bool:
    """Whether all arrays have one leading axis of members, and shapes that carry x and y; nothing is computed."""
    members, posteriors = model.members, model.posteriors
    if type(members) is not MixtureOfExperts or not (posteriors is None or type(posteriors) is Encoder):
        return False
    leaves = jax.tree.leaves((members, posteriors))
    size = len(leaves[0])
    if not all(leaf.dtype in (np.float32, bool) and len(leaf) == size and np.isfinite(leaf).all() for leaf in leaves):
        return False
    x, y = jnp.zeros(len(model.covariates.names)), jnp.zeros(model.schema.layout.width)
    key = jax.random.key(0)

    def ask(members: Any, posteriors: Any) -> Any:
        def one(network: Any, encoder: Any) -> Any:
            found = predictive(network, x, key, 2), discretised(network, x)
            if encoder is None:
                return found, network.prior(network.context(x)).logits, None
            z = encoder((y, x)).sample(key)
            context = network.context(x)
            density = network.likelihood((z, context)).log_prob(y) + network.prior(context).log_prob(z)
            return found, network.prior(context).logits, density

        return eqx.filter_vmap(one)(members, posteriors)

    (drawn, corners), logits, density = eqx.filter_eval_shape(ask, members, posteriors)
    k = logits.shape[-1]
    return (
        logits.shape == (size, k)
        and corners.logits.shape == (size, k)
        and _stack(drawn.stack, model.schema)
        and _stack(corners.stack, model.schema)
        and (density is None or density.shape == (size,))
    )


def _stack(stack: Any, schema: Schema) -> bool:
    """Whether components are of the targets' kind and number."""
    first, d = schema.modelled[0], len(schema.modelled)
    if type(stack) not in _STACKS.get(first.kind, ()):
        return False
    if isinstance(stack, DiagonalNormal | MultivariateNormal):
        return all(column.kind in ("real", "positive") for column in schema.modelled) and stack.loc.shape[-1] == d
    if isinstance(stack, CategoricalColumns):
        return d == 1 and stack.logits.shape[-2:] == (1, len(first.levels))
    return d == 1 and jax.tree.leaves(stack)[0].shape[-1] == 1
