"""The schema as editable TOML."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tacit._errors import DataError
from tacit.data.column import CODED, CONTINUOUS, LOGGED, ROLES, Column, fit_column
from tacit.data.kinds import KINDS, MEANING
from tacit.data.table import Table

if TYPE_CHECKING:
    from tacit.data.schema import Schema

_NUMBERS = ("center", "scale", "floor")
_KEYS = {"kind": str, "role": str, "dtype": str, "why": str, "levels": list} | {
    prefix + key: (int, float) for prefix in ("", "log_") for key in _NUMBERS
}


def write_toml(schema: Schema) -> str:
    """One table a column; on the log scale the keys are log_center, log_scale and log_floor."""
    lines = [
        "# How each column is read. Edit a kind, drop a column, order the levels; then fit with --schema.",
        "#",
        *(f"#   {kind:<14} {meaning}" for kind, meaning in MEANING.items()),
        "#",
        "# role: model, ignored, weight, group or time.",
        "# floor: the least standard deviation of a component in this column; log_floor: of its logarithm.",
        "# Numbers that an edited kind lacks are measured on the data again.",
        "",
        "format = 1",
    ]
    for column in schema.columns:
        lines += ["", f"[column.{_text(column.name)}]"]
        lines += [f"{key} = {_value(value)}" for key, value in _entries(column).items()]
    return "\n".join(lines) + "\n"


def _entries(column: Column) -> dict[str, Any]:
    entries: dict[str, Any] = {"kind": column.kind, "why": column.why}
    if column.role != "model" and (column.kind, column.role) != ("id", "ignored"):  # so that an edited kind counts
        entries["role"] = column.role
    entries["dtype"] = column.dtype
    if column.kind in CODED:
        entries["levels"] = list(column.levels)
    if column.role == "model" and column.kind in CONTINUOUS:
        prefix = "log_" if column.kind in LOGGED else ""
        entries |= {prefix + key: getattr(column, key) for key in _NUMBERS}
    return entries


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A TOML basic string: quotes, backslashes and control characters are escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'


def read_toml(text: str, table: Table | None) -> Schema:
    """The schema of a TOML text; see `Schema.from_toml`."""
    from tacit.data.schema import Schema

    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"The text is not TOML: {error}.", where="schema", mend="Mend that line.") from None
    if tree.get("format") != 1:
        raise DataError(
            f"format is {tree.get('format')!r}, but this version reads 1.",
            where="schema",
            mend="Write the schema again with tacit check -o.",
        )
    entries = tree.get("column")
    if not isinstance(entries, dict) or not entries or set(tree) != {"format", "column"}:
        raise DataError(
            f"Expected the keys format and column, but found {', '.join(tree)}.",
            where="schema",
            mend="Give one [column.NAME] table a column.",
        )
    schema = Schema(tuple(_column(name, entry, table) for name, entry in entries.items()))
    for role in ("weight", "group", "time"):
        holders = [column.name for column in schema.columns if column.role == role]
        if len(holders) > 1:
            raise _wrong(holders[1], "role", f"column {holders[0]!r} is the {role} already")
    schema.check_modelled("schema")
    return schema


def _column(name: str, entry: Any, table: Table | None) -> Column:
    if not isinstance(entry, dict):
        raise _wrong(name, "kind", "expected a table of keys")
    for key, value in entry.items():
        if key not in _KEYS:
            raise _wrong(name, key, f"is not a key; use {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise _wrong(name, key, f"{value!r} has the wrong type")
    kind, role = entry.get("kind"), entry.get("role", "ignored" if entry.get("kind") == "id" else "model")
    if kind not in KINDS:
        raise _wrong(name, "kind", f"{kind!r} is not a kind; use {', '.join(KINDS)}")
    if role not in ROLES:
        raise _wrong(name, "role", f"{role!r} is not a role; use {', '.join(ROLES)}")
    if table is not None and name not in table.names:
        raise _wrong(name, "name", f"there is no such column in {table.source}")
    dtype = table.dtype(name) if table is not None else entry.get("dtype", "float")
    column = Column(name, kind, role, dtype, why=entry.get("why", ""))
    return _with_measures(column, entry, table) if column.modelled else column


def _with_measures(column: Column, entry: dict[str, Any], table: Table | None) -> Column:
    prefix = "log_" if column.kind in LOGGED else ""
    needed = {"levels": "levels"} if column.kind in CODED else {}
    if column.kind in CONTINUOUS:
        needed = {key: prefix + key for key in _NUMBERS}
    lacking = [key for key in needed.values() if key not in entry]
    if lacking and table is None:
        raise _wrong(column.name, lacking[0], f"a {column.kind} column needs it")
    if lacking and table is not None:
        column = replace(fit_column(table, column.name, column.kind, column.why), role=column.role)
    given = {key: entry[spelt] for key, spelt in needed.items() if spelt in entry}
    if "levels" in given:
        given["levels"] = _levels(column, given["levels"])
    for key, value in given.items():
        if key != "levels" and not (math.isfinite(value) and (key == "center" or value > 0)):
            raise _wrong(column.name, prefix + key, f"{value!r} is not a finite number above zero")
    measures: dict[str, Any] = {key: value if key == "levels" else float(value) for key, value in given.items()}
    return replace(column, **measures)


def _levels(column: Column, levels: list[Any]) -> tuple[Any, ...]:
    if len({type(level) for level in levels}) != 1 or not isinstance(levels[0], str | int | float):
        raise _wrong(column.name, "levels", "expected texts, numbers or booleans, all of one type")
    if len(set(levels)) != len(levels):
        raise _wrong(column.name, "levels", "a level occurs twice")
    if len(levels) < 2 or (column.kind == "binary" and len(levels) != 2):
        wanted = "two" if column.kind == "binary" else "two or more"
        raise _wrong(column.name, "levels", f"a {column.kind} column has {wanted}, not {len(levels)}")
    return tuple(levels)


def _wrong(column: str, key: str, what: str) -> DataError:
    return DataError(f"{what[0].upper()}{what[1:]}.", where=f"schema, [column.{column}] {key}", mend="Edit that key.")
