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
# more than the training of a small table then saves. Steps of EM are as fast without the fusion emitters, which take
# half of the memory of a fit to compile. Decision 0015 has the figures.
_LEAN = {"xla_cpu_use_fusion_emitters": False}
_SOON = {"xla_backend_optimization_level": 1, **_LEAN}


def _options(ours: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that hold here: on CPUs, where XLA_FLAGS says nothing, and known to this release of XLA."""
    if jax.default_backend() != "cpu":
        return {}
    set_by_hand = os.environ.get("XLA_FLAGS", "")
    return {name: value for name, value in ours.items() if name not in set_by_hand and _is_known(name, value)}


@functools.cache
def _is_known(name: str, value: Any) -> bool:
    """Whether XLA has an option of that name.

    >>> _is_known("xla_cpu_use_fusion_emitters", False), _is_known("no_such_option", True)
    (True, False)
    """
    try:
        jax.jit(lambda: 0.0, compiler_options={name: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`equinox.filter_jit`, told to compile fast where the device is a CPU. What XLA_FLAGS says goes before.

    >>> import jax.numpy as jnp
    >>> print(compiled(lambda x: x + 1)(jnp.ones(2)))
    [2. 2.]
    """

    @functools.cache
    def made() -> Any:  # at the first call: asking for the device while a module is imported would start it
        jit: Any = eqx.filter_jit  # which hands to `jax.jit` more than its types say
        return jit(function, compiler_options=_options(_SOON))

    return _later(made, function)


def compiled_lean(function: Callable[P, R], static: tuple[str, ...] = ()) -> Callable[P, R]:
    """`jax.jit` of arrays, with arguments that are `static`, told to compile in little memory on a CPU.

    It is a program of its own, and cannot be called while another one is traced. What XLA_FLAGS says goes before.

    >>> import jax.numpy as jnp
    >>> print(compiled_lean(lambda x, *, n: x * n, ("n",))(jnp.ones(2), n=3))
    [3. 3.]
    """

    @functools.cache
    def made() -> Any:
        return jax.jit(function, static_argnames=static, compiler_options=_options(_LEAN))

    return _later(made, function)


def _later(made: Callable[[], Any], function: Callable[P, R]) -> Callable[P, R]:
    """The function as the program that `made` gives."""

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
