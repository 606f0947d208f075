"""Images under VAE: grey levels are no likelihood and are labelled so, constant pixels, scales, what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import tacit
from tacit import VAE, DiscreteVAE
from tacit._errors import DataError, TacitWarning, UsageError
from tacit.data.encode import Rows
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.gradients import Pathwise
from tacit.models import NormalLatent
from tacit.objectives import ELBO
from tacit.workflow.latent_plan import LatentPlan, Training
from tacit.workflow.latent_rows import encode_rows, read_columns, with_likelihood
from tacit.workflow.latent_scale import scale_findings
from tacit.workflow.latent_table import LatentTable

NOT = "not a log-likelihood"
FAST: dict[str, Any] = {"preset": "fast", "max_iter": 20, "random_state": 0}


def pixels(n: int = 80, seed: int = 0) -> np.ndarray:
    """Grey images of 2 x 3 pixels of two sorts; the last pixel is never on."""
    rng = np.random.default_rng(seed)
    high = rng.random((n, 1)) < 0.5
    grey = np.round(np.clip(np.where(high, 0.8, 0.2) + 0.1 * rng.normal(size=(n, 6)), 0, 1), 2)
    grey[:, 5] = 0.0
    return grey


@pytest.fixture(scope="module")
def grey() -> VAE:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = VAE(1, likelihood="bernoulli", **FAST).fit(pixels())
    assert any(NOT in str(one.message) and one.category is TacitWarning for one in told)
    return model


def test_grey_levels_are_labelled_in_every_figure(grey: VAE) -> None:
    figures = grey.evaluate(pixels(20, seed=1))
    assert all(NOT in figure.name and "grey levels" in figure.note for figure in figures)
    assert any(finding.code == "grey-levels" for finding in grey.findings_)
    assert any(NOT in warning["message"] for warning in grey.record_["warnings"])
    bits = (pixels() > 0.5).astype(float)
    assert grey.schema_.reference() != read_columns(read_table(bits), "bernoulli").reference()


def test_the_score_is_the_cross_entropy_of_the_pixels(grey: VAE) -> None:
    """At one latent event: `sum_j y_j log p_j + (1 - y_j) log(1 - p_j)`."""
    X = pixels(3, seed=2)
    p = np.asarray(grey.inverse_transform(np.zeros((3, 1))))
    decoder: Any = grey.model_.model.likelihood
    with jax.default_device(jax.devices("cpu")[0]):
        found = [float(decoder((np.zeros(1, np.float32), None)).log_prob(row.astype(np.float32))) for row in X]
    np.testing.assert_allclose(found, (X * np.log(p) + (1 - X) * np.log1p(-p)).sum(axis=1), rtol=1e-4)


def test_grey_images_come_back_as_grey_levels(grey: VAE, tmp_path: Path) -> None:
    X = pixels(10, seed=3)
    assert ((grey.reconstruct(X) > 0) & (grey.reconstruct(X) < 1)).all()
    holed = X.copy()
    holed[:, 0] = np.nan
    filled = grey.impute(holed)
    np.testing.assert_array_equal(filled[:, 1:], X[:, 1:])
    assert ((filled[:, 0] > 0) & (filled[:, 0] < 1)).all()
    assert set(np.unique(grey.sample(20, random_state=0))) <= {0.0, 1.0}
    grey.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    np.testing.assert_array_equal(again.score_samples(X), grey.score_samples(X))
    assert NOT in again.evaluate(X)[0].name


def test_values_that_are_no_grey_levels_are_refused(grey: VAE) -> None:
    for odd in (16.0, -0.1, 1.001):
        X = pixels()
        X[4, 2] = odd
        with pytest.raises(DataError, match=r"row 4.*neither 0 nor 1 nor a grey level"):
            VAE(1, likelihood="bernoulli", **FAST).fit(X)
        with pytest.raises(DataError, match="is not between 0 and 1"):
            grey.score_samples(X)


def test_a_table_of_bits_takes_no_grey_levels_later() -> None:
    schema = read_columns(read_table((pixels() > 0.5).astype(float)), "bernoulli")
    with pytest.raises(DataError, match="neither"):
        encode_rows(schema, read_table(pixels()))


def test_constant_pixels_are_part_of_a_bernoulli_image_and_left_out_of_a_normal_one() -> None:
    table = read_table(pixels())
    for schema in (read_columns(table, "bernoulli"), with_likelihood(table, Schema.infer(table), "bernoulli")):
        assert len(schema.names) == 6
        assert all(column.grey for column in schema.modelled)
        np.testing.assert_array_equal(encode_rows(schema, table).y, pixels())
    assert read_columns(table, "gaussian").names == ("x0", "x1", "x2", "x3", "x4")


def warned(model: Any, *rows: Any, **more: Any) -> list[str]:
    """What `fit` warns of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(*rows, **more)
    return [str(one.message) for one in told if one.category is TacitWarning]


def test_more_latents_than_columns_are_warned_of_with_a_remedy() -> None:
    settings: dict[str, Any] = {"likelihood": "bernoulli", **FAST, "max_iter": 2}
    (found,) = [text for text in warned(VAE(9, **settings), pixels()) if "9 latents" in text]
    assert "9 latents are more than the 6 columns" in found
    assert "n_latents=3" in found
    code = DiscreteVAE(9, **settings)
    assert not any("9 latents" in text for text in warned(code, pixels()))  # a code may have more bits than columns
    assert any(finding.code == "many-latents" for finding in code.findings_)


