"""Progress on stderr, where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tacit.cli.failures import note

Progress = Callable[[str, int, int], None]


@contextmanager
def watched() -> Iterator[Progress]:
    """Progress to call with stage, done and total: a bar on a terminal, nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    texts = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bars(*texts, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, object] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield show


def announce(seconds: float, megabytes: float) -> None:
    """Say before long work how long it may take and how much memory."""
    if seconds > 2 or megabytes > 1000:
        duration = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
        note(f"about {duration} and {megabytes:,.0f} MB (a rough estimate; less where a like table was fitted before)")
