from __future__ import annotations

import dataclasses
import json
import math
from abc import abstractmethod
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit._errors import ModelFileError, UsageError
from tacit.persistence import pack, register, registered, unpack
from tacit.persistence.packing import _CLASSES


@registered
@dataclasses.dataclass(frozen=True)
class Ring:
    centre: Any
    width: float = 1.0


@registered
class Affine(eqx.Module):
    weight: jax.Array
    bias: jax.Array
    size: int = eqx.field(static=True)

    def __init__(self, size: int) -> None:
        self.weight, self.bias, self.size = jnp.ones((size, 2)), jnp.zeros(size), size


@dataclasses.dataclass
class Stranger:
    x: int = 0


def round_trip(obj):
    tree, arrays = pack(obj)
    return unpack(json.loads(json.dumps(tree, allow_nan=False)), arrays)


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.builds(Ring, inner)
    ),
    max_leaves=12,
)


@settings(derandomize=True, deadline=None)
@given(trees)
def test_plain_values_come_back_the_same(obj):
    assert repr(round_trip(obj)) == repr(obj)  # repr tells 1 from 1.0 and True, -0.0 from 0.0, and nan equals nan


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">f8", ">i4"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_arrays_come_back_the_same(dtype, shape):
    array = np.asfortranarray(np.arange(math.prod(shape)).reshape(shape).astype(dtype))
    again = round_trip({"a": array})["a"]
    assert again.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(again, array)


def test_objects_hold_objects_and_arrays_are_named_by_their_place():
    obj = Ring(centre=(Affine(3), {"a/b~c": np.array([1.0, np.nan])}), width=math.inf)
    tree, arrays = pack(obj)
    assert set(arrays) == {"/centre/0/weight", "/centre/0/bias", "/centre/1/a~1b~0c"}
    again = unpack(tree, arrays)
    affine = again.centre[0]
    assert type(again) is Ring
    assert type(affine) is Affine
    assert again.width == math.inf
    assert affine.size == 3
    assert type(affine.weight) is np.ndarray
    np.testing.assert_array_equal(affine.weight, np.ones((3, 2)))
    assert jax.tree.structure(jax.tree.map(jnp.asarray, affine)) == jax.tree.structure(Affine(3))


def test_numpy_scalars_become_plain_numbers():
    again = round_trip([np.float64(0.1), np.int64(3), np.bool_(True), np.float32(0.5), np.float64("nan")])
    assert [type(x) for x in again] == [float, int, bool, float, float]


def looped():
    obj: list[Any] = []
    obj.append(obj)
    return obj


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (Ring(centre=[Stranger()]), r"/centre/0: a .*Stranger cannot be saved.*register"),
        (Ring(centre=math.sin), "cannot be saved"),
        ({"a": {1, 2}}, "set cannot be saved"),
        (SimpleNamespace(x=1), "cannot be saved"),
        ({1: 2}, "key 1 of a dict is not text"),
        (np.array(["text"]), "<U4 cannot be saved"),
        (np.array([None]), "object cannot be saved"),
        (np.array([1j]), "complex128 cannot be saved"),
        (np.ma.array([1.0]), "MaskedArray cannot be saved"),
        (jnp.ones(2, jnp.bfloat16), "bfloat16 cannot be saved"),
        (jax.random.key(0), "key<fry> cannot be saved"),
        (object.__new__(Ring), "never set"),
        (looped(), "holds itself"),
    ],
)
def test_what_cannot_be_saved_says_so(obj, message):
    with pytest.raises(UsageError, match=message):
        pack(obj)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"object": ["os.system", {"command": "ls"}]}, "not registered"),
        ({"object": ["Ring", {"centre": 1}]}, "unknown or missing fields of Ring: \\['width'\\]"),
        ({"object": ["Ring", {"centre": 1, "width": 1.0, "__class__": 1}]}, "__class__"),
        ({"object": ["Ring"]}, "unknown way"),
        ({"object": [["Ring"], {}]}, "unknown way"),
        ({"float": "1e999"}, "unknown way"),
        ({"tuple": {}}, "unknown way"),
        ({"array": "/a"}, "unknown way"),
        ({"dict": {}, "tuple": []}, "unknown way"),
        ({}, "unknown way"),
    ],
)
def test_odd_trees_are_refused(tree, message):
    with pytest.raises(ModelFileError, match=message):
        unpack(tree, {})


def test_arrays_are_used_once_and_all_of_them():
    with pytest.raises(ModelFileError, match="unknown way"):
        unpack([{"array": "/0"}, {"array": "/0"}], {"/0": np.zeros(1)})
    with pytest.raises(ModelFileError, match="belong to nothing"):
        unpack([], {"/0": np.zeros(1)})


def test_deep_trees_are_refused():
    tree: Any = []
    for _ in range(300):
        tree = {"tuple": [tree]}
    with pytest.raises(ModelFileError, match="too deeply"):
        unpack(tree, {})


def test_loading_does_not_run_the_constructor():
    @dataclasses.dataclass
    class Loud:
        x: int

        def __post_init__(self) -> None:
            raise AssertionError

    register(Loud, name="test.Loud")
    assert unpack({"object": ["test.Loud", {"x": 3}]}, {}).x == 3
    del _CLASSES["test.Loud"]


def test_only_concrete_dataclasses_are_registered_and_names_are_not_taken_over():
    class Plain:
        pass

    class Abstract(eqx.Module):
        @abstractmethod
        def method(self) -> None: ...

    for cls in (Plain, Abstract):
        with pytest.raises(UsageError, match="not a concrete dataclass"):
            register(cls)
    with pytest.raises(UsageError, match="is registered for"):
        register(Stranger, name="Ring")
    assert register(Ring) is Ring
