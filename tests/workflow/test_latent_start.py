"""Deep models before training: z says little, so that the first passes have nothing to undo."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.models import AbstractLatent, BernoulliLatent, CategoricalsLatent, NormalLatent
from tacit.models.columns import ColumnFamily
from tacit.models.deep import ColumnInputs
from tacit.workflow.latent_networks import dense

PIXELS, NEAR = 300, 5.0


@pytest.mark.parametrize("latent", [NormalLatent(50), BernoulliLatent(200), CategoricalsLatent(20, 10)], ids=str)
def test_at_the_start_columns_are_near_their_means_and_q_near_the_prior(latent: AbstractLatent) -> None:
    rows = jnp.asarray(np.random.default_rng(0).random((40, PIXELS)) < 0.1, jnp.float32)
    bias = jnp.full(PIXELS, np.log(0.1 / 0.9), jnp.float32)
    parts = latent, ColumnFamily(None, PIXELS, ()), ColumnInputs(0, PIXELS, ()), bias, 0
    settings = {"decoder_widths": (200, 200), "widths": (200, 200), "activation": "leaky_relu"}
    decoder, encoder = dense(jax.random.key(0), *parts, **settings)

    def short(key: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What one draw of q loses of log p of independent pixels, and KL(q || the prior) by that draw."""
        q, prior = encoder((y, None)), latent(jnp.zeros(latent.width))
        z = q.sample(key)
        alone = jnp.sum(y * bias - jnp.logaddexp(0.0, bias))
        return alone - decoder((z, None)).log_prob(y), q.log_prob(z) - prior.log_prob(z)

    lost, divergence = jax.vmap(short)(jax.random.split(jax.random.key(1), 40), rows)
    assert jnp.mean(lost) < NEAR
    assert jnp.mean(divergence) < NEAR
