"""Write a file whole or not at all, under a name that says what it holds."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tacit._errors import OutputError, UsageError


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[BinaryIO]:
    """A binary handle whose content appears at `path` when the block ends without an error.

    It is written beside the target, flushed to the disk and renamed, so that the old file is never lost,
    whatever interrupts. Raises `OutputError` where the file exists (without `force`), is no regular file, or
    cannot be written.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if target.exists() and not target.is_file():
            raise OutputError("this is not a regular file.", where=str(path), mend="Give another file name.")
        if target.exists() and not force:
            raise OutputError("the file exists.", where=str(path), mend="Overwrite with --force (force=True).")
        with open(draft, "xb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(draft, target)
        _sync_folder(target.parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        mend = "Choose a folder that exists, can be written and has room."
        raise OutputError(f"cannot be written: {reason}.", where=str(path), mend=mend) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def check_ending(path: str | os.PathLike[str], endings: Sequence[str]) -> str:
    """The ending of a file name, in small letters; raises `UsageError` where it is none of those that can be written.

    >>> check_ending("rows.CSV", (".csv", ".tsv"))
    '.csv'
    """
    ending = Path(path).suffix.lower()
    if ending not in endings:
        what = "The ending of the file name is not one that can be written."
        raise UsageError(what, where=str(path), mend=f"Use {' or '.join(endings)}.")
    return ending


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, on systems that can sync a folder; the file is whole without."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
