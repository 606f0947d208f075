"""EM, amortised, local and joint: one bound, raised by each of them, and exact where the answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit._errors import UsageError
from tacit.data.batch import Batch
from tacit.distributions import Categorical, DiagonalNormal, MultivariateNormal, kl_divergence
from tacit.gradients import Enumeration
from tacit.gradients.cubature import Cubature
from tacit.inference.amortised import Amortised
from tacit.inference.joint import Joint
from tacit.inference.linear_em import LinearEM
from tacit.inference.local import Local
from tacit.inference.optimizers import Descent
from tacit.models import Constant, Encoder, Gate, LatentModel, Selected
from tacit.models.enumeration import exact_posterior, log_marginal
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel
from tacit.models.local import PerRow
from tacit.networks import MLP, Linear, partition
from tacit.objectives import ELBO
from tacit.training import train

N, D, M = 24, 4, 2
KEY = jax.random.key(0)


@pytest.fixture(scope="module", autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def linear() -> tuple[LinearGaussianModel, Batch]:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(N, M)) @ rng.normal(size=(M, D)) + 0.5 * rng.normal(size=(N, D))
    batch = Batch(jnp.asarray(y), None, None, jnp.ones(N), jnp.arange(N, dtype=jnp.int32))
    return LinearGaussianModel.start(jax.random.key(1), D, M, isotropic=False), batch


def discrete() -> tuple[LatentModel, Any]:
    """A mixture of two normals, and an encoder."""
    stack = DiagonalNormal(jnp.array([[-1.0] * D, [1.0] * D]), jnp.zeros((2, D)))
    encoder = Encoder(MLP((), None, "silu"), Gate(Linear(jnp.zeros((2, D)), jnp.zeros(2))))
    return LatentModel(Constant(Categorical(jnp.zeros(2))), Selected(stack)), Rowwise(encoder)


class Rowwise(eqx.Module):
    """An encoder of models without covariates."""

    encoder: Any

    def __call__(self, context: Any) -> Any:
        return self.encoder((context[0], jnp.zeros(0)))


def full(sample_q: Any = None) -> Any:
    return Constant(MultivariateNormal(jnp.zeros(M), jnp.zeros((M, M))))


@eqx.filter_jit
def identity_gap(model: LinearGaussianModel, qs: Any, batch: Batch, elbo: Any) -> Any:
    """`log p - ELBO - KL`, which is 0 whatever q is."""
    exact = jax.vmap(model.posterior)(batch.y)
    gaps = jax.vmap(kl_divergence)(qs, exact)
    return jnp.sum(jax.vmap(model.log_marginal)(batch.y)) - elbo - jnp.sum(gaps)


@eqx.filter_jit
def one_step(procedure: Any, state: Any, batch: Batch) -> Any:
    return procedure.update(state, procedure.summarise(KEY, state, batch))


PROCEDURES = {
    "joint": (Joint, lambda: LinearEncoder.zeros(D, M)),
    "amortised": (partial(Amortised, phi_steps=2), lambda: LinearEncoder.zeros(D, M)),
    "amortised, diagonal": (partial(Amortised, phi_steps=2), lambda: LinearEncoder.zeros(D, M, full=False)),
    "local": (
        partial(Local, phi_steps=2, infer_steps=0),
        lambda: PerRow.of(full(), n_rows=N, sample=(jnp.zeros(D), None)),
    ),
}


@pytest.mark.parametrize("name", PROCEDURES)
def test_log_p_is_elbo_plus_kl_at_every_iteration_and_the_bound_rises(name: str, linear: Any) -> None:
    make, posterior = PROCEDURES[name]
    procedure = make(ELBO(), Cubature(), Descent(0.02))
    model, batch = linear
    state = procedure.init(KEY, model, posterior(), batch)
    judge = eqx.filter_jit(lambda state: (procedure.evaluate(KEY, state, batch), procedure.infer(KEY, state, batch)))
    bounds = []
    for _ in range(60):
        state = one_step(procedure, state, batch)
        (elbo, _), qs = judge(state)
        assert abs(identity_gap(state.model, qs, batch, elbo)) < 1e-10 * N
        bounds.append(float(elbo) / N)
    assert bounds[-1] > bounds[0] + 0.3
    assert np.min(np.diff(bounds)) > -0.02  # small steps up a smooth hill


def test_em_closes_the_gap_at_every_iteration_and_never_falls(linear: Any) -> None:
    procedure = LinearEM()
    model, batch = linear
    state = procedure.init(KEY, model, None, batch)
    bounds = []

    @eqx.filter_jit
    def step(state: Any) -> Any:
        summary = procedure.summarise(KEY, state, batch)
        qs = procedure.infer(KEY, state, batch)
        judge = Joint(ELBO(), Cubature(), Descent())
        elbo, _ = judge.bound(KEY, state.model, lambda q, *_: q, batch, state.memory, qs)
        return procedure.update(state, summary), elbo, summary.bound

    for _ in range(20):
        state, elbo, bound = step(state)
        np.testing.assert_allclose(elbo, bound, atol=1e-10)
        bounds.append(float(bound))
    assert np.min(np.diff(bounds)) > -1e-10
    assert bounds[-1] > bounds[0] + 1


def test_local_at_its_optimum_is_the_exact_posterior(linear: Any) -> None:
    model, batch = linear
    procedure = Local(ELBO(), Cubature(), Descent(0.05, decay_steps=1500), infer_steps=1500)
    rows = PerRow.of(full(), n_rows=3, sample=(batch.y[0], None))  # the others were never in it
    state = procedure.init(KEY, model, rows, batch)
    qs = eqx.filter_jit(procedure.infer)(KEY, state, batch)
    exact = jax.jit(lambda y: jax.vmap(model.posterior)(y))(batch.y)
    np.testing.assert_allclose(qs.loc, exact.loc, atol=1e-6)
    np.testing.assert_allclose(qs.covariance, exact.covariance, atol=1e-6)


def test_local_with_a_category_is_the_exact_posterior() -> None:
    model, _ = discrete()
    y = jax.random.normal(KEY, (5, D))
    batch = Batch(y, None, None, jnp.ones(5), jnp.arange(5, dtype=jnp.int32))
    procedure = Local(ELBO(), Enumeration(), Descent(0.2, decay_steps=3000), infer_steps=3000)
    start = Constant(Categorical(jnp.zeros(2)))
    state = procedure.init(KEY, model, PerRow.of(start, n_rows=5, sample=(y[0], None)), batch)
    qs = eqx.filter_jit(procedure.infer)(KEY, state, batch)
    exact = jax.jit(jax.vmap(lambda y: exact_posterior(model, y)))(y)
    np.testing.assert_allclose(jax.nn.softmax(qs.logits), jax.nn.softmax(exact.logits), atol=1e-4)


@pytest.mark.parametrize("name", ["local", "amortised"])
def test_a_category_is_trained_by_the_same_objects(name: str) -> None:
    model, encoder = discrete()
    y = np.random.default_rng(1).normal(size=(40, D)) + np.repeat([[2.0], [-2.0]], 20, axis=0)
    data = Batch(y, None, None, None, None)
    rows = PerRow.of(Constant(Categorical(jnp.zeros(2))), n_rows=40, sample=(jnp.zeros(D), None))
    make, q = (partial(Local, phi_steps=3), rows) if name == "local" else (partial(Amortised, phi_steps=3), encoder)
    settings: dict[str, Any] = {"gradient": Enumeration(), "optimizer": (Descent(0.05), Descent(0.1)), "batch_size": 16}
    fitted = train(model, q, data, key=KEY, procedure=make, max_epochs=120, **settings)
    mean = eqx.filter_jit(lambda model, y: jnp.mean(jax.vmap(lambda y: log_marginal(model, y))(y)))
    log_p = float(mean(fitted.model, jnp.asarray(y)))
    assert log_p - 0.1 < fitted.value < log_p + 0.05  # the bound is nearly tight
    assert log_p > float(mean(model, jnp.asarray(y))) + 1


def test_local_leaves_other_rows_and_their_moments_alone(linear: Any) -> None:
    model, batch = linear
    procedure = Local(ELBO(), Cubature(), Descent(0.05))
    state = procedure.init(KEY, model, PerRow.of(full(), n_rows=N, sample=(batch.y[0], None)), batch)
    index = jnp.array([3, 5, N], jnp.int32)  # the last is padding
    part = Batch(batch.y[jnp.array([3, 5, 0])], None, None, jnp.array([1.0, 2.0, 0.0]), index)
    state = one_step(procedure, state, part)
    touched = np.isin(np.arange(N), [3, 5])
    np.testing.assert_array_equal(state.posterior.seen, touched)
    np.testing.assert_array_equal(np.any(state.posterior.table.loc != 0, axis=1), touched)
    (moments, counts) = state.optimizer[1]
    np.testing.assert_array_equal(counts, touched)
    np.testing.assert_array_equal(np.any(moments.mu != 0, axis=1), touched)


def test_the_gradient_of_a_row_does_not_depend_on_its_weight(linear: Any) -> None:
    model, batch = linear
    procedure = Local(ELBO(), Cubature(), Descent(0.1, rule="sgd"))
    tables = []
    for weight in (jnp.ones(N), jnp.linspace(0.5, 3, N)):
        state = procedure.init(KEY, model, PerRow.of(full(), n_rows=N, sample=(batch.y[0], None)), batch)
        state = one_step(procedure, state, batch._replace(weight=weight))
        tables.append(state.posterior.table.loc)
    np.testing.assert_allclose(*tables, rtol=1e-12)


def test_amortised_moves_one_part_at_a_time(linear: Any) -> None:
    model, batch = linear
    procedure = Amortised(ELBO(), Cubature(), Descent(0.01), phi_steps=2)
    state = procedure.init(KEY, model, LinearEncoder.zeros(D, M), batch)
    moved = []
    for _ in range(6):
        new = one_step(procedure, state, batch)
        parts = [
            any(not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, pair), strict=True))
            for pair in (
                (partition(state.model)[0], partition(new.model)[0]),
                (state.posterior, new.posterior),
                (state.optimizer[0], new.optimizer[0]),
                (state.optimizer[1], new.optimizer[1]),
            )
        ]
        moved.append(parts)
        state = new
    posterior, theta = [False, True, False, True], [True, False, True, False]
    assert moved == [posterior, posterior, theta] * 2


def test_an_encoder_can_be_refined_row_by_row(linear: Any) -> None:
    """From an encoder's q, steps a row raise the bound: the amortisation gap."""
    model, batch = linear
    encoder = LinearEncoder.zeros(D, M)
    rows = PerRow.of(encoder, n_rows=N, sample=(batch.y[0], None))
    bounds = []
    for steps in (0, 50):
        procedure = Local(ELBO(), Cubature(), Descent(0.05), infer_steps=steps)
        state = procedure.init(KEY, model, rows, batch)
        bounds.append(float(eqx.filter_jit(procedure.evaluate)(KEY, state, batch)[0]))
    judge = Joint(ELBO(), Cubature(), Descent())
    amortised, _ = eqx.filter_jit(judge.total)(KEY, model, encoder, batch, state.memory)
    np.testing.assert_allclose(bounds[0], amortised, rtol=1e-12)
    assert bounds[1] > bounds[0] + 1


def test_what_does_not_apply_is_an_error(linear: Any) -> None:
    model, batch = linear
    settings = (ELBO(), Cubature(), Descent())
    with pytest.raises(UsageError, match="exact already"):
        Amortised(*settings).init(KEY, model, None, batch)
    with pytest.raises(UsageError, match="not a table of rows"):
        Local(*settings).init(KEY, model, LinearEncoder.zeros(D, M), batch)
    with pytest.raises(UsageError, match="phi_steps"):
        Local(*settings, phi_steps=0)
    with pytest.raises(UsageError, match="phi_steps"):
        Amortised(*settings, phi_steps=0)
    with pytest.raises(UsageError, match="one draw"):
        Cubature().check(full().distribution, 2)
    with pytest.raises(UsageError, match="those of a normal"):
        Cubature().check(Categorical(jnp.zeros(2)), 1)
