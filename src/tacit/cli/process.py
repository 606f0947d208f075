"""What a command line needs as a process of its own, and a library must never do: signals, hooks, a cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from tacit.cli import failures
from tacit.cli.app import app


def run() -> None:
    """Run the command of `sys.argv` and exit."""
    sys.excepthook = failures.unexpected
    signals = _Signals()
    keep_compilations()
    sys.meta_path.insert(0, _NoPandas())
    try:
        app()
    finally:
        signals.leave_if_asked()


class _NoPandas:
    """Hides pandas from pyarrow, which imports it, where it is installed, to make an array of any list."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("no command needs pandas", name=name)


_AGAIN = 3.0  # seconds


class _Signals:
    """SIGINT and SIGTERM end the command in order: files being written are removed, then the process goes at once.

    Where the exception that they raise is lost (in a callback, or in the import of an extension), it is raised again.
    """

    def __init__(self) -> None:
        self._asked = 0
        sys.unraisablehook = self._lost
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = number
        if hasattr(signal, "setitimer"):  # not on Windows
            signal.signal(signal.SIGALRM, lambda *_: self._ask(number, None))
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def _lost(self, failure: Any) -> None:
        """Python prints an exception that a callback cannot hand on; ours is no fault, and comes again."""
        if not (self._asked and isinstance(failure.exc_value, (KeyboardInterrupt, SystemExit))):
            sys.__unraisablehook__(failure)

    def leave_if_asked(self) -> None:
        """Exit with the code of the signal, even where an import in progress has turned it into an error of its own.

        Not by way of the interpreter's own end: it would tear down what JAX's threads are still compiling with.
        """
        if not self._asked:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(128 + self._asked)


def keep_compilations() -> None:
    """Keep what JAX compiles in a private folder, so that a second run does not compile again.

    The folder is TACIT_CACHE, or tacit under XDG_CACHE_HOME or ~/.cache; where it cannot be made private and
    writable, nothing is kept. JAX reads the variables when it is imported; those that are set already stay.
    """
    folder = _folder()
    if folder is not None:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        # a cache that is full or damaged costs time only
        warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")


def _folder() -> Path | None:
    base = os.environ.get("TACIT_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = (Path(base) if base else Path(home) / "tacit") / f"compiled-{_processor()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        owned = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    except OSError:
        return None
    return folder if owned and os.access(folder, os.W_OK) else None


def _processor() -> str:
    """A short name of the processor: compiled code may not run on another one that shares the home folder."""
    text = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        text += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        text += platform.processor()
    return hashlib.sha256(text.encode()).hexdigest()[:12]
