"""Joint training in which the weight of the KL divergence rises from almost nothing."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from tacit._typing import Key, Scalar
from tacit.data.batch import Batch
from tacit.inference.joint import Joint
from tacit.inference.procedure import State, Summary


class WarmUp(Joint):
    """`Joint` with the ELBO's beta multiplied by `min(t / steps, 1)` at step t: the decoder learns to use z first.

    Judging takes the objective as it is, so the bound of an epoch means the same throughout. Source: Bowman et al.
    2016; Sonderby et al. 2016.
    """

    steps: float | Scalar = 1.0

    def summarise(self, key: Key, state: State, batch: Batch) -> Summary:
        """The gradient of the objective as it is weighted at this step."""
        share = jnp.minimum((state.step + 1) / self.steps, 1.0)
        eased = eqx.tree_at(lambda p: p.objective.beta, self, share * self.objective.beta)  # type: ignore[attr-defined]
        return Joint.summarise(eased, key, state, batch)
