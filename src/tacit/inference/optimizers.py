"""Optimisers whose settings are numbers of a pytree: changing them compiles nothing, and each member has its own."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Scalar

RULES = {
    "adam": optax.scale_by_adam,
    "sgd": optax.identity,
    "momentum": lambda: optax.trace(0.9),
    "rmsprop": optax.scale_by_rms,
    "lion": optax.scale_by_lion,
}


# numbers of a network from which on its products are most of a step: laying parameters out as one vector then costs
# more than it saves, and so do products of several members at once on a CPU
LARGE = 100_000


class AbstractOptimizer(eqx.Module):
    """From gradients to steps."""

    @abc.abstractmethod
    def init(self, parameters: PyTree) -> Any:
        """The state before the first step."""

    @abc.abstractmethod
    def update(self, gradient: PyTree, state: Any, parameters: PyTree) -> tuple[PyTree, Any]:
        """What to add to the parameters, and the next state. The gradient is that of a loss."""


class Descent(AbstractOptimizer):
    """A rule of Optax with a learning rate that falls along half a cosine, decoupled weight decay, and clipping.

        step t: -rate(t) (rule(clip(g)) + weight_decay θ)
        rate(t) = learning_rate (1 + cos(π min(t / decay_steps, 1))) / 2

    The rate is constant where `decay_steps` is 0; weight decay is for matrices only; gradients of a norm above `clip`
    are shortened to it. `rule` is one of adam, sgd, momentum, rmsprop, lion. All of them work number by number, so
    few parameters are laid out as one vector: one operation instead of many small ones.

    >>> descent = Descent(0.1, rule="sgd")
    >>> step, _ = descent.update(jnp.ones(2), descent.init(jnp.zeros(2)), jnp.zeros(2))
    >>> print(step)
    [-0.1 -0.1]
    """

    learning_rate: float | Scalar = 1e-3
    weight_decay: float | Scalar = 0.0
    decay_steps: float | Scalar = 0.0
    clip: float | Scalar = 10.0
    rule: str = eqx.field(static=True, default="adam")

    def __check_init__(self) -> None:
        if self.rule not in RULES:
            raise UsageError(f"{self.rule!r} is no optimiser.", mend=f"Use one of {', '.join(RULES)}.")

    def init(self, parameters: PyTree) -> Any:
        packed, _ = _packed(parameters)
        return RULES[self.rule]().init(packed), jnp.zeros((), jnp.int32)

    def update(self, gradient: PyTree, state: Any, parameters: PyTree) -> tuple[PyTree, Any]:
        moments, step = state
        g, unpacked = _packed(gradient)
        shrink = jnp.minimum(1.0, self.clip / jnp.maximum(optax.tree.norm(g), 1e-30))
        direction, moments = RULES[self.rule]().update(jax.tree.map(lambda a: shrink * a, g), moments)
        decayed, _ = _packed(jax.tree.map(lambda p: p if p.ndim > 1 else jnp.zeros_like(p), parameters))
        rate = self.rate(step)
        moved = jax.tree.map(lambda a, p: -rate * (a + self.weight_decay * p), direction, decayed)
        return unpacked(moved), (moments, step + 1)

    def rate(self, step: Array) -> Array:
        """The learning rate at a step."""
        progress = jnp.clip(step / jnp.maximum(self.decay_steps, 1.0), 0.0, 1.0)
        fallen = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        return self.learning_rate * jnp.where(jnp.asarray(self.decay_steps) > 0, fallen, 1.0)


def _packed(tree: PyTree) -> tuple[PyTree, Callable[[PyTree], PyTree]]:
    """The arrays as one, which costs least where they are small, or as they are; and the way back."""
    if sum(leaf.size for leaf in jax.tree.leaves(tree)) > LARGE:
        return tree, lambda packed: packed
    flat, unravel = ravel_pytree(tree)
    if not flat.size:  # of nothing it would be float32, even where all else is float64
        flat = jnp.zeros(0)
    return flat, unravel


class Separate(AbstractOptimizer):
    """An optimiser for each part of (model, posterior, the gradient estimator's own arrays).

    >>> separate = Separate(Descent(0.1, rule="sgd"), Descent(0.2, rule="sgd"))
    >>> parameters = (jnp.zeros(1), jnp.zeros(1), None)
    >>> step, _ = separate.update((jnp.ones(1), jnp.ones(1), None), separate.init(parameters), parameters)
    >>> print(step)
    (Array([-0.1], dtype=float32), Array([-0.2], dtype=float32), None)
    """

    model: AbstractOptimizer
    posterior: AbstractOptimizer
    estimator: AbstractOptimizer = Descent(1e-3)

    def init(self, parameters: PyTree) -> Any:
        return tuple(o.init(part) for o, part in zip(self._parts, parameters, strict=True))

    def update(self, gradient: PyTree, state: Any, parameters: PyTree) -> tuple[PyTree, Any]:
        moved = [o.update(g, s, part) for o, g, s, part in zip(self._parts, gradient, state, parameters, strict=True)]
        return tuple(step for step, _ in moved), tuple(moments for _, moments in moved)

    @property
    def _parts(self) -> tuple[AbstractOptimizer, ...]:
        return self.model, self.posterior, self.estimator


class Transformation(AbstractOptimizer):
    """A transformation of Optax as it is."""

    transformation: optax.GradientTransformation = eqx.field(static=True)

    def init(self, parameters: PyTree) -> Any:
        return self.transformation.init(parameters)

    def update(self, gradient: PyTree, state: Any, parameters: PyTree) -> tuple[PyTree, Any]:
        return self.transformation.update(gradient, state, parameters)


def as_optimizer(optimizer: Any) -> AbstractOptimizer:
    """An optimiser of ours, of Optax, or by name; or one for the model and one for the posterior, in a pair.

    Raises `UsageError` for anything else.
    """
    if isinstance(optimizer, tuple) and not isinstance(optimizer, optax.GradientTransformation) and len(optimizer) == 2:
        return Separate(*(as_optimizer(part) for part in optimizer))
    if isinstance(optimizer, AbstractOptimizer):
        return optimizer
    if isinstance(optimizer, optax.GradientTransformation):
        return Transformation(optimizer)
    if isinstance(optimizer, str):
        return Descent(rule=optimizer)
    raise UsageError(f"{optimizer!r} is no optimiser.", mend="Give a name such as 'adam', or an object of Optax.")
