"""Compiled programs are kept between tests, processes and runs: most of the time of the tests is compilation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CACHE = Path(__file__).parent / ".cache" / "tests"

# programs that hardly run need no good code: compiled this way they take a third of the time
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.fixture(scope="module", autouse=True)
def _let_compiled_programs_go() -> Iterator[None]:
    """Each compiled program holds memory maps, and a process may have about 65,000 of them: beyond, it crashes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
