"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from tacit._errors import UsageError

_F = TypeVar("_F", bound=Callable[..., Any])

MODEL = click.argument("model", type=click.Path())
ROWS = click.argument("rows", type=click.Path(allow_dash=True))
DATA = click.argument("data", type=click.Path(allow_dash=True))
OUTPUT = click.option("-o", "--output", default="-", metavar="FILE", help="Where to write; - is standard output.")
FORCE = click.option("--force", is_flag=True, help="Overwrite files that exist.")
JSON = click.option("--json", "as_json", is_flag=True, help="Results, and errors, as JSON on standard output.")
SEED = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", default=0, show_default=True, help="Of everything random."
)
SHOW_ROWS = click.option(
    "--show-rows", is_flag=True, help="Show a few rows that are images, and what comes back of them: the page has them."
)
KEEP = click.option("--keep", metavar="COL,COL", default="", help="Columns of the rows to copy into the output.")


def together(*decorators: Callable[[Any], Any]) -> Callable[[_F], _F]:
    """Several options as one decorator, in the order of the help."""

    def decorate(function: _F) -> _F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


SCHEMA = together(
    click.option("--schema", type=click.Path(), metavar="F.toml", help="How columns are read, from tacit check -o."),
    click.option("--type", "types", multiple=True, metavar="COL=KIND", help="Read a column as this kind."),
    click.option("--drop", multiple=True, metavar="COL", help="Leave a column out altogether."),
    click.option("--id", "ids", multiple=True, metavar="COL", help="A name of the row: kept, not modelled."),
    click.option("--weight", metavar="COL", help="Row weights: a row counts as so many."),
    click.option("--group", metavar="COL", help="Rows that belong together; they are never split."),
    click.option("--time", metavar="COL", help="The order of rows; the latest are held out."),
)


def listed(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def pairs(texts: Sequence[str], option: str, *, last: bool = False, names: Sequence[str] = ()) -> dict[str, str]:
    """NAME=VALUE texts as a dict, divided at the first (or `last`) equals sign, or behind the longest of `names`."""
    found = {}
    for text in texts:
        name, sign, value = text.rpartition("=") if last else text.partition("=")
        for known in names:
            if "=" in known and text.startswith(f"{known}=") and len(known) > len(name):
                name, value = known, text[len(known) + 1 :]
        if not sign or not name:
            raise UsageError(f"{text!r} is not NAME=VALUE.", where=option, mend=f"Write {option} NAME=VALUE.")
        if name in found:
            raise UsageError(f"{name!r} is there twice.", where=option, mend="Give each name once.")
        found[name] = value
    return found


def numbers_of_components(text: str) -> tuple[int, ...]:
    """5, or 1:8 for 1 to 8, or auto for 1 to 10."""
    low, sign, high = ("1:10" if text == "auto" else text).partition(":")
    if low.isdecimal() and (high.isdecimal() if sign else True):
        first, last = int(low), int(high or low)
        if 1 <= first <= last <= 10_000:
            return tuple(range(first, last + 1))
    raise UsageError(f"{text!r} is no number of components.", where="-k", mend="Write 5, or 1:8, or auto.")


def image_shape(text: str) -> tuple[int, int]:
    """Height and width of an image from 8x8."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise UsageError(f"{text!r} is no shape of an image.", where="--image", mend="Write height x width, as 8x8.")
    return int(height), int(width)


def quantile_levels(text: str) -> list[float]:
    """Levels between 0 and 1, separated by commas."""
    try:
        levels = [float(part) for part in listed(text)]
    except ValueError:
        levels = []
    if not levels or not all(0 < level < 1 for level in levels):
        mend = "Write levels between 0 and 1, such as 0.05,0.5,0.95."
        raise UsageError(f"{text!r} is no list of quantiles.", where="--quantiles", mend=mend)
    return levels
