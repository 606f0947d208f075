"""EM of the linear-Gaussian model against the closed-form maximum, scikit-learn's, and the gradient of the density."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import FactorAnalysis

from tacit.data.batch import Batch
from tacit.gradients.cubature import Cubature
from tacit.inference import linear_em
from tacit.inference.joint import Joint
from tacit.inference.linear_em import LinearFit, fit_linear
from tacit.inference.optimizers import Descent
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel
from tacit.objectives import ELBO
from tacit.training import train


@pytest.fixture(scope="module", autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def wine() -> np.ndarray:
    X = load_wine().data
    return (X - X.mean(0)) / X.std(0)


def fit(X: np.ndarray, *, isotropic: bool, mask: Any = None, weight: Any = None, m: int = 2, **more: Any) -> LinearFit:
    model = LinearGaussianModel.start(jax.random.key(0), X.shape[1], m, isotropic=isotropic)
    data = Batch(X, None, mask, np.ones(len(X)) if weight is None else weight, None)
    return fit_linear(model, data, **{"floor": 1e-12, "max_steps": 3000, "tolerance": 1e-9} | more)


def closed_form(X: np.ndarray, m: int) -> float:
    """The maximum of probabilistic PCA, nats a row, by the eigenvalues of the covariance with divisor n."""
    d = X.shape[1]
    values = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    noise = values[m:].mean()
    return -0.5 * (d * np.log(2 * np.pi) + np.log(values[:m]).sum() + (d - m) * np.log(noise) + d)


def test_isotropic_noise_reaches_the_closed_form_of_probabilistic_pca(wine: np.ndarray) -> None:
    found = fit(wine, isotropic=True)
    assert found.converged
    assert found.bounds[-1] == pytest.approx(closed_form(wine, 2), abs=1e-9)
    assert np.diff(found.bounds).min() > -1e-12
    values = np.linalg.eigvalsh(np.cov(wine.T, bias=True))[::-1]
    assert np.exp(2 * found.model.likelihood.log_scale) == pytest.approx(values[2:].mean(), abs=1e-6)


def test_diagonal_noise_reaches_scikit_learns_factor_analysis(wine: np.ndarray) -> None:
    found = fit(wine, isotropic=False)
    peer = FactorAnalysis(2, tol=1e-10, max_iter=2000, svd_method="lapack").fit(wine)
    assert found.converged
    assert found.bounds[-1] == pytest.approx(peer.score(wine), abs=1e-7)
    np.testing.assert_allclose(np.exp(2 * found.model.likelihood.log_scale), peer.noise_variance_, atol=1e-3)


def test_at_the_optimal_encoder_the_bound_is_the_log_likelihood(wine: np.ndarray) -> None:
    model = jax.tree.map(jnp.asarray, fit(wine, isotropic=False).model)
    batch = Batch(jnp.asarray(wine), None, None, jnp.ones(len(wine)), jnp.arange(len(wine)))
    judge = Joint(ELBO(), Cubature(), Descent())
    state = judge.init(jax.random.key(0), model, LinearEncoder.exact(model), batch)
    bound, n = eqx.filter_jit(judge.evaluate)(jax.random.key(0), state, batch)
    exact = jnp.mean(jax.jit(lambda y: jax.vmap(model.log_marginal)(y))(batch.y))
    assert abs(float(bound / n - exact)) < 1e-12


@pytest.mark.parametrize("isotropic", [True, False])
def test_with_holes_and_weights_it_ends_where_the_gradient_is_zero(wine: np.ndarray, isotropic: bool) -> None:
    rng = np.random.default_rng(0)
    X = wine[:, [5, 6, 7, 8, 11, 12]]
    mask = rng.random(X.shape) > 0.25
    weight = rng.uniform(0.2, 2.0, len(X))
    found = fit(np.where(mask, X, 0.0), isotropic=isotropic, mask=mask, weight=weight, m=1, tolerance=1e-13)
    assert np.diff(found.bounds).min() > -1e-12

    @jax.jit
    def mean(model: LinearGaussianModel) -> jax.Array:
        rows = jax.vmap(model.log_marginal)(jnp.asarray(X), jnp.asarray(mask))
        return rows @ jnp.asarray(weight) / weight.sum()

    model = jax.tree.map(jnp.asarray, found.model)
    assert found.bounds[-1] == pytest.approx(float(mean(model)), abs=1e-9)
    for leaf in jax.tree.leaves(jax.grad(mean)(model)):
        np.testing.assert_allclose(leaf, 0.0, atol=1e-5)


def test_a_weight_counts_rows_and_padding_none(wine: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    X = wine[:50, :4]
    weight = np.random.default_rng(1).integers(0, 4, 50).astype(float)
    settings: dict[str, Any] = {"isotropic": False, "m": 1, "max_steps": 7, "tolerance": 0.0}
    repeated = fit(np.repeat(X, weight.astype(int), axis=0), **settings)
    monkeypatch.setattr(linear_em, "TILE", 16)  # several tiles, the last one padded
    weighted = fit(X, weight=weight, **settings)
    assert len(weighted.bounds) == 8  # in pairs
    np.testing.assert_allclose(weighted.bounds, repeated.bounds, atol=1e-11)
    np.testing.assert_allclose(weighted.model.likelihood.weight, repeated.model.likelihood.weight, atol=1e-9)


def test_em_is_a_procedure_of_train(wine: np.ndarray) -> None:
    X = wine[:, :5]
    model = LinearGaussianModel.start(jax.random.key(0), 5, 1, isotropic=True)
    settings: dict[str, Any] = {"batch_size": len(X), "max_epochs": 60, "key": jax.random.key(0)}
    fitted = train(model, None, Batch(X, None, None, None, None), procedure=lambda *_: linear_em.LinearEM(), **settings)
    assert fitted.value == pytest.approx(closed_form(X, 1), abs=1e-6)


def test_noise_is_held_up_by_the_floor() -> None:
    X = np.random.default_rng(0).normal(size=(40, 1)) @ np.ones((1, 3))
    found = fit(X / X.std(0), isotropic=False, m=1, floor=np.full(3, 1e-4), max_steps=500)
    assert np.exp(2 * found.model.likelihood.log_scale).min() == pytest.approx(1e-4)
