"""The command line: thin commands over the workflow, imported only when they are run."""

from __future__ import annotations


def main() -> None:
    """Run the command line as a process: its compilation cache, its signals, its exit code."""
    try:
        from tacit.cli.process import run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()
