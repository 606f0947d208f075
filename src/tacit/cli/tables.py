"""Tables in and out of the commands: rows for a model, copied columns, results as CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from tacit._errors import OutputError, UsageError
from tacit.cli.failures import note

if TYPE_CHECKING:
    from tacit.data.encode import Rows
    from tacit.data.schema import Schema
    from tacit.data.table import Table


def check_outputs(*paths: str | None, force: bool, stdout: bool = True) -> None:
    """Raise `OutputError` before the work begins where a file exists already or its folder does not.

    "-" is standard output; `UsageError` where it cannot be (`stdout`).
    """
    for path in paths:
        if path == "-" and not stdout:
            mend = "Name a file; ./- is one called so."
            raise UsageError("this output cannot go to standard output.", where="-", mend=mend)
        if path is None or path == "-":
            continue
        if Path(path).exists() and not force:
            raise OutputError("the file exists.", where=path, mend="Overwrite it with --force.")
        if not Path(path).resolve().parent.is_dir():
            raise OutputError("cannot be written: there is no such folder.", where=path, mend="Make the folder.")


def read_rows(
    path: str, schema: Schema, require: Literal["all", "any"], covariates: Any = None, *, roles: bool = False
) -> tuple[Table, Rows]:
    """A table and its rows as the model reads them; what was noticed goes to stderr.

    Of a model with `covariates` the rows hold theirs, and with "any" they need no other column. With `roles` weights
    and groups are read, for means over rows; where a column of them is absent, none is.
    """
    import numpy as np

    from tacit.data.encode import Rows, encode
    from tacit.data.table import read_table

    table = read_table(path)
    held = [column.name for column in schema.columns if column.role in ("weight", "group", "time")]
    absent = [name for name in held if name not in table.names]
    if roles and absent:
        note(f"the table lacks {', '.join(absent)}: all rows count alike, and errors are over rows")
    if covariates is not None and require == "any" and not set(schema.names) & set(table.names):
        n = len(table)
        rows = Rows(np.full((n, schema.layout.width), np.nan), np.zeros(n), np.ones(n))
    else:
        rows = encode(schema, table, require=require, roles=roles and not absent)
    found = None if covariates is None else covariates.encode(table)
    for finding in (*rows.findings, *(found.findings if found is not None else ())):
        if finding.code != "extra-columns":
            note(str(finding))
    return table, rows if found is None else replace(rows, x=found.x)


def with_kept(table: Table, names: list[str], found: Mapping[str, Any], rows: Any = None) -> dict[str, Any]:
    """The columns of the input that the output repeats (of some `rows`), then those that were `found`.

    Raises `UsageError` where there is no such column, or the output has one of that name itself.
    """
    unknown = [name for name in names if name not in table.names]
    if unknown:
        mend = f"Its columns are {', '.join(table.names)}."
        raise UsageError(f"there is no column {unknown[0]!r} to keep.", where=table.source, mend=mend)
    double = [name for name in names if name in found]
    if double:
        mend = "Rename it in the rows."
        raise UsageError(f"the output has a column {double[0]!r} of its own.", where="--keep", mend=mend)
    copied = {name: table.column(name) if rows is None else table.column(name).take(rows) for name in names}
    return {**copied, **found}


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, with underscores behind it until it is none of those taken."""
    taken = set(taken)
    while name in taken:
        name += "_"
    return name


def write_result(
    command: str,
    columns: Mapping[str, Any],
    output: str,
    *,
    force: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Columns to a file or as CSV to stdout; with --json what was written, and the columns unless in a file."""
    from tacit.data.write import write_table

    if output != "-":
        write_table(columns, output, force=force)
        note(f"wrote {output}")
        more["output"] = output
    elif not as_json:
        write_table(columns, "-")
    if as_json:
        if output == "-":
            more["columns"] = {name: _cells(values) for name, values in columns.items()}
        write_json(command, more)


def write_json(command: str, result: Any) -> None:
    """The result of a command as one line of strict JSON."""
    from tacit.workflow.json_values import as_json

    body = {"format": 1, "command": command, "result": as_json(result)}
    click.echo(json.dumps(body, ensure_ascii=False, allow_nan=False, default=str))


def _cells(values: Any) -> list[Any]:
    cells: list[Any] = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    return cells
