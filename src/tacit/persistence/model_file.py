"""Save, load and describe a model file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tacit._errors import ModelFileError, UsageError
from tacit._files import atomic_write
from tacit.persistence.container import parse_json, read_container, write_container
from tacit.persistence.packing import pack, unpack

_OWN = ("format", "tacit", "class")


def save(obj: Any, path: str | os.PathLike[str], *, manifest: Mapping[str, Any], force: bool = False) -> None:
    """Write an object of registered classes and a JSON manifest (schema, settings, figures), whole or not.

    The keys "format", "tacit" and "class" of the manifest are the file's own. Raises `UsageError` for what a
    file cannot hold, and `OutputError` where `path` exists (without `force`) or cannot be written; the old
    file stays then.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/figures.tacit"
        >>> save({"mean": np.arange(2.0)}, path, manifest={"note": "two numbers"})
        >>> load(path)[0]
        {'mean': array([0., 1.])}
        >>> read_manifest(path)["note"]
        'two numbers'
    """
    own = [key for key in _OWN if key in manifest]
    if own:
        raise UsageError(f"the manifest's keys {own} are the file's own.", mend="Use other names.")
    try:
        described = json.dumps(dict(manifest), separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the manifest is not JSON: {error}.", mend="Convert it to plain values.") from error
    tree, arrays = pack(obj)
    texts = {
        "tacit": version("tacit-lvm"),
        "class": tree["object"][0] if isinstance(tree, dict) and "object" in tree else type(obj).__name__,
        "manifest": described,
        "object": json.dumps(tree, separators=(",", ":"), allow_nan=False),
    }
    with atomic_write(path, force=force) as handle:
        write_container(handle, texts, arrays)


def load(path: str | os.PathLike[str]) -> tuple[Any, dict[str, Any]]:
    """The object and the manifest of a model file; arrays come back as NumPy.

    The checksum shows damage, not who wrote the file; no code in it is ever run. Raises `ModelFileError` for
    a file that is missing, damaged, hostile, of a newer format, or that holds classes not registered here.
    """
    with _reading(path):
        texts, arrays = _read(path)
        return unpack(parse_json(texts["object"]), arrays), _manifest(texts)


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest, with "format", "tacit" (the version) and "class"; needs no class registered.

    The whole file is checked, and errors are those of `load`.
    """
    with _reading(path):
        return _manifest(_read(path)[0])


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    if Path(path).exists() and not Path(path).is_file():
        raise ModelFileError("is not a regular file.")
    with open(path, "rb") as handle:
        return read_container(handle, os.fstat(handle.fileno()).st_size)


def _manifest(texts: dict[str, str]) -> dict[str, Any]:
    manifest = parse_json(texts["manifest"])
    if not isinstance(manifest, dict):
        raise ModelFileError("is damaged: its manifest is not a table.")
    return {**manifest, "format": int(texts["format"]), "tacit": texts["tacit"], "class": texts["class"]}


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say in every error which file it is about."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(error.what, where=str(path), mend=error.mend) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelFileError(f"cannot be read: {reason}.", where=str(path), mend="Check the name.") from error
