"""How wide the mixture of all members should be: one factor on their scales, from the rows that they set aside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from tacit.models.components import DiagonalFamily, FullFamily
from tacit.workflow.conditional_aside import Rows
from tacit.workflow.conditional_plan import Plan
from tacit.workflow.conditional_table import ConditionalTable, component_log_densities, family, scaled

PRIOR = 0.25  # s.d. of the logarithm of a factor before any row is seen: few rows say little
MOST_ROWS = 5000  # about as many of those that a member set aside are asked: that tells a factor to 1 %
_WIDEST = math.log(2.5)


def has_spread(model: ConditionalTable, plan: Plan) -> bool:
    """Whether a factor is asked for and means something: networks give the scales, and densities are exact."""
    of_scales = isinstance(family(model.members), DiagonalFamily | FullFamily)
    return plan.calibrate and plan.inference != "em" and plan.exact and of_scales and plan.components == "conditional"


def spread(model: ConditionalTable, rows: Rows, held: Bool[np.ndarray, "n m"]) -> float:
    r"""The factor t on all scales of the members' mixture; `held` are the rows that each member set aside.

        t = t_own (t_pair / t_each)^(2 (1 - 1/m))

    Each t is where rows on which nobody asked has trained are most probable: `t_own`, of all members, each on the
    rows that it set aside; `t_pair`, of the mixture of the first two, on the rows that both set aside; `t_each`, of
    these two by themselves on the same rows. A mixture of members is wider than the mean of their means is wrong, by
    twice the variance A of their means (the ambiguity decomposition), and covers by its width what a single member
    misses, so it bears a smaller factor. What a pair shows of that is taken on to m members as A grows, with 1 - 1/m.
    1 where nothing was set aside. Source: Krogh and Vedelsby, Neural network ensembles, cross validation, and active
    learning, 1995.
    """
    places = [_thinned(np.flatnonzero(one)) for one in held.T]
    seen, m = np.unique(np.concatenate(places)), len(places)
    if not len(seen):
        return 1.0
    asked = _Asked(model, *model.by_member(rows.x[seen]), rows.y[seen])
    own = np.stack([np.isin(seen, one) * rows.weight[seen] for one in places], axis=1)
    factor = asked.best(lambda log_p: np.sum(own * log_p))
    both = np.flatnonzero(own[:, 0] * own[:, min(1, m - 1)])
    if m == 1 or not len(both):
        return factor
    two, weight = asked.first_two(both), own[both, 0]
    pair = two.best(lambda log_p: np.sum(weight * logsumexp(log_p, axis=1)))
    each = two.best(lambda log_p: np.sum(weight * np.mean(log_p, axis=1)))
    return factor * (pair / each) ** (2 * (1 - 1 / m))


def _thinned(places: np.ndarray) -> np.ndarray:
    return places[:: max(len(places) // MOST_ROWS, 1)]


@dataclass(frozen=True)
class _Asked:
    """What members say of the targets y (n, d) of some rows: log weights (n, m, k) and components (n, m k, ...)."""

    model: ConditionalTable
    log_weights: np.ndarray
    stack: Any
    y: np.ndarray

    def best(self, density: Callable[[np.ndarray], float]) -> float:
        """The factor that makes a density greatest, which is told of the members' log densities (n, m)."""

        def loss(log_factor: float) -> float:
            wide = scaled(self.stack, math.exp(log_factor), self.model.limits)
            components = component_log_densities(wide, self.y).reshape(self.log_weights.shape)
            found = logsumexp(self.log_weights + components, axis=2)
            return 0.5 * (log_factor / PRIOR) ** 2 - density(found)

        return math.exp(minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded").x)

    def first_two(self, rows: np.ndarray) -> _Asked:
        """The first two members and these rows alone."""
        k = self.log_weights.shape[2]
        stack = jax.tree.map(lambda a: a[rows][:, : 2 * k], self.stack)
        return _Asked(self.model, self.log_weights[rows][:, :2], stack, self.y[rows])
