"""Fingerprints of tables: equal for equal names, types and cells, in whatever file or frame they came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

CHUNK = 1 << 16  # rows, of which eight share a byte of marks


def of_columns(columns: Iterable[tuple[str, Any]]) -> str:
    """SHA-256 over the names, types and cells of Arrow columns."""
    digest = hashlib.sha256()
    for name, cells in columns:
        digest.update(f"{name!r}:{cells.type}:{len(cells)};".encode())
        digest.update(np.packbits(cells.is_valid().to_numpy(zero_copy_only=False)).data)
        if pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type):
            digest.update(np.ascontiguousarray(pc.fill_null(cells, 0).to_numpy(zero_copy_only=False)).data)
        else:
            digest.update(repr(cells.to_pylist()).encode())
    return digest.hexdigest()


def of_rows(X: Float[np.ndarray, "n d"], names: Sequence[str]) -> str:
    """That of the rows as Arrow columns of floats, NaN as null, without a copy of a whole column.

    >>> of_rows(np.array([[1.5], [np.nan]]), ["a"]) == of_columns([("a", pa.array([1.5, None]))])
    True
    """
    digest = hashlib.sha256()
    for name, column in zip(names, X.T, strict=True):
        digest.update(f"{name!r}:double:{len(column)};".encode())
        chunks = [column[start : start + CHUNK] for start in range(0, len(column), CHUNK)]
        for chunk in chunks:
            digest.update(np.packbits(~np.isnan(chunk)).data)
        for chunk in chunks:
            digest.update(np.where(np.isnan(chunk), 0.0, chunk).data)
    return digest.hexdigest()
