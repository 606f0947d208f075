"""Aliases used in signatures throughout the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxtyping import Float, PRNGKeyArray

if TYPE_CHECKING:
    # Of the device or of the host: JAX functions take both, and fitted state rests as NumPy.
    Array = Any
else:
    from jaxtyping import Array

Key = PRNGKeyArray
Event = Any
Scalar = Float[Array, ""]
