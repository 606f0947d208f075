"""What made a fit: versions and machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import jax

_PACKAGES = ("tacit-lvm", "jax", "jaxlib", "equinox", "numpy", "pyarrow")


def made_by() -> dict[str, Any]:
    """The `versions` and the `machine` of a record."""
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {jax.default_backend()}",
    }
