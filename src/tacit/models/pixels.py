"""Image networks in the place of dense ones: what they read and write is the vector of an event, not a picture."""

from __future__ import annotations

from typing import Self

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Float

from tacit._typing import Array, Key
from tacit.networks import PatchDecoder, PatchEncoder


class ImageReader(eqx.Module):
    """`[pixels, pixels of a second colour, ..., x] -> [patch network of the picture, x]`.

    >>> import jax
    >>> reader = ImageReader.init(jax.random.key(0), (8, 8), colours=2)
    >>> reader(jnp.ones(2 * 64 + 3)).shape, reader.width(2 * 64 + 3)
    ((259,), 259)
    """

    network: PatchEncoder

    @classmethod
    def init(
        cls, key: Key, shape: tuple[int, int], *, colours: int = 1, blocks: int = 2, activation: str = "gelu"
    ) -> Self:
        """Sizes as those of `PatchEncoder`."""
        return cls(PatchEncoder.init(key, (*shape, colours), blocks=blocks, activation=activation))

    def width(self, n_in: int) -> int:
        """Length of the output for inputs of length `n_in`."""
        height, width, colours = self.network.shape
        return self.network.width + n_in - height * width * colours

    def __call__(self, inputs: Float[Array, " i"]) -> Float[Array, " o"]:
        height, width, colours = self.network.shape
        n = height * width * colours
        picture = inputs[:n].reshape(colours, -1).T.reshape(-1)
        return jnp.concatenate([self.network(picture), inputs[n:]])


class ImageWriter(eqx.Module):
    """`[z, x] -> [pixels, pixels of a second colour, ...]` by a patch network: one number a pixel for each colour.

    >>> import jax
    >>> writer = ImageWriter.init(jax.random.key(0), 5, (8, 8), colours=2)
    >>> writer(jnp.ones(5)).shape
    (128,)
    """

    network: PatchDecoder

    @classmethod
    def init(
        cls, key: Key, n_in: int, shape: tuple[int, int], *, colours: int = 1, blocks: int = 2, activation: str = "gelu"
    ) -> Self:
        """Sizes as those of `PatchDecoder`."""
        return cls(PatchDecoder.init(key, n_in, (*shape, colours), blocks=blocks, activation=activation))

    def __call__(self, inputs: Float[Array, " i"]) -> Float[Array, " o"]:
        colours = self.network.shape[2]
        return self.network(inputs).reshape(-1, colours).T.reshape(-1)


class Shift(eqx.Module):
    """`h -> h + b`. Field: `bias` (o,)."""

    bias: Float[Array, "*m o"]

    def __call__(self, h: Float[Array, " o"]) -> Float[Array, " o"]:
        return h + self.bias
