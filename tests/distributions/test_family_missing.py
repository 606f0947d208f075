"""Sums of rows with holes, completed at once, against rows completed one by one."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@eqx.filter_jit
def completed(stack: Any, rows: Any, seen: Any, weights: Any) -> tuple[Any, Any]:
    """Completed sums (k, t), from statistics about 0 turned, and from statistics of centred rows."""
    cells = jnp.broadcast_to(seen, rows.shape)

    def one(family: Any) -> tuple[Any, Any]:
        about_zero = weights @ jax.vmap(family.statistics)(rows, cells)
        about_loc = weights @ jax.vmap(family.statistics)(jax.vmap(family.centre)(rows, cells), cells)
        eta = family.marginal(seen).coefficients()
        return family.complete(seen, family.recentre(about_zero), eta), family.complete(seen, about_loc, eta)

    return jax.vmap(one)(stack)


@given(data=st.data())
@settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_complete_is_the_sum_of_expected_statistics(oracle: Any, data: st.DataObject) -> None:
    seen = np.array(data.draw(st.lists(st.booleans(), min_size=oracle.d, max_size=oracle.d)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    rows = oracle.draw(rng, 5)
    weights = rng.uniform(0.1, 2, len(rows))
    expected = np.stack(
        [weights @ np.stack([oracle.expected_statistics(j, y, seen) for y in rows]) for j in range(oracle.k)]
    )
    for found in completed(oracle.family(), np.where(seen, rows, 0.0), seen, weights):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def test_joint_columns_and_no_others_are_pattern_columns(oracle: Any) -> None:
    """Where a column's missingness changes the coefficients, the kernel must keep it the same over a tile."""
    family = jax.tree.map(lambda leaf: leaf[0], oracle.family())
    touched = [
        not np.allclose(family.marginal(jnp.arange(oracle.d) != j).coefficients(), family.coefficients(), rtol=1e-9)
        for j in range(oracle.d)
    ]
    assert tuple(np.flatnonzero(touched)) == family.pattern_columns


def test_empty_row_says_nothing(oracle: Any) -> None:
    family = jax.tree.map(lambda leaf: leaf[0], oracle.family())
    nothing = jnp.zeros(oracle.d, bool)
    assert abs(float(family.log_prob(jnp.full(oracle.d, jnp.nan), nothing))) < 1e-14
