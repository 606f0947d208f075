"""tacit check: what is in a table, what is wrong with it, and how each column is read."""

from __future__ import annotations

from typing import Any

import click

from tacit.cli import options
from tacit.cli.failures import note
from tacit.cli.preparing import prepare
from tacit.cli.tables import check_outputs, write_json


@click.command("check")
@options.DATA
@click.option(
    "-o",
    "--output",
    metavar="F.toml",
    help="Write the schema, to edit and to give to tacit fit --schema; - to standard output.",
)
@options.together(options.SCHEMA, options.FORCE, options.JSON)
def command(data: str, output: str | None, force: bool, as_json: bool, **reading: Any) -> None:
    """What is in the table DATA, what is wrong with it, and how each column will be read, and why."""
    from tacit._files import atomic_write
    from tacit.cli.words import check_in_words

    check_outputs(output, force=force, stdout=not as_json)
    prepared = prepare(data, **reading)
    if as_json:
        write_json("check", {**prepared.checked.to_dict(), "schema": output})
    else:
        click.echo(check_in_words(prepared.checked), err=output == "-")
    if output == "-":
        click.echo(prepared.schema.to_toml(), nl=False)
    elif output is not None:
        with atomic_write(output, force=force) as handle:
            handle.write(prepared.schema.to_toml().encode())
        note(f"wrote {output}")
