"""VAE and DiscreteVAE of images by patch networks, the founding preset, and what does not fit."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import tacit
from tacit import VAE, DiscreteVAE
from tacit._errors import FitError, TacitWarning, UsageError
from tacit.models import ImageReader, ImageWriter
from tacit.networks import Dense

SIDE = 8


def pictures(n: int = 120, seed: int = 0) -> np.ndarray:
    """A bright bar at one of the columns of a picture, (n, 64)."""
    rng = np.random.default_rng(seed)
    across = np.arange(SIDE)[None] == rng.integers(0, SIDE, n)[:, None]
    return (np.repeat(across[:, None], SIDE, axis=1) + 0.1 * rng.normal(size=(n, SIDE, SIDE))).reshape(n, -1)


def quiet(model: Any, X: Any, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, **more)


def test_what_networks_of_images_read_and_write() -> None:
    """Colours come one after the other in the vector and side by side in the picture; the rest is passed on."""
    reader = ImageReader.init(jax.random.key(0), (SIDE, SIDE), colours=2)
    first, second, rest = jnp.arange(64.0), -jnp.arange(64.0), jnp.array([7.0, 8.0])
    picture = jnp.stack([first, second], axis=1).reshape(-1)
    out = reader(jnp.concatenate([first, second, rest]))
    np.testing.assert_allclose(out, jnp.concatenate([reader.network(picture), rest]), rtol=1e-6)
    assert out.shape == (reader.width(130),)
    writer = ImageWriter.init(jax.random.key(1), 3, (SIDE, SIDE), colours=2)
    z = jnp.array([0.3, -1.0, 0.2])
    np.testing.assert_allclose(writer(z)[64:], writer.network(z).reshape(64, 2)[:, 1], rtol=1e-6)


@pytest.fixture(scope="module")
def patches() -> VAE:
    settings: dict[str, Any] = {"likelihood": "gaussian", "preset": "fast", "max_iter": 150, "random_state": 0}
    return quiet(VAE(3, image=(SIDE, SIDE), **settings), pictures())


def test_images_are_learned_by_patches(patches: VAE, tmp_path: Any) -> None:
    decoder: Any = patches.model_.model.likelihood
    assert isinstance(decoder.features, ImageWriter)
    assert isinstance(patches.model_.posterior.features, ImageReader)
    X = pictures(40, seed=1)
    independent = stats.norm.logpdf(X, pictures().mean(axis=0), pictures().std(axis=0)).sum(axis=1).mean()
    assert patches.score(X) > independent + 5
    patches.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    np.testing.assert_array_equal(again.transform(X), patches.transform(X))
    assert again.get_params()["image"] == [SIDE, SIDE]
    assert patches.sample(2, random_state=0).shape == (2, 64)


def test_networks_of_two_numbers_a_pixel_holes_and_covariates() -> None:
    X = pictures(60)
    X[::5, 3] = np.nan
    settings: dict[str, Any] = {"likelihood": "gaussian", "preset": "fast", "max_iter": 2, "random_state": 0}
    model = quiet(VAE(3, image=(SIDE, SIDE), scale="floored", **settings), X, covariates=np.arange(60.0))
    decoder: Any = model.model_.model.likelihood
    assert decoder.features.network.shape == (SIDE, SIDE, 2)
    assert model.model_.posterior.features.network.shape == (SIDE, SIDE, 2)
    assert np.isfinite(model.score_samples(X, np.arange(60.0))).all()


def test_a_discrete_code_of_images(tmp_path: Any) -> None:
    X = (pictures() > 0.5).astype(int)
    settings: dict[str, Any] = {"preset": "fast", "max_iter": 20, "random_state": 0}
    model = quiet(DiscreteVAE(2, 3, image=(SIDE, SIDE), gradient="enumeration", **settings), X)
    decoder: Any = model.model_.model.likelihood
    assert isinstance(decoder.features, ImageWriter)
    model.save(tmp_path / "m.tacit")
    np.testing.assert_array_equal(tacit.load(tmp_path / "m.tacit").score_samples(X[:9]), model.score_samples(X[:9]))


def test_auto_takes_dense_networks_for_small_images_and_mixed_columns() -> None:
    rng = np.random.default_rng(0)
    small = quiet(VAE(1, image=(2, 3), preset="fast", max_iter=2, random_state=0), rng.normal(size=(30, 6)))
    decoder: Any = small.model_.model.likelihood
    assert isinstance(decoder.features, Dense)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"image": (7, 9)}, "7 x 9 pixels are not the 64 columns"),
        ({"image": (8,)}, "no shape of an image"),
        ({"image": (8, 0)}, "no shape of an image"),
        ({"image": "8x8"}, "image"),
        ({"network": "patches"}, "Give image"),
        ({"network": "convolutions"}, "patches"),
        ({"network": "patches", "image": (8, 8), "likelihood": "auto", "types": {"x0": "categorical"}}, "no pixels"),
        ({"network": "patches", "image": (8, 8), "preset": "founding"}, "linear in z"),
    ],
)
def test_what_is_no_image(settings: dict[str, Any], match: str) -> None:
    X = np.round(pictures(40), 1)
    with pytest.raises(UsageError, match=match):
        VAE(1, **{"likelihood": "gaussian", "preset": "fast", "random_state": 0, **settings}).fit(X)


@pytest.fixture(scope="module")
def founding() -> tuple[VAE, np.ndarray]:
    rng = np.random.default_rng(3)
    z = rng.normal(size=(150, 1))
    X = 1 / (1 + np.exp(-2 * z * np.array([1.0, -1.0]))) + 1.2 * rng.normal(size=(150, 2))
    return quiet(VAE(1, preset="founding", max_iter=20, random_state=0), X), X


def test_the_founding_decoder_is_two_sigmoids(founding: tuple[VAE, np.ndarray]) -> None:
    """log p(y) on a grid of z by `mu = sigmoid(A z + c)` and `log variance = sigmoid(B z + d)`, in the data's units."""
    model, X = founding
    decoder: Any = model.model_.model.likelihood
    weight, bias = np.asarray(decoder.head.weight, float)[:, 0], np.asarray(decoder.head.bias, float)
    z = np.linspace(-9, 9, 2001)
    raw = 1 / (1 + np.exp(-(z[:, None] * weight + bias)))
    mean, deviation = raw[:, :2], np.exp(0.5 * raw[:, 2:])
    assert 1 <= deviation.min() <= deviation.max() <= np.exp(0.5)
    np.testing.assert_allclose(model.inverse_transform(z[::500, None]), mean[::500], atol=1e-5)
    terms = stats.norm.logpdf(X[:50, None], mean, deviation).sum(axis=2) + stats.norm.logpdf(z)
    exact = np.logaddexp.reduce(terms, axis=1) + np.log(z[1] - z[0])
    np.testing.assert_allclose(model.score_samples(X[:50]), exact, atol=0.02)


def test_the_founding_decoder_refuses_what_it_cannot_give(founding: tuple[VAE, np.ndarray], tmp_path: Any) -> None:
    model, X = founding
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        VAE(1, preset="founding", max_iter=1, random_state=0).fit(X + 1)
    assert any("between 0 and 1" in str(one.message) and one.category is TacitWarning for one in told)
    with pytest.raises(UsageError, match="founding decoder gives numbers"):
        VAE(1, preset="founding", likelihood="poisson", random_state=0).fit(np.abs(X).round())
    with pytest.raises(AttributeError, match="shared scales"):
        _ = model.noise_scale_
    model.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    np.testing.assert_array_equal(again.score_samples(X[:5]), model.score_samples(X[:5]))
    assert again.get_params()["preset"] == "founding"


def test_columns_out_of_reach_of_the_founding_decoder_are_told_before_training_fails() -> None:
    X = 1000.0 * np.random.default_rng(0).normal(1.0, 0.3, size=(80, 2))
    model = VAE(1, preset="founding", learning_rate=0.5, max_iter=30, random_state=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(FitError, match="run away"):
            model.fit(X)
    (found,) = [str(one.message) for one in told if one.category is TacitWarning]
    assert "means lie between 0 and 1" in found
