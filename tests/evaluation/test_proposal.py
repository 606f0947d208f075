"""The normal that weighted draws of the latent are drawn from, and what it is where they say nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit.distributions import DiagonalNormal
from tacit.evaluation.proposal import MOST_JOINT, WIDER, normal_about


@pytest.mark.parametrize("latents", [3, MOST_JOINT + 1])
def test_it_lies_where_the_weight_is_and_about_q_where_there_is_none(latents: int) -> None:
    q = DiagonalNormal(jnp.ones(latents), jnp.zeros(latents))
    z = 5.0 + jax.random.normal(jax.random.key(0), (128, latents))
    np.testing.assert_allclose(normal_about(z, jnp.zeros(128), q).loc, z.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(normal_about(z, jnp.full(128, -1e30).at[4].set(0.0), q).loc, z[4], rtol=1e-5)
    for nothing in (-jnp.inf, jnp.nan):
        found = normal_about(z, jnp.full(128, nothing), q)
        np.testing.assert_allclose(found.loc, q.loc)
        np.testing.assert_allclose(found.variance, WIDER * q.variance, rtol=1e-5)
