"""How a failure is told: what, where and one way to mend it, on stderr or as JSON on stdout."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import click

from tacit._errors import TacitError, UsageError


def note(text: str) -> None:
    """A line on stderr; quiet where there is no stderr left to write to."""
    click.echo(text, err=True)


@dataclass(frozen=True)
class Telling:
    """Tells failures of one command."""

    command: str | None
    as_json: bool

    def error(self, error: TacitError) -> int:
        """Tell an error that a person can mend, and give the exit code."""
        if self.as_json:
            body = {"format": 1, "command": self.command, "error": error.to_dict()}
            click.echo(json.dumps(body, ensure_ascii=False))
        place = f"{error.where}: " if error.where else ""
        note(f"error: {place}{error.what}")
        if error.mend:
            note(f"  {error.mend}")
        return error.exit_code

    def usage(self, error: click.ClickException) -> int:
        """Tell a wrong option or argument as click found it."""
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "tacit"
        if isinstance(error, click.FileError):
            where = error.ui_filename
        return self.error(UsageError(_sentence(error.format_message()), where=where, mend=f"See {_help(context)}."))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "?", "!")) else text + "."


def _help(context: click.Context | None) -> str:
    return f"{context.command_path if context is not None else 'tacit'} --help"


def flush() -> None:
    """Write out what is still in stdout, so that a full disk or a closed pipe is met here."""
    sys.stdout.flush()


def close_quietly() -> None:
    """Send what may still be in stdout nowhere: whoever read it has gone, or it cannot be written."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


def unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
    """The hook for what nobody foresaw: one line that asks to report it; the trace with TACIT_DEBUG=1."""
    if os.environ.get("TACIT_DEBUG"):
        traceback.print_exception(kind, error, trace)
    if "--json" in sys.argv:
        what = {"error": "InternalError", "what": f"{kind.__name__}: {error}", "where": None, "mend": "Report it."}
        click.echo(json.dumps({"format": 1, "command": None, "error": what}))
    first = (str(error).splitlines() or [""])[0]
    note(f"internal error: {kind.__name__}: {first[:200]}")
    note("  This is a fault of tacit: please report it with the command and the output of TACIT_DEBUG=1.")
