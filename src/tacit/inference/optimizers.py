"""Optimisers whose settings are numbers of a pytree: changing them compiles nothing, and each member has its own."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from tacit._errors import UsageError
from tacit._typing import Array, Scalar

RULES = {
    "adam": optax.scale_by_adam,
    "sgd": optax.identity,
    "momentum": lambda: optax.trace(0.9),
    "rmsprop": optax.scale_by_rms,
    "lion": optax.scale_by_lion,
}


class AbstractOptimizer(eqx.Module):
    """Something that gives an Optax transformation."""

    @abc.abstractmethod
    def transform(self) -> optax.GradientTransformation:
        """The transformation; it may hold traced numbers."""


class Descent(AbstractOptimizer):
    """A rule of Optax with a learning rate that falls along half a cosine, decoupled weight decay, and clipping.

        step t: -rate(t) (rule(clip(g)) + weight_decay θ)
        rate(t) = learning_rate (1 + cos(π min(t / decay_steps, 1))) / 2

    The rate is constant where `decay_steps` is 0; weight decay is for matrices only; gradients of a norm above `clip`
    are shortened to it. `rule` is one of adam, sgd, momentum, rmsprop, lion.

    >>> transform = Descent(0.1, rule="sgd").transform()
    >>> step, _ = transform.update(jnp.ones(2), transform.init(jnp.zeros(2)), jnp.zeros(2))
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

    def transform(self) -> optax.GradientTransformation:
        return optax.chain(
            _clip(self.clip),
            RULES[self.rule](),
            _decay(self.weight_decay),
            optax.scale_by_learning_rate(self.rate),
        )

    def rate(self, step: Array) -> Array:
        """The learning rate at a step."""
        progress = jnp.clip(step / jnp.maximum(self.decay_steps, 1.0), 0.0, 1.0)
        fallen = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        return self.learning_rate * jnp.where(jnp.asarray(self.decay_steps) > 0, fallen, 1.0)


class Transformation(AbstractOptimizer):
    """A transformation of Optax as it is."""

    transformation: optax.GradientTransformation = eqx.field(static=True)

    def transform(self) -> optax.GradientTransformation:
        return self.transformation


def as_optimizer(optimizer: Any) -> AbstractOptimizer:
    """An optimiser of ours, of Optax, or by name; raises `UsageError` for anything else."""
    if isinstance(optimizer, AbstractOptimizer):
        return optimizer
    if isinstance(optimizer, optax.GradientTransformation):
        return Transformation(optimizer)
    if isinstance(optimizer, str):
        return Descent(rule=optimizer)
    raise UsageError(f"{optimizer!r} is no optimiser.", mend="Give a name such as 'adam', or an object of Optax.")


def _clip(most: float | Scalar) -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        norm = optax.tree.norm(updates)
        factor = jnp.minimum(1.0, most / jnp.maximum(norm, 1e-30))
        return jax.tree.map(lambda g: g * factor, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _decay(rate: float | Scalar) -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any) -> tuple[Any, Any]:
        return jax.tree.map(lambda g, p: g + rate * p if p.ndim > 1 else g, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
