"""tacit info: what is in a model file, or in this installation."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import click

from tacit.cli import options
from tacit.cli.tables import write_json

_PACKAGES = ("tacit-lvm", "jax", "jaxlib", "equinox", "numpy", "scipy", "scikit-learn", "pyarrow")


@click.command("info")
@click.argument("model", type=click.Path(), required=False)
@options.JSON
def command(model: str | None, as_json: bool) -> None:
    """What the file MODEL holds and how it came to be; without it, what is installed here."""
    if model is None:
        found = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
        if as_json:
            write_json("info", found)
        else:
            click.echo("\n".join(f"{name:<14} {text}" for name, text in found.items()))
        return
    from tacit.cli.conditional_words import conditional_in_words
    from tacit.cli.latent_words import latent_in_words
    from tacit.cli.linear_words import linear_in_words
    from tacit.cli.words import fit_in_words
    from tacit.persistence import read_manifest
    from tacit.persistence.reading import reading_manifest

    manifest = read_manifest(model)
    if as_json:
        write_json("info", manifest)
        return
    click.echo(f"{model}: {manifest['class']}, format {manifest['format']}, written by tacit {manifest['tacit']}")
    record: dict[str, Any] | None = manifest.get("record")
    if record is not None:
        with reading_manifest(model):
            of_kind = {"targets": conditional_in_words, "code": latent_in_words, "loadings": linear_in_words}
            words = next((tell for part, tell in of_kind.items() if part in record), fit_in_words)(record)
        click.echo(f"fitted on {manifest.get('fitted_on', 'rows that are not told')}\n")
        click.echo(words)
        click.echo(f"\n{record.get('command', '')}".rstrip())
