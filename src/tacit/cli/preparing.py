"""A table with the schema that the options ask for, looked at and encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacit._errors import DataError, UsageError
from tacit.cli import options

if TYPE_CHECKING:
    from tacit.data.check import CheckReport
    from tacit.data.encode import Rows
    from tacit.data.schema import Schema
    from tacit.data.table import Table
    from tacit.workflow.fit_table import Job


@dataclass(frozen=True)
class Prepared:
    """What a fit begins with."""

    table: Table
    schema: Schema
    checked: CheckReport
    rows: Rows


def prepare(data: str, **reading: Any) -> Prepared:
    """Read DATA as the options of `options.SCHEMA` say."""
    from tacit.data.check import check
    from tacit.data.encode import encode
    from tacit.data.table import read_table

    table = read_table(data)
    schema = read_schema(table, **reading)
    return Prepared(table, schema, check(table, schema), encode(schema, table))


def read_schema(
    table: Table,
    *,
    schema: str | None,
    types: Sequence[str],
    drop: Sequence[str],
    ids: Sequence[str],
    weight: str | None,
    group: str | None,
    time: str | None,
) -> Schema:
    """The schema of a TOML file, or one inferred from the table and the options."""
    from tacit.data.schema import Schema

    roles = {"weight": weight, "group": group, "time": time}
    if schema is None:
        kinds = options.pairs(types, "--type", last=True)
        return Schema.infer(table, types=kinds, drop=drop, ids=ids, **roles)
    if types or drop or ids or any(roles.values()):
        raise UsageError(
            "--schema says how every column is read; --type, --drop, --id, --weight, --group and --time do too.",
            mend=f"Write it into {schema}, or leave --schema out.",
        )
    try:
        return Schema.from_toml(_text(schema), table)
    except DataError as error:
        where = schema + (error.where or "").removeprefix("schema")
        raise DataError(error.what, where=where, mend=error.mend) from None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot be read: {reason}.", where=path, mend="Write one with tacit check -o.") from None
    except UnicodeDecodeError:
        raise DataError("is not UTF-8.", where=path, mend="Save it as UTF-8.") from None


def with_settings(job: Job, texts: Sequence[str]) -> Job:
    """The job with --set NAME=VALUE put in; raises `UsageError` for unknown names and values out of range."""
    from tacit.inference.starts import METHODS

    known = {field.name: getattr(job.settings, field.name) for field in fields(job.settings)}
    known["n_folds"] = job.n_folds
    least = dict.fromkeys(known, 1) | {"n_folds": 2, "tolerance": 0.0, "plain_steps": 0}
    found: dict[str, Any] = {}
    for name, text in options.pairs(texts, "--set").items():
        if name not in known:
            raise UsageError(f"{name!r} is not a setting.", where="--set", mend=f"Use one of {', '.join(known)}.")
        kind = type(known[name])
        if kind is str:
            if text not in (methods := ("random", *METHODS)):
                raise UsageError(f"{text!r} is no method.", where=name, mend=f"Use one of {', '.join(methods)}.")
            found[name] = text
            continue
        try:
            found[name] = kind(text)
        except ValueError:
            mend = f"Write a number, such as {known[name]}."
            raise UsageError(f"{text!r} is not {_a(kind)}.", where=f"--set {name}", mend=mend) from None
        if not found[name] >= least[name]:
            raise UsageError(f"{text} is below {least[name]}.", where=f"--set {name}", mend="Write a larger number.")
    n_folds = found.pop("n_folds", job.n_folds)
    return replace(job, n_folds=n_folds, settings=replace(job.settings, **found))


def _a(kind: type) -> str:
    return "a whole number" if kind is int else "a number"
