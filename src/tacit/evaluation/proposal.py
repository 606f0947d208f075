"""Where z is drawn for a row: of q, of normals about modes of the row's own posterior, and of the prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from tacit._typing import Array, Key, Scalar
from tacit.distributions import DiagonalNormal, MultivariateNormal
from tacit.evaluation.modes import Modes, about_modes
from tacit.models import LatentModel

MOST_LATENTS = 128  # an eigenvalue decomposition of so many rows and columns in every step
PILOTS = 32  # draws of q and the prior, of which starts are chosen
ORDER = (0, 1, 0, 1, 0, 1, 0, 2)  # whose turn it is: q, modes, prior


class Proposal(eqx.Module):
    """q, the normals about modes and the prior in turn: `m(z) = 1/2 q(z) + 3/8 modes(z) + 1/8 p(z)`.

    Without modes q and the prior in equal shares. No weight `p(y, z) / m(z)` is above eight times a likelihood.
    """

    q: Any
    modes: Modes | None
    prior: Any

    def log_prob(self, z: Array) -> Scalar:
        """`log m(z)`."""
        parts = self._parts()
        each = jnp.stack([part.log_prob(z) for part in parts])
        order = self._order()
        return jax.nn.logsumexp(each + jnp.log(jnp.array([order.count(i) / len(order) for i in range(len(parts))])))

    def sample_of(self, key: Key, number: Array) -> Array:
        """A draw of whose turn it is: q's at even numbers, the prior's at -1."""
        drawn = [part.sample(key) for part in self._parts()]
        turn = jnp.array(self._order())[number % len(self._order())]
        return jnp.select([turn == i for i in range(len(drawn))], drawn)

    def sample(self, key: Key) -> Array:
        """A draw of m."""
        key_turn, key_draw = jax.random.split(key)
        return self.sample_of(key_draw, jax.random.randint(key_turn, (), 0, len(ORDER)))

    def _parts(self) -> list[Any]:
        return [part for part in (self.q, self.modes, self.prior) if part is not None]

    def _order(self) -> tuple[int, ...]:
        return ORDER if self.modes is not None else (0, 1)


def proposal(key: Key, q: Any, prior: Any, log_joint: Callable[[Array], Scalar], *, holes: bool) -> Proposal:
    """For a row with `log_joint(z) = log p(y, z)`; with normals about modes where they can stand beside q.

    Of a row without `holes` q knows most; of others more modes are sought, and more carefully.
    """
    plain = Proposal(q, None, prior)
    if not fits(q):
        return plain
    draws = jax.vmap(plain.sample_of)(jax.random.split(key, PILOTS), jnp.arange(PILOTS))
    return Proposal(q, about_modes(q.loc, draws, log_joint, holes=holes), prior)


def log_joint_of(model: LatentModel, prior: Any, context: Any, y: Array, observed: Any) -> Callable[[Array], Scalar]:
    """`z -> log p(y, z | x)` of the present cells of a row, with its context and prior worked out."""

    def log_joint(z: Array) -> Scalar:
        return model.log_likelihood(z, context, y, observed) + prior.log_prob(z)

    return log_joint


def fits(q: Any) -> bool:
    """Whether normals about modes can stand beside q: where z is a vector of not too many numbers."""
    return isinstance(q, DiagonalNormal | MultivariateNormal) and q.loc.shape[-1] <= MOST_LATENTS
