"""The page itself: the record put into words and pictures, and written so that no old file is lost."""

from __future__ import annotations

import os

from jinja2 import Environment, PackageLoader

from tacit._files import atomic_write
from tacit.plots import PlotData, component_colour, is_paired
from tacit.report import words
from tacit.report.numerals import number, percent, share_with_error, with_error
from tacit.report.pictures import draw_gallery
from tacit.report.record import Record


def render(record: Record, pictures: PlotData | None = None) -> str:
    """The report as one HTML page: no scripts, nothing loaded from elsewhere, every text from the data escaped.

    Sections that the record lacks are left out. The page holds no rows of the table, but those in `pictures.originals`:
    of `pictures.real` it shows shares and counts only.

    >>> page = render({"title": "<penguins>", "model": "Mixture", "k": 3})
    >>> "<h1><bdi>&lt;penguins&gt;</bdi></h1>" in page
    True
    """
    gallery = draw_gallery(record, pictures)
    has_rows = pictures is not None and pictures.real is not None
    return _environment().get_template("page.html").render(record=record, gallery=gallery, has_rows=has_rows)


def write_report(
    path: str | os.PathLike[str], record: Record, pictures: PlotData | None = None, *, force: bool = False
) -> None:
    """Write the page to `path`, whole or not at all; an older file stays until the new one is complete.

    Raises OutputError when the file exists and `force` is not set, or when it cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(Path(folder) / "report.html", {"title": "penguins"})
    ...     [file.name for file in Path(folder).iterdir()]
    ['report.html']
    """
    # A lone surrogate from a hostile name cannot be encoded; the page shows a question mark.
    page = render(record, pictures).encode("utf-8", "replace")
    with atomic_write(path, force=force) as file:
        file.write(page)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tacit", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "percent": percent}
    environment.globals |= {
        "share_with_error": share_with_error,
        "with_error": with_error,
        "headline": words.headline,
        "measure": words.measure,
        "kind_in_words": words.kind_in_words,
        "error_in_words": words.error_in_words,
        "comparison": words.comparison,
        "few": words.few,
        "ranked": words.ranked,
        "gathered": words.gathered,
        "component_colour": component_colour,
        "is_paired": is_paired,
    }
    return environment
