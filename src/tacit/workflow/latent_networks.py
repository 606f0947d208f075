"""The networks of a deep model: dense ones, or patches of an image."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import jax
from jaxtyping import Float

from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.schema import Schema
from tacit.models import (
    AbstractLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    ImageReader,
    ImageWriter,
    Recognition,
    Shift,
)
from tacit.networks import Dense, Linear

Network = Literal["auto", "dense", "patches"]
IMAGE_SIDE = 8  # pixels of the shorter side from which on "auto" takes patches


def checked_image(image: Any) -> tuple[int, int] | None:
    """Height and width of an image, or None; raises `UsageError` for anything else."""
    if image is None:
        return None
    sides = tuple(image) if isinstance(image, tuple | list) else ()
    if len(sides) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        raise UsageError(f"{image!r} is no shape of an image.", where="image", mend="Give (height, width): (28, 28).")
    return sides[0], sides[1]


def check_network(network: str, image: tuple[int, int] | None) -> None:
    """Raise `UsageError` for an unknown name, and for patches of no image."""
    if network not in get_args(Network):
        mend = f"Use one of {', '.join(get_args(Network))}."
        raise UsageError(f"{network!r} is no network.", where="network", mend=mend)
    if network == "patches" and image is None:
        raise UsageError("patches are those of an image.", where="network", mend="Give image=(height, width) too.")


def check_pixels(image: tuple[int, int], schema: Schema, where: str) -> None:
    """Raise `UsageError` where a row has not one column for every pixel, those that are constant too."""
    if image[0] * image[1] == len(schema.pixels):
        return
    what = f"{image[0]} x {image[1]} pixels are not the {len(schema.pixels)} columns of a row."
    mend = "Give height and width of a row, and leave out columns that are no pixels."
    raise UsageError(what, where=where, mend=mend)


def takes_patches(network: str, image: tuple[int, int] | None, family: ColumnFamily, schema: Schema) -> bool:
    """Whether the networks are of patches: "auto" takes them for images of 8 x 8 and more whose pixels are alike.

    Raises `UsageError` where a row has not one column a pixel, and for "patches" of columns of several kinds, or where
    some are constant and take no part in the model.
    """
    if image is None:
        return False
    height, width = image
    check_pixels(image, schema, "image")
    n_columns = len(schema.names)
    parts = [0 if family.normal is None else family.normal.d, family.n_binary, len(family.levels), family.n_counts]
    alike = not family.levels and sum(parts) == max(parts) == height * width
    if network == "patches" and height * width != n_columns:
        what = f"{height * width - n_columns} pixels are constant, and take no part in the model."
        mend = "Use network='dense', or likelihood='bernoulli', of which constant pixels are columns too."
        raise UsageError(what, where="image", mend=mend)
    if network == "patches" and not alike:
        what = "columns of several kinds, or of categories, are no pixels."
        raise UsageError(what, where="image", mend="Use network='dense', or name one likelihood, as 'gaussian'.")
    return network == "patches" or (network == "auto" and alike and min(image) >= IMAGE_SIDE)


def dense(
    key: Key,
    latent: AbstractLatent,
    family: ColumnFamily,
    inputs: ColumnInputs,
    bias: Float[Array, " w"],
    n_covariates: int,
    *,
    decoder_widths: tuple[int, ...],
    widths: tuple[int, ...],
    activation: str,
) -> tuple[Decoder, Recognition]:
    """Decoder and encoder of hidden layers, which read covariates beside z and beside the columns.

    At the start what they say beside `bias` has a mean squared length of 4 at most, however many numbers that is, so z
    says little. Weights that keep the variance are undone in the first passes, and a code may not survive it.
    """
    keys = jax.random.split(key, 4)
    n_in, n_read = latent.size + n_covariates, inputs.size + n_covariates
    features = Dense.init(keys[0], n_in, decoder_widths, activation=activation)
    head = _last(keys[1], features.width(n_in), family.width)
    read = Dense.init(keys[2], n_read, widths, activation=activation)
    last = _last(keys[3], read.width(n_read), latent.width)
    return Decoder(latent, features, Linear(head.weight, bias), family), Recognition(inputs, read, last, latent)


def _last(key: Key, n_in: int, n_out: int) -> Linear:
    return Linear.init(key, n_in, n_out, gain=min(1.0, 2.0 / math.sqrt(n_out)))


def of_patches(
    key: Key,
    latent: AbstractLatent,
    family: ColumnFamily,
    inputs: ColumnInputs,
    bias: Float[Array, " w"],
    n_covariates: int,
    *,
    image: tuple[int, int],
    blocks: int,
    activation: str,
) -> tuple[Decoder, Recognition]:
    """The same of patch networks: numbers of a pixel that its family needs, and marks of holes, are colours."""
    keys = jax.random.split(key, 3)
    n, settings = image[0] * image[1], {"blocks": blocks, "activation": activation}
    written: dict[str, Any] = {"colours": family.width // n, **settings}
    features = ImageWriter.init(keys[0], latent.size + n_covariates, image, **written)
    read: dict[str, Any] = {"colours": inputs.size // n, **settings}
    reader = ImageReader.init(keys[1], image, **read)
    last = Linear.init(keys[2], reader.width(inputs.size + n_covariates), latent.width)
    return Decoder(latent, features, Shift(bias), family), Recognition(inputs, reader, last, latent)
