"""Two layers of latents: the listed answers are those of sums written out, and training reaches them."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit import UsageError
from tacit.data.batch import Batch
from tacit.evaluation.log_likelihood import listed
from tacit.evaluation.weights import weighted
from tacit.gradients import DisARM, Enumeration, LeaveOneOut, Pathwise, Reinforce, StraightThrough
from tacit.inference.optimizers import Descent
from tacit.models import (
    BernoulliLatent,
    CategoricalLatent,
    ColumnFamily,
    ColumnInputs,
    Decoder,
    LatentModel,
    Layer,
    LayeredPosterior,
    LayeredPrior,
    OfBottom,
    Prior,
    Recognition,
)
from tacit.networks import Dense, Linear
from tacit.training import train

BITS, TOP, COLUMNS = BernoulliLatent(3), CategoricalLatent(2), 5
SIGMOID = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731


def pair(seed: int = 0) -> tuple[LatentModel, LayeredPosterior]:
    keys = jax.random.split(jax.random.key(seed), 6)
    prior = LayeredPrior(Prior.standard(TOP, learned=True), Layer.init(keys[0], TOP, BITS))
    family = ColumnFamily(None, COLUMNS, ())
    head = Linear.init(keys[1], 3, COLUMNS, gain=3.0)
    likelihood = OfBottom(Decoder(BITS, Dense((), "tanh"), head, family))
    bottom = Recognition(ColumnInputs(0, COLUMNS, ()), Dense((), "tanh"), Linear.init(keys[2], COLUMNS, 3), BITS)
    return LatentModel(prior, likelihood), LayeredPosterior(bottom, Layer.init(keys[3], BITS, TOP))


def rows(n: int = 200) -> Batch:
    random = np.random.default_rng(0)
    group = random.random((n, 1)) < 0.5
    bits = random.random((n, 2)) < np.where(group, 0.9, 0.1)
    y = random.random((n, COLUMNS)) < np.where(bits[:, [0, 0, 1, 1, 0]], 0.95, 0.1)
    return Batch(y.astype(np.float32), None, None, None, None)


def test_the_listed_log_likelihood_is_the_sum_over_both_layers() -> None:
    model, _ = pair()
    y = rows(6).y
    layer, head = model.prior.layer.head, model.likelihood.likelihood.head
    total = np.zeros(len(y))
    for place in range(2):
        of_bits = SIGMOID(np.asarray(layer.weight) @ np.eye(2)[place] + np.asarray(layer.bias))
        for bits in itertools.product((0, 1), repeat=3):
            b = np.array(bits)
            p = SIGMOID(np.asarray(head.weight) @ (2 * b - 1) + np.asarray(head.bias))
            prior = 0.5 * np.prod(np.where(b == 1, of_bits, 1 - of_bits))
            total += prior * np.prod(np.where(y == 1, p, 1 - p), axis=1)
    np.testing.assert_allclose(listed(model, Batch(y, None, None, None, None)), np.log(total), rtol=1e-5)


@pytest.mark.parametrize("gradient", [Enumeration(), LeaveOneOut()])
def test_training_makes_the_bound_meet_the_log_likelihood(gradient) -> None:
    model, posterior = pair()
    data = rows()
    before = listed(model, data).mean()
    fitted = train(
        model,
        posterior,
        data,
        key=jax.random.key(1),
        gradient=gradient,
        num_samples=1 if isinstance(gradient, Enumeration) else 4,
        optimizer=Descent(0.02),
        batch_size=50,
        max_epochs=150,
    )
    exact = listed(fitted.model, data)
    found = weighted(fitted.model, fitted.posterior, data, num_samples=50, key=jax.random.key(2))
    independent = np.mean(data.y, axis=0)
    alone = np.sum(independent * np.log(independent) + (1 - independent) * np.log(1 - independent))
    assert exact.mean() > before + 0.5
    assert exact.mean() > alone + 0.3  # columns do vary together
    assert found.elbo.mean() < exact.mean() + 1e-3
    assert exact.mean() - found.elbo.mean() < 0.1
    assert abs(found.bounds[:, 2].mean() - exact.mean()) < 0.01


@pytest.mark.parametrize("gradient", [DisARM(), StraightThrough(), Pathwise()])
def test_estimators_of_one_layer_are_refused(gradient) -> None:
    _, posterior = pair()
    q = posterior((jnp.zeros(COLUMNS), None))
    with pytest.raises(UsageError) as refusal:
        gradient.check(q, 2)
    assert "Enumeration" in str(refusal.value)  # one that does apply
    Reinforce().check(q, 1)
