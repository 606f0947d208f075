"""Objects of registered classes as a JSON tree and named arrays, and back.

JSON scalars and lists stand for themselves. Everything else is an object whose one key says what it is:
`{"float": "nan"}`, `{"tuple": [...]}`, `{"dict": {...}}`, `{"array": "/place"}`, `{"object": ["Class",
{...}]}`.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from tacit._errors import ModelFileError, UsageError
from tacit.persistence.container import DTYPES

_MAX_DEPTH = 100
_CLASSES: dict[str, type] = {}
_C = TypeVar("_C", bound=type)


def register(cls: _C, *, name: str | None = None) -> _C:
    """Allow a dataclass (an Equinox module is one) in model files, under its public name.

    A file holds the fields of its objects and no code: loading sets the fields by name, without `__init__`.
    Raises `UsageError` for anything but a concrete dataclass, and for a name that another class has.
    """
    name = name or cls.__name__
    if not dataclasses.is_dataclass(cls) or inspect.isabstract(cls):
        raise UsageError(f"{cls.__name__} is not a concrete dataclass and cannot be registered.")
    known = _CLASSES.get(name, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise UsageError(
            f"the name {name!r} is registered for {known.__module__}.{known.__qualname__}.",
            mend="Register under another name: register(cls, name=...).",
        )
    _CLASSES[name] = cls
    return cls


def registered(cls: _C) -> _C:
    """Class decorator: `register` under the class's own name."""
    return register(cls)


def pack(obj: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """A JSON tree and arrays, keyed by their place (a JSON pointer), from which `unpack` rebuilds the object.

    Takes registered dataclasses and Equinox modules, tuples, lists, dicts with text keys, text, bool, int,
    float (also not finite), None, and NumPy or JAX arrays and scalars of numbers; arrays come back as NumPy.
    Raises `UsageError` for anything else, which says where it is and how to register its class.

    Example:
        >>> tree, arrays = pack({"means": np.zeros(2), "bound": float("-inf")})
        >>> tree
        {'dict': {'means': {'array': '/means'}, 'bound': {'float': '-inf'}}}
        >>> unpack(tree, arrays)
        {'means': array([0., 0.]), 'bound': -inf}
    """
    arrays: dict[str, np.ndarray] = {}
    return _pack(obj, "", 0, arrays), arrays


def unpack(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The object that `pack` took apart; raises `ModelFileError` for what `pack` could not have made."""
    remaining = dict(arrays)
    obj = _unpack(tree, 0, remaining)
    if remaining:
        raise ModelFileError(f"is damaged: arrays {sorted(remaining)[:5]} belong to nothing.")
    return obj


def _pack(obj: Any, place: str, depth: int, arrays: dict[str, np.ndarray]) -> Any:
    if depth > _MAX_DEPTH:
        raise UsageError("is nested too deeply, or holds itself.", where=place)
    if isinstance(obj, np.generic):
        obj = obj.item()
    kind = type(obj)
    if obj is None or kind in (str, bool, int):
        return obj
    if kind is float:
        return obj if math.isfinite(obj) else {"float": str(obj)}
    if kind is list or kind is tuple:
        items = [_pack(item, _inside(place, i), depth + 1, arrays) for i, item in enumerate(obj)]
        return items if kind is list else {"tuple": items}
    if kind is dict:
        return {"dict": _pack_items(obj, place, depth, arrays)}
    if _is_array(obj):
        arrays[place] = _as_numpy(obj, place)
        return {"array": place}
    name = next((name for name, known in _CLASSES.items() if known is kind), None)
    if name is None:
        raise UsageError(
            f"a {kind.__module__}.{kind.__qualname__} cannot be saved: no such class is registered.",
            where=place or None,
            mend="If it is a dataclass or an Equinox module, call tacit.persistence.register with its class, "
            "before saving and before loading.",
        )
    fields = [field.name for field in dataclasses.fields(obj)]
    unset = [field for field in fields if not hasattr(obj, field)]
    if unset:
        raise UsageError(f"the fields {unset} of this {name} were never set.", where=place or None)
    values = {field: getattr(obj, field) for field in fields}
    return {"object": [name, _pack_items(values, place, depth, arrays)]}


def _pack_items(values: dict[Any, Any], place: str, depth: int, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    odd = [key for key in values if type(key) is not str]
    if odd:
        raise UsageError(f"the key {odd[0]!r} of a dict is not text.", where=place or None)
    return {key: _pack(value, _inside(place, key), depth + 1, arrays) for key, value in values.items()}


def _unpack(tree: Any, depth: int, arrays: dict[str, np.ndarray]) -> Any:
    if depth > _MAX_DEPTH:
        raise ModelFileError("is damaged: the object is nested too deeply.")
    match tree:
        case None | str() | bool() | int() | float():
            return tree
        case list():
            return [_unpack(item, depth + 1, arrays) for item in tree]
        case {"float": "nan" | "inf" | "-inf" as text, **rest} if not rest:
            return float(text)
        case {"tuple": list(items), **rest} if not rest:
            return tuple(_unpack(item, depth + 1, arrays) for item in items)
        case {"dict": dict(items), **rest} if not rest:
            return {key: _unpack(value, depth + 1, arrays) for key, value in items.items()}
        case {"array": str(place), **rest} if not rest and place in arrays:
            return arrays.pop(place)
        case {"object": [str(name), dict(items)], **rest} if not rest:
            return _rebuild(name, {key: _unpack(value, depth + 1, arrays) for key, value in items.items()})
        case _:
            raise ModelFileError("is damaged: a part of the object is written in an unknown way.")


def _rebuild(name: str, values: dict[str, Any]) -> Any:
    cls = _CLASSES.get(name)
    if cls is None:
        raise ModelFileError(
            f"holds an object of the class {name[:80]!r}, which is not registered.",
            mend="Import the module that defines and registers it, or upgrade tacit.",
        )
    odd = {field.name for field in dataclasses.fields(cls)}.symmetric_difference(values)
    if odd:
        raise ModelFileError(f"has unknown or missing fields of {name}: {sorted(odd)[:5]}.", mend="Upgrade tacit.")
    obj: Any = object.__new__(cls)
    for field, value in values.items():
        object.__setattr__(obj, field, value)
    return obj


def _is_array(obj: Any) -> bool:
    jax = sys.modules.get("jax")  # where JAX was never imported there is no JAX array
    return type(obj) is np.ndarray or (jax is not None and isinstance(obj, jax.Array))


def _as_numpy(obj: Any, place: str) -> np.ndarray:
    if isinstance(obj.dtype, np.dtype):  # JAX's random keys have a dtype that is not one of NumPy's
        dtype = obj.dtype.newbyteorder("<")
        if dtype in DTYPES.values():
            return np.asarray(obj, dtype=dtype, order="C")
    mend = f"Use one of {', '.join(map(str, DTYPES.values()))}; for text a tuple."
    raise UsageError(f"an array of {obj.dtype} cannot be saved.", where=place or None, mend=mend)


def _inside(place: str, key: str | int) -> str:
    """The JSON pointer (RFC 6901) of a part."""
    return f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}"
