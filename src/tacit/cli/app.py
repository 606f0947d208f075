"""The group of commands: each is imported when it is asked for, and every failure leaves by one door."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from tacit._errors import FitError, OutputError, TacitError
from tacit.cli import failures

COMMANDS = {
    "demo": "The whole job on a real table, to see what comes out.",
    "check": "What is in a table, what is wrong with it, and how each column is read.",
    "fit": "Learn the density of a table.",
    "predict": "Any column given whatever other cells are there.",
    "sample": "Draw rows from the model, some columns fixed if you like.",
    "score": "The log density of each row.",
    "latent": "Which component each row comes from.",
    "impute": "Fill the missing cells.",
    "anomalies": "The odd rows, and what makes them odd.",
    "compare": "Models and plain baselines on the same held-out rows; with --target, those of a column given the rest.",
    "report": "The report of a model file, again or on other rows.",
    "gradients": "Bias, variance and cost of gradient estimators for discrete latents.",
    "info": "What is in a model file, or in this installation.",
}

_INTERRUPTED, _PIPE_CLOSED = 128 + 2, 128 + 13  # as shells report SIGINT and SIGPIPE


class Commands(click.Group):
    """The commands of `COMMANDS`, each in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"tacit.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end it with an exit code of its own
            failures.close_quietly()
            raise SystemExit(_PIPE_CLOSED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command and leave with its exit code; errors are told in two lines, or as JSON with --json."""
        given = list(sys.argv[1:] if args is None else args)
        extra |= {"standalone_mode": False, "obj": shlex.join(["tacit", *given])}
        told = failures.Telling(command=_command_of(given), as_json="--json" in given)
        try:
            code = super().main(given, prog_name or "tacit", **extra)
            failures.flush()
        except click.Abort:  # Ctrl-C
            failures.note("Interrupted; nothing was left half written.")
            raise SystemExit(_INTERRUPTED) from None
        except TacitError as error:
            raise SystemExit(told.error(error)) from None
        except click.ClickException as error:
            raise SystemExit(told.usage(error)) from None
        except MemoryError:
            mend = "Use a machine with more memory, fewer rows, or fewer components."
            raise SystemExit(told.error(FitError("There is not enough memory.", mend=mend))) from None
        except BrokenPipeError:
            failures.close_quietly()
            raise SystemExit(_PIPE_CLOSED) from None
        except OSError as error:
            failures.close_quietly()
            reason = (error.strerror or str(error)).lower()
            failed = OutputError(f"cannot be written: {reason}.", where="standard output", mend="Use -o FILE.")
            raise SystemExit(told.error(failed)) from None
        raise SystemExit(code if isinstance(code, int) else 0)


def _command_of(args: Sequence[str]) -> str | None:
    return next((arg for arg in args if arg in COMMANDS), None)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="tacit-lvm", prog_name="tacit", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Fit once, ask anything: learn the density of a table, and ask it for any column given any others.

    \b
      tacit demo                                   see the whole job
      tacit check DATA -o schema.toml              how the columns are read
      tacit fit DATA -o M.tacit --report R.html    choose, fit, judge
      tacit predict M.tacit ROWS --target COL      an exact answer, holes allowed
      tacit fit DATA --target COL -o M.tacit       that column given the others, by networks
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