@pytest.mark.parametrize("kind", [VAE, DiscreteVAE])
@pytest.mark.parametrize("image", [(1, 5), (5, 1)])
def test_an_image_needs_its_constant_pixels_too(kind: Any, image: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"{image[0]} x {image[1]} pixels are not the 6 columns of a row"):
        kind(1, likelihood="gaussian", image=image, **FAST).fit(pixels())


def test_constant_pixels_that_are_left_out_are_warned_of() -> None:
    settings: dict[str, Any] = {"likelihood": "gaussian", "image": (2, 3), **FAST, "max_iter": 2}
    found = [text for text in warned(VAE(1, **settings), pixels()) if "constant" in text]
    assert len(found) == 1
    assert "1 of 6 pixels are constant (x5)" in found[0]
    assert "bernoulli" in found[0]
    assert not any("constant" in text for text in warned(VAE(1, network="dense", **settings), pixels()))


def test_rows_that_are_all_alike_are_told_to_be() -> None:
    (told,) = warned(VAE(3, preset="fast", max_iter=300, random_state=0), np.zeros((40, 3)))
    assert "all alike" in told
    assert "collapsed" not in told


@pytest.mark.parametrize("kind", [VAE, DiscreteVAE])
def test_columns_without_a_value_are_warned_of(kind: Any) -> None:
    settings: dict[str, Any] = {**FAST, "max_iter": 2}
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 1] = np.nan
    assert [text for text in warned(kind(1, **settings), X) if "No cell has a value" in text and "x1" in text]
    bits = np.where(np.isnan(X), X, X > 0)
    assert [text for text in warned(kind(1, **settings), bits) if "No cell has a value" in text and "x1" in text]


def test_covariates_without_a_value_are_warned_of() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    beside = np.stack([X[:, 0] > 0, np.full(40, np.nan)], axis=1).astype(float)
    found = warned(VAE(1, **{**FAST, "max_iter": 2}), X, covariates=beside)
    assert [text for text in found if "No cell has a value" in text and "c1" in text]


@pytest.mark.parametrize("kind", [VAE, DiscreteVAE])
@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("transform", ()),
        ("predict", ("x0",)),
        ("predict_distribution", ("x0",)),
        ("anomaly_pvalues", ()),
        ("anomalies", ()),
        ("reconstruct", ()),
        ("impute", ()),
        ("score", ()),
        ("score_samples", ()),
        ("evaluate", ()),
        ("cost", ()),
        ("inverse_transform", ()),
    ],
)
def test_models_that_are_not_fitted_say_so(kind: Any, method: str, given: tuple[str, ...]) -> None:
    with pytest.raises(NotFittedError):
        getattr(kind(1), method)(pixels(), *given)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"likelihood": "cauchy"}, "bernoulli.*|.*poisson"),
        ({"batch_size": 500, "likelihood": "bernoulli"}, "a batch of 500 is more than the 72 rows"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], match: str) -> None:
    for kind in (VAE, DiscreteVAE):
        with pytest.raises(UsageError, match=match) as told:
            kind(1, **{**FAST, **settings}).fit(pixels())
        if "batch_size" not in settings:
            for known in ("auto", "bernoulli", "gaussian", "log-normal", "poisson", "categorical"):
                assert known in str(told.value)


def test_scales_that_explode_are_told() -> None:
    rng = np.random.default_rng(0)
    table = read_table(rng.normal(size=(30, 2)))
    schema = read_columns(table, "gaussian")
    rows = encode_rows(schema, table)
    for shift, codes in ((5.0, ["scale-explosion"]), (0.0, [])):
        model = _with_scales(schema, rows, shift)
        assert [finding.code for finding in scale_findings(model, rows)] == codes


def _with_scales(schema: Schema, rows: Rows, shift: float) -> LatentTable:
    training = Training(hidden_layer_sizes=())
    plan = LatentPlan(NormalLatent(1), "vae", ELBO(kl="closed"), Pathwise(), scale="network", training=training)
    model, posterior = plan.build(jax.random.key(0), schema, rows.y, rows.weight)
    model = eqx.tree_at(lambda m: m.likelihood.head.weight, model, replace_fn=lambda w: 0.1 * w)
    model = eqx.tree_at(lambda m: m.likelihood.head.bias, model, replace_fn=lambda b: b.at[2:].add(shift))
    return LatentTable(schema, *jax.tree.map(np.asarray, (model, posterior)))


def test_steps_that_run_away_are_told() -> None:
    """Whether the steps are not taken, since they are not finite, or lead nowhere, a warning says so."""
    X = np.random.default_rng(1).standard_cauchy(size=(60, 2))
    settings: dict[str, Any] = {**FAST, "learning_rate": 1e6, "optimizer": "sgd"}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = VAE(1, scale="network", **settings).fit(X)
    found = {finding.code for finding in model.findings_ if finding.severity == "warning"}
    assert found & {"skipped-steps", "behind-columns", "scale-explosion"}, found
    assert all(
        any(str(one.message) == str(finding) for one in told)
        for finding in model.findings_
        if finding.severity == "warning"
    )
    assert np.isfinite(model.score_samples(X)).all()
