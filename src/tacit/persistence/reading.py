"""A manifest is JSON that anyone may have written: what lacks in it is said of the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tacit._errors import ModelFileError, TacitError, UsageError


@contextmanager
def reading_manifest(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise `ModelFileError` where the manifest lacks what is read of it, or holds it in another form.

    Example:
        >>> with reading_manifest("m.tacit"):
        ...     {}["record"]
        Traceback (most recent call last):
        tacit._errors.ModelFileError: m.tacit: is damaged: its manifest is not that of a fit. Fit again.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, TacitError) and not isinstance(error, UsageError):
            raise
        raise ModelFileError(
            "is damaged: its manifest is not that of a fit.", where=str(path), mend="Fit again."
        ) from error
