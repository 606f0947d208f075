"""Aliases used in signatures throughout the package."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray

Key = PRNGKeyArray
Event = Any
Scalar = Float[Array, ""]
