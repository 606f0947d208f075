"""Programs and arrays on the device, without more compilation than they are worth."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

P = ParamSpec("P")
R = TypeVar("R")

# XLA's own choice makes steps of small networks up to a quarter faster, and takes 1.3 to 2.3 times as long to compile:
# more than the training of a small table then saves. Decision 0015 has the figures.
_ON_CPU = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`equinox.filter_jit`, told to compile fast where the device is a CPU. What XLA_FLAGS says goes before.

    >>> import jax.numpy as jnp
    >>> print(compiled(lambda x: x + 1)(jnp.ones(2)))
    [2. 2.]
    """

    @functools.cache
    def made() -> Any:  # at the first call: asking for the device while a module is imported would start it
        set_by_hand = os.environ.get("XLA_FLAGS", "")
        own = {name: value for name, value in _ON_CPU.items() if name not in set_by_hand}
        options = own if jax.default_backend() == "cpu" else {}
        jit: Any = eqx.filter_jit  # which hands to `jax.jit` more than its types say
        return jit(function, compiler_options=options)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        found: R = made()(*args, **kwargs)
        return found

    return called


def placed(array: ArrayLike | jax.Array, dtype: DTypeLike | None = None) -> jax.Array:
    """A host's array on the device; `jax.numpy.asarray` without a dtype compiles a program for every new shape.

    The host's array must not change afterwards: the device may share its memory.
    """
    found: jax.Array = jax.device_put(np.asarray(array, dtype))
    return found
