from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from tacit._errors import ModelFileError, OutputError, UsageError
from tacit.persistence import load, read_manifest, registered, save
from tacit.persistence.container import MAX_HEADER, read_container


@registered
@dataclasses.dataclass(frozen=True)
class Cloud:
    means: np.ndarray
    names: tuple[str, ...]
    used: np.ndarray


CLOUD = Cloud(np.array([[0.5, -1.0]]), ("length", "µ"), np.array([True, False, True]))
MANIFEST = {"schema": {"columns": ["a"]}, "held_out": -1.25}


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "cloud.tacit"
    save(CLOUD, target, manifest=MANIFEST)
    return target


def parts(content: bytes):
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def assemble(header, body: bytes, *, seal: bool = True) -> bytes:
    """A file of any header, with a right checksum where asked: what a careful attacker would write."""

    def encode(digest):
        if digest is not None:
            header["__metadata__"]["sha256"] = digest
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text

    if not seal:
        return encode(None) + body
    return encode(hashlib.sha256(encode("0" * 64) + body).hexdigest()) + body


def test_object_and_manifest_come_back(path):
    obj, manifest = load(path)
    assert type(obj) is Cloud
    np.testing.assert_array_equal(obj.means, CLOUD.means)
    np.testing.assert_array_equal(obj.used, CLOUD.used)
    assert obj.names == CLOUD.names
    assert manifest == read_manifest(path)
    assert {key: manifest[key] for key in MANIFEST} == MANIFEST
    assert (manifest["format"], manifest["class"]) == (1, "Cloud")


def test_other_readers_of_safetensors_read_it(path):
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()["class"] == "Cloud"
        np.testing.assert_array_equal(file.get_tensor("/means"), CLOUD.means)
        np.testing.assert_array_equal(file.get_tensor("/used"), CLOUD.used)


def test_same_content_gives_the_same_bytes(path, tmp_path):
    save(CLOUD, tmp_path / "again.tacit", manifest=MANIFEST)
    assert path.read_bytes() == (tmp_path / "again.tacit").read_bytes()


def test_arrays_can_be_written_to_and_objects_without_arrays_saved(path, tmp_path):
    load(path)[0].means[:] = 3.0
    save([1, "two"], tmp_path / "list.tacit", manifest={})
    assert load(tmp_path / "list.tacit")[0] == [1, "two"]


def test_every_flipped_bit_is_noticed(path):
    content = path.read_bytes()
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            with pytest.raises(ModelFileError):
                read_container(io.BytesIO(damaged), len(damaged))


def test_every_truncation_and_any_addition_is_noticed(path):
    content = path.read_bytes()
    for length in range(len(content)):
        with pytest.raises(ModelFileError):
            read_container(io.BytesIO(content[:length]), length)
    with pytest.raises(ModelFileError):
        read_container(io.BytesIO(content + b"\0"), len(content) + 1)
    with pytest.raises(ModelFileError, match="cut short"):
        read_container(io.BytesIO(content[:-1]), len(content))  # shrinks while it is read


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_random_bytes_are_refused(data):
    length = data.draw(st.integers(0, 300))
    content = length.to_bytes(8, "little") + data.draw(st.binary(max_size=400))
    with pytest.raises(ModelFileError):
        read_container(io.BytesIO(content), len(content))


