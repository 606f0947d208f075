"""One column as it comes (text, or any Arrow type) to one of six data types, decided over all its cells."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DType = Literal["float", "int", "bool", "text", "date", "other"]

DEFAULT_TOKENS: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NUMBER_OR_INFINITY = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)$"
_WHOLE = r"^[+-]?\d+$"
_LEADING_ZERO = r"^[+-]?0\d"
_ISO_DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_OTHER_DATE = r"^(\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d{4}[/.]\d{1,2}[/.]\d{1,2})([ T]\d{1,2}:\d{2}.*)?$"


def data_type(array: pa.Array) -> DType:
    """The data type of a normalised column; text whose every cell is a date in figures counts as "date"."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_temporal(kind):
        return "date"
    if pa.types.is_string(kind):
        dated = len(array) > array.null_count and (all_match(array, _ISO_DATE) or all_match(array, _OTHER_DATE))
        return "date" if dated else "text"
    return "other"


def matches(text: pa.Array, pattern: str) -> np.ndarray:
    """Which cells match the pattern; missing cells do not."""
    found = pc.fill_null(pc.match_substring_regex(text, pattern), False)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def all_match(text: pa.Array, pattern: str) -> bool:
    """Whether every cell that is present matches the pattern."""
    return bool(pc.all(pc.match_substring_regex(text, pattern)).as_py() in (True, None))


def without_missing(text: pa.Array, missing: tuple[str, ...]) -> pa.Array:
    """Cells trimmed of white space, with the missing tokens as nulls."""
    trimmed = pc.utf8_trim_whitespace(text)
    absent = pc.is_in(trimmed, value_set=pa.array(list(missing), pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), trimmed)


def typed_text(text: pa.Array, missing: tuple[str, ...]) -> pa.Array:
    """Text cells as int64, float64 or bool where all present cells read as such, and as text otherwise.

    Two kinds of digits stay text because as numbers they would be changed: codes with leading zeros
    ("01234"), and whole numbers beyond 64 bits.
    """
    cells = without_missing(text, missing)
    if cells.null_count == len(cells):
        return cells
    if all_match(cells, r"(?i)^(true|false)$"):
        return pc.cast(pc.utf8_lower(cells), pa.bool_())
    try:
        numbers = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        if not all_match(cells, _NUMBER_OR_INFINITY):
            return cells
        numbers = pa.array([None if cell is None else float(cell) for cell in cells.to_pylist()], pa.float64())
    if not all_match(cells, _WHOLE):
        return numbers
    if matches(cells, _LEADING_ZERO).any():
        return cells
    try:
        return pc.cast(pc.replace_substring_regex(cells, r"^\+", ""), pa.int64())
    except pa.ArrowInvalid:
        return cells


def normalised(array: pa.Array, missing: tuple[str, ...]) -> pa.Array:
    """Any Arrow column as int64, float64, bool, string, a temporal type, or itself if none of these."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return normalised(array.dictionary_decode(), missing)
    if pa.types.is_null(kind):
        return pc.cast(array, pa.string())
    if pa.types.is_large_string(kind) or pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return typed_text(pc.cast(array, pa.string()), missing)
    if pa.types.is_integer(kind):
        fits = kind != pa.uint64() or (pc.max(array).as_py() or 0) < 2**63
        return pc.cast(array, pa.int64()) if fits else pc.cast(array, pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(array, pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    return array
