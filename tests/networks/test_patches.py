"""Patches: cut and put together without loss, sizes that fit, every pixel read and written."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit._errors import UsageError
from tacit.networks import PatchDecoder, PatchEncoder, partition
from tacit.networks.patches import image, patches

KEY = jax.random.key(0)


def test_a_picture_is_its_patches_put_together() -> None:
    picture = np.arange(6 * 4 * 3.0).reshape(6, 4, 3)
    cut = patches(jnp.asarray(picture), 2)
    assert cut.shape == (6, 12)
    np.testing.assert_array_equal(cut[3], picture[2:4, 2:4].ravel())
    np.testing.assert_array_equal(image(cut, picture.shape, 2), picture)


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 1), (6, 9, 2)])
def test_every_pixel_is_read_and_written(shape: tuple[int, int, int]) -> None:
    n = int(np.prod(shape))
    encoder, decoder = PatchEncoder.init(KEY, shape), PatchDecoder.init(KEY, 5, shape)
    x = jax.random.normal(KEY, (n,))
    features = encoder(x)
    assert features.shape == (encoder.width,)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(encoder(x) ** 3)))(x)
    assert np.all(np.asarray(gradient) != 0)
    written = jax.jit(jax.jacfwd(decoder))(jnp.ones(5))
    assert written.shape == (n, 5)
    assert np.all(np.abs(np.asarray(written)).sum(1) > 0)
    assert 0.05 < float(decoder(jax.random.normal(KEY, (5,))).std()) < 3.0  # neither silent nor wild at the start


def test_sizes_of_the_two_common_images() -> None:
    counts = {}
    for shape in ((28, 28, 1), (8, 8, 1)):
        encoder = PatchEncoder.init(KEY, shape)
        trained, _ = partition(encoder)
        counts[shape[0]] = encoder.patch, encoder.place.shape, sum(a.size for a in jax.tree.leaves(trained))
    assert counts[28][:2] == (4, (49, 32))
    assert counts[8][:2] == (2, (16, 16))
    assert counts[28][2] < 25_000
    assert counts[8][2] < 5_000


def test_patches_that_do_not_tile_are_refused() -> None:
    with pytest.raises(UsageError, match="divisor of 28"):
        PatchEncoder.init(KEY, (28, 28, 1), patch=5)