def test_damage_on_disk_names_the_file(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for read in (load, read_manifest):
        with pytest.raises(ModelFileError, match=r"cloud.tacit: is damaged"):
            read(path)


def edit(entry: str, **changes):
    def change(header):
        header[entry] = {**header[entry], **changes}

    return change


HOSTILE = {
    "overlap": edit("/used", data_offsets=[0, 3]),
    "gap": edit("/used", data_offsets=[17, 20]),
    "negative": edit("/means", data_offsets=[-16, 0]),
    "wrong size": edit("/means", shape=[1, 3]),
    "huge": edit("/means", shape=[2**40, 2**40]),
    "empty but huge": edit("/means", shape=[0, 2**40, 2**40], data_offsets=[0, 0]),
    "many axes": edit("/means", shape=[1] * 70 + [2]),
    "negative axes": edit("/means", shape=[-1, -2]),
    "fractional axis": edit("/means", shape=[1.0, 2]),
    "truth for a number": edit("/means", shape=[True, 2]),
    "unknown dtype": edit("/means", dtype="OBJ"),
    "dtype no text": edit("/means", dtype=["F64"]),
    "no offsets": edit("/means", data_offsets=None),
    "entry no table": lambda header: header.update({"/means": 3}),
    "extra array": lambda header: header.update({"/x": {"dtype": "F64", "shape": [0], "data_offsets": [0, 0]}}),
    "text no text": edit("__metadata__", manifest={}),
    "format no number": edit("__metadata__", format="one"),
    "format zero": edit("__metadata__", format="0"),
    "format with other digits": edit("__metadata__", format="١"),
    "manifest no JSON": edit("__metadata__", manifest="{"),
    "manifest no table": edit("__metadata__", manifest="[]"),
    "manifest with NaN": edit("__metadata__", manifest='{"a":NaN}'),
    "object deep": edit("__metadata__", object="[" * 100_000 + "]" * 100_000),
    "object rather deep": edit("__metadata__", object="[" * 400 + "]" * 400),
    "object duplicate keys": edit("__metadata__", object='{"dict":{"a":1,"a":2}}'),
    "class unknown": edit("__metadata__", object='{"object":["subprocess.Popen",{"args":"ls"}]}'),
    "no metadata": lambda header: header.pop("__metadata__"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_with_a_right_checksum_are_refused(path, change):
    header, body = parts(path.read_bytes())
    change(header)
    path.write_bytes(assemble(header, body, seal="__metadata__" in header))
    with pytest.raises(ModelFileError):
        load(path)


def test_truth_values_must_be_truth_values(path):
    header, body = parts(path.read_bytes())
    path.write_bytes(assemble(header, body[:-1] + b"\2"))
    with pytest.raises(ModelFileError, match="truth value"):
        load(path)


def test_the_unchanged_parts_assemble_to_a_good_file(path):
    """The hostile cases above fail for what they change, not for how they are put together."""
    path.write_bytes(assemble(*parts(path.read_bytes())))
    assert load(path)[0].names == CLOUD.names


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"PK\x03\x04 a zip file, perhaps",
        (2**63).to_bytes(8, "little") + b"{}",
        (MAX_HEADER + 8).to_bytes(8, "little") + b" " * (MAX_HEADER + 8),
        assemble(b"[" * 200_000, b"", seal=False),
        assemble(b"[]", b"", seal=False),
        assemble(b'{"__metadata__":{}}', b"", seal=False),
        assemble(b'{"a":1,"a":1}', b"", seal=False),
        assemble(b'{"a":NaN}', b"", seal=False),
        assemble(b'{"a":' + b"1" * 5000 + b"}", b"", seal=False),
        assemble(b"\xff\xfe{}", b"", seal=False),
    ],
    ids=lambda content: content[:20],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "odd.tacit"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        load(path)


def test_a_newer_file_says_who_wrote_it_and_to_upgrade(path):
    header, body = parts(path.read_bytes())
    header["__metadata__"].update(format="2", tacit="9.1.0")
    path.write_bytes(assemble(header, body))
    with pytest.raises(ModelFileError, match=r"tacit '9\.1\.0' in format 2.*Upgrade"):
        load(path)


def test_a_checksum_that_is_no_checksum_is_refused(path):
    header, body = parts(path.read_bytes())
    for digest in ("", "0" * 63, "g" * 64, "\ud800" * 64, header["__metadata__"]["sha256"].upper()):
        header["__metadata__"]["sha256"] = digest
        path.write_bytes(assemble(json.dumps(header).encode(), body, seal=False))
        with pytest.raises(ModelFileError):
            load(path)


def test_missing_files_and_folders_are_model_file_errors(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        load(tmp_path / "none.tacit")
    with pytest.raises(ModelFileError, match="regular file"):
        load(tmp_path)


def test_an_existing_file_is_kept_unless_forced(path):
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"exists.*--force"):
        save([1], path, manifest={})
    assert path.read_bytes() == before
    save([1], path, manifest={}, force=True)
    assert load(path)[0] == [1]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_nothing_else(path, monkeypatch, code, call):
    before = path.read_bytes()

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OutputError, match=os.strerror(code).lower()):
        save([1], path, manifest={}, force=True)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save([1], path, manifest={}, force=True)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_places_that_cannot_be_written(tmp_path):
    for path in (tmp_path / "none" / "a.tacit", tmp_path / ("a" * 300), tmp_path):
        with pytest.raises(OutputError):
            save([1], path, manifest={}, force=True)


def test_a_link_stays_a_link(path):
    link = path.with_name("link.tacit")
    link.symlink_to(path)
    save([1], link, manifest={}, force=True)
    assert link.is_symlink()
    assert load(path)[0] == [1]


@pytest.mark.parametrize(
    ("obj", "manifest", "message"),
    [
        ([1], {"class": "x"}, "file's own"),
        ([1], {"a": float("nan")}, "not JSON"),
        ([1], {"a": {1, 2}}, "not JSON"),
        ([1], {"a": "x" * MAX_HEADER}, "Record less"),
        ([{1, 2}], {}, "cannot be saved"),
    ],
)
def test_what_cannot_be_written_leaves_no_file(tmp_path, obj, manifest, message):
    with pytest.raises(UsageError, match=message):
        save(obj, tmp_path / "a.tacit", manifest=manifest)
    assert os.listdir(tmp_path) == []
