"""Activations by name: a model file keeps the name, never code."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from tacit._errors import UsageError
from tacit._typing import Array

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "silu": jax.nn.silu,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "gelu": jax.nn.gelu,
    "tanh": jnp.tanh,
    "identity": lambda x: x,
}


def activation(name: str) -> Callable[[Array], Array]:
    """The function of that name; raises `UsageError` for an unknown one."""
    if name not in ACTIVATIONS:
        raise UsageError(f"{name!r} is no activation.", mend=f"Use one of {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]
