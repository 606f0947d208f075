"""The safetensors container: texts and named arrays in one file, checked before anything is allocated.

Layout: 8 bytes with the length of the header; the header in JSON, `{"__metadata__": {texts}, name: {"dtype",
"shape", "data_offsets"}, ...}`, padded with spaces; the arrays, one after another without gaps. The text
"sha256" is the checksum of the whole file, with that text itself read as 64 zeros: no byte is left out.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from tacit._errors import ModelFileError, UsageError

FORMAT = 1
MAX_HEADER = 16 * 2**20
DTYPES = {
    name: np.dtype(code)
    for name, code in (
        *(("BOOL", "?"), ("F16", "<f2"), ("F32", "<f4"), ("F64", "<f8")),
        *(("I8", "<i1"), ("I16", "<i2"), ("I32", "<i4"), ("I64", "<i8")),
        *(("U8", "<u1"), ("U16", "<u2"), ("U32", "<u4"), ("U64", "<u8")),
    )
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_TEXTS = ("format", "tacit", "class", "manifest", "object", "sha256")
_BLANK = "0" * 64
_MAX_BYTES = 2**62
_MAX_AXES = 64  # NumPy's


def write_container(handle: BinaryIO, texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write texts and arrays (little-endian, of `DTYPES`); the same content always gives the same bytes."""
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # keeps every array aligned
    entries: dict[str, Any] = {}
    end = 0
    for name in order:
        array, begin = arrays[name], end
        end += array.nbytes
        entries[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}

    def header(digest: str) -> bytes:
        content = {"__metadata__": {"format": str(FORMAT), **texts, "sha256": digest}, **entries}
        text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    blank = header(_BLANK)
    if len(blank) > MAX_HEADER:
        raise UsageError(f"the manifest takes {len(blank):,} bytes, over {MAX_HEADER:,}.", mend="Record less.")
    checksum = hashlib.sha256(blank)
    for name in order:
        checksum.update(arrays[name].tobytes())
    handle.write(header(checksum.hexdigest()))
    for name in order:
        handle.write(arrays[name].tobytes())


def read_container(handle: BinaryIO, size: int) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The texts and arrays of a file of `size` bytes; raises `ModelFileError` where anything is wrong."""
    prefix = handle.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > size - 8 or length > MAX_HEADER:
        raise ModelFileError("is not a tacit model file, or is cut short.")
    header = handle.read(length)
    content = parse_json(header)
    texts = _checked_texts(content)
    if not re.fullmatch("[0-9a-f]{64}", texts["sha256"]) or header.count(texts["sha256"].encode()) != 1:
        raise ModelFileError("is damaged: it carries no proper checksum.")
    checksum = hashlib.sha256(prefix + header.replace(texts["sha256"].encode(), _BLANK.encode()))
    arrays = {}
    for name, dtype, shape in _layout(content, size - 8 - length):
        arrays[name] = np.empty(shape, dtype)
        data = handle.read(arrays[name].nbytes)
        if len(data) != arrays[name].nbytes:
            raise ModelFileError("is cut short.")
        checksum.update(data)
        raw = np.frombuffer(data, np.uint8)
        if dtype == np.bool_ and np.any(raw > 1):
            raise ModelFileError("is damaged: a truth value is neither 0 nor 1.")
        arrays[name].reshape(-1).view(np.uint8)[:] = raw
    if checksum.hexdigest() != texts["sha256"]:
        raise ModelFileError("is damaged: its checksum is wrong.", mend="Copy it again, or fit again.")
    return texts, arrays


def parse_json(text: bytes | str) -> Any:
    """Strict JSON: no duplicate keys, no NaN, bounded nesting; raises `ModelFileError`."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ModelFileError("is damaged, or not a tacit model file: no proper JSON.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("duplicate keys")
    return content


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _checked_texts(content: Any) -> dict[str, str]:
    texts = content.pop("__metadata__", None) if isinstance(content, dict) else None
    if not isinstance(texts, dict) or not all(isinstance(texts.get(key), str) for key in _TEXTS):
        raise ModelFileError("is not a tacit model file.")
    written = texts["format"]
    if not (written.isascii() and written.isdigit() and len(written) < 10 and int(written) > 0):
        raise ModelFileError("is damaged: its format is not a number.")
    if int(written) > FORMAT:
        writer = ascii(texts["tacit"][:40])
        raise ModelFileError(
            f"was written by tacit {writer} in format {written}; this one reads up to {FORMAT}.",
            mend="Upgrade: pip install --upgrade tacit-lvm",
        )
    return texts


def _layout(content: dict[str, Any], room: int) -> list[tuple[str, np.dtype, list[int]]]:
    """Name, dtype and shape of the arrays in the file's order; they must fill it without gap or overlap."""
    found = []
    for name, entry in content.items():
        match entry:
            case {"dtype": str(code), "shape": list(shape), "data_offsets": [int(begin), int(end)]} if (
                code in DTYPES and len(shape) <= _MAX_AXES and all(type(d) is int and d >= 0 for d in shape)
            ):
                found.append((begin, end, name, DTYPES[code], shape))
            case _:
                raise ModelFileError(f"is damaged: the array {name[:80]!r} is not described properly.")
    found.sort(key=lambda entry: entry[:2])
    cursor = 0
    for begin, end, name, dtype, shape in found:
        size = math.prod(shape) * dtype.itemsize
        spread = math.prod(d or 1 for d in shape) * dtype.itemsize  # bounded for empty arrays as well
        if begin != cursor or end - begin != size or spread > _MAX_BYTES:
            raise ModelFileError(f"is damaged: the place of the array {name[:80]!r} is wrong.")
        cursor = end
    if cursor != room:
        raise ModelFileError(f"is damaged or cut short: {room:,} bytes of arrays in place of {cursor:,}.")
    return [(name, dtype, shape) for _, _, name, dtype, shape in found]
