"""Estimators side by side: figures against closed forms, names, and what does not apply."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacit._errors import UsageError
from tacit.distributions import Bernoulli, Categorical, DiagonalNormal
from tacit.gradients import (
    GRADIENTS,
    ConstantBaseline,
    DisARM,
    Enumeration,
    LeaveOneOut,
    MovingAverage,
    NetworkBaseline,
    Pathwise,
    Reinforce,
    UniformSampling,
    compare,
    gradient_named,
)
from tacit.gradients.compare import FEW_STATES, label
from tacit.objectives import ELBO, IWAE

Q = Categorical(jnp.array([0.3, -0.5, 1.0]))
LOG_JOINT = jnp.array([-2.0, -1.0, -4.0])


def log_weight(q, z):
    return z @ LOG_JOINT - q.log_prob(z)


def test_the_variance_is_that_of_the_formula() -> None:
    """That of `(f - b) grad log q` and of uniform sampling, summed over three states."""
    probs = np.asarray(jnp.exp(Q.log_probs()), float)
    f = np.asarray(LOG_JOINT, float) - np.log(probs)
    score = np.eye(3) - probs  # row k: the gradient of log q(e_k)
    estimators = {"reinforce": Reinforce(ConstantBaseline(-1.5)), "uniform": UniformSampling()}
    found = {c.name: c for c in compare(jax.random.key(0), Q, log_weight, estimators, n_draws=40_000)}

    def variance(weights: np.ndarray, values: np.ndarray) -> float:
        return float(np.sum(weights @ values**2 - (weights @ values) ** 2))

    expected = variance(probs, (f + 1.5)[:, None] * score)
    assert found["reinforce"].variance == pytest.approx(expected, rel=0.03)
    rho = 3 * probs[:, None]
    # the score that q in the log-weight brings in is taken out
    expected = variance(np.full(3, 1 / 3), rho * score * f[:, None])
    assert found["uniform"].variance == pytest.approx(expected, rel=0.03)


class Short(LeaveOneOut):
    """A gradient 20 % too small."""

    def __call__(self, *arguments):
        value, running = super().__call__(*arguments)
        return jax.lax.stop_gradient(value) + 0.8 * (value - jax.lax.stop_gradient(value)), running


class ShortSum(Enumeration):
    """A gradient 5 % too small, without variance."""

    def __call__(self, *arguments):
        value, running = super().__call__(*arguments)
        return jax.lax.stop_gradient(value) + 0.95 * (value - jax.lax.stop_gradient(value)), running


RARE = Categorical(jnp.log(jnp.array([0.6, 0.39999, 0.00001])))  # a state that is hardly ever drawn


@pytest.mark.parametrize("q", [Q, RARE], ids=["usual", "rare"])
def test_a_biased_estimator_is_told_from_chance(q) -> None:
    sound, short = compare(
        jax.random.key(1), q, log_weight, {"sound": LeaveOneOut(), "short": Short()}, num_samples=2, n_draws=20_000
    )
    assert sound.bias_z < 4.5 < short.bias_z
    assert sound.reference == "listed"
    (without_noise,) = compare(jax.random.key(1), q, log_weight, [ShortSum()], n_draws=10)
    assert without_noise.bias_z > 100


def test_more_states_than_are_looked_at_one_by_one_are_compared() -> None:
    """Every state by itself would be a matrix of states times parameters for each of them."""
    n = FEW_STATES + 4
    q, slope = Categorical(jnp.zeros(n)), jnp.linspace(-3, 0, n)
    (found,) = compare(jax.random.key(0), q, lambda q, z: z @ slope - q.log_prob(z), [Enumeration()], n_draws=2)
    assert found.reference == "listed"
    assert found.bias < 1e-5


def test_equal_cost_and_a_long_run_where_nothing_can_be_listed() -> None:
    q = Bernoulli(jnp.linspace(-1, 1, 20))  # 2^20 states

    def total(q, z):
        return jnp.tanh(jnp.sum(z) - 10.0) - 0.1 * q.log_prob(z)

    estimators = {"pairs": DisARM(), "others": LeaveOneOut()}
    pairs, others = compare(
        jax.random.key(2), q, total, estimators, num_samples={"pairs": 1, "others": 2}, n_draws=2000
    )
    assert pairs.evaluations == others.evaluations == 2
    assert pairs.reference == "long run"
    assert max(pairs.bias_z, others.bias_z) < 5
    (normal,) = compare(
        jax.random.key(3), DiagonalNormal(jnp.zeros(2), jnp.zeros(2)), lambda q, z: -jnp.sum(z**2), [Pathwise()]
    )
    assert normal.bias_z < 5


def test_pairs_of_draws_are_listed_for_an_importance_weighted_bound() -> None:
    (found,) = compare(jax.random.key(4), Q, log_weight, [LeaveOneOut()], num_samples=2, combine=IWAE().combine)
    assert found.reference == "listed"
    assert found.bias_z < 4.5


@pytest.mark.parametrize(("estimator", "objective"), [(Reinforce(), ELBO()), (LeaveOneOut(), IWAE())], ids=label)
def test_draws_that_miss_a_state_accuse_no_unbiased_estimator(estimator, objective) -> None:
    """In 100 draws a state of probability 1e-3 hardly comes up: their own variance does not know of it."""
    q = Categorical(jnp.log(jnp.array([0.9985, 0.001, 0.0005])))

    def steep(q, z):
        return z @ jnp.array([0.0, 300.0, -100.0]) - q.log_prob(z)

    for seed in range(5):
        (found,) = compare(jax.random.key(seed), q, steep, [estimator], combine=objective.combine, n_draws=100)
        assert found.reference == "listed"
        assert found.bias_z < 5


def test_names() -> None:
    assert label(Reinforce(MovingAverage())) == "Reinforce(MovingAverage)"
    assert label(Reinforce(MovingAverage(0.5))) == "Reinforce(MovingAverage(decay=0.5))"
    assert label(UniformSampling(0.25)) == "UniformSampling(defensive=0.25)"
    assert label(Enumeration()) == "Enumeration"
    assert all(gradient_named(name) is not None for name in GRADIENTS)
    with pytest.raises(UsageError, match=r"no gradient estimator.*leave-one-out"):
        gradient_named("leave-two-out")


def test_estimators_may_be_names() -> None:
    found = compare(jax.random.key(5), Q, log_weight, ["leave-one-out", Reinforce(), "leave-one-out"], n_draws=100)
    assert [one.name for one in found] == ["leave-one-out", "Reinforce", "leave-one-out (2)"]
    (found,) = compare(jax.random.key(5), Q, log_weight, {"mine": "uniform"}, n_draws=100)
    assert (found.name, found.evaluations) == ("mine", 1)


def test_none_is_lost_and_each_has_the_draws_it_needs() -> None:
    estimators = [Reinforce(ConstantBaseline(-1.0)), Reinforce(ConstantBaseline(-12.0)), LeaveOneOut(), LeaveOneOut()]
    found = compare(jax.random.key(5), Q, log_weight, estimators, n_draws=100)
    assert [one.name for one in found] == [
        "Reinforce(ConstantBaseline(value=-1.0))",
        "Reinforce(ConstantBaseline(value=-12.0))",
        "LeaveOneOut",
        "LeaveOneOut (2)",
    ]
    assert [one.evaluations for one in found] == [1, 1, 2, 2]


def test_what_does_not_apply_is_an_error_that_names_what_does() -> None:
    normal = DiagonalNormal(jnp.zeros(2), jnp.zeros(2))
    for estimator in (LeaveOneOut(), UniformSampling()):
        with pytest.raises(UsageError, match=r"no discrete latent.*Pathwise"):
            estimator.check(normal, 4)
    with pytest.raises(UsageError, match=r"not binary.*LeaveOneOut"):
        DisARM().check(Q, 2)
    with pytest.raises(UsageError, match=r"num_samples=1.*Reinforce"):
        LeaveOneOut().check(Q, 1)
    with pytest.raises(UsageError, match="control"):
        LeaveOneOut("harmonic")
    for decay in (-0.1, 1.0):
        for baseline in (MovingAverage, NetworkBaseline):
            with pytest.raises(UsageError, match="decay"):
                baseline(decay=decay)
    for share in (0.0, 1.1):
        with pytest.raises(UsageError, match="defensive"):
            UniformSampling(share)
    with pytest.raises(UsageError, match="num_samples=1"):
        compare(jax.random.key(0), Q, log_weight, [LeaveOneOut()], num_samples=1)


ODD = {
    "no estimator": ({"estimators": []}, r"estimators: \[\] is no list"),
    "one name": ({"estimators": "reinforce"}, "estimators: 'reinforce' is no list"),
    "an unknown name": ({"estimators": ["reinforced"]}, "'reinforced' is no gradient estimator.*leave-one-out"),
    "a class": ({"estimators": [Reinforce]}, r"Reinforce.*no gradient estimator.*LeaveOneOut\(\)"),
    "no entry": ({"num_samples": {"others": 2}}, "num_samples: it says nothing of 'Reinforce'"),
    "no draws": ({"num_samples": 0}, "num_samples: 0 is no whole number from 1 on"),
    "half a draw": ({"num_samples": {"Reinforce": 1.5}}, "num_samples: 1.5 is no whole number from 1 on"),
    "no gradients": ({"n_draws": 0}, "n_draws: 0 is no whole number from 2 on"),
    "one gradient": ({"n_draws": 1}, "n_draws: 1 is no whole number from 2 on"),
    "half a gradient": ({"n_draws": 10.5}, "n_draws: 10.5 is no whole number"),
    "NaN": (
        {"log_weight": lambda q, z: jnp.where(z[1] > 0, jnp.nan, 0.0)},
        r"log_weight: it is NaN for 1 of 3 states of q, such as \[0.0, 1.0, 0.0\]",
    ),
    "NaN of draws": (
        {"log_weight": lambda q, z: jnp.sum(jnp.log(z)), "q": DiagonalNormal(jnp.zeros(1), jnp.zeros(1))},
        r"log_weight: it is NaN for [45]\d\d of 1000 draws of q",
    ),
    "infinite": ({"log_weight": lambda q, z: jnp.where(z[1] > 0, -jnp.inf, 0.0)}, "log_weight: .*no finite gradient"),
    "an array": ({"log_weight": lambda q, z: z}, r"log_weight: .*shape \(3,\).*one number an event"),
    "a pair": ({"log_weight": lambda q, z: (z[0], z[1])}, "log_weight: it gives no array"),
    "a whole number": ({"log_weight": lambda q, z: jnp.argmax(z)}, "log_weight: it gives a number of type int"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_compared_is_told_in_words(name: str) -> None:
    odd, words = ODD[name]
    settings = {"q": Q, "log_weight": log_weight, "estimators": [Reinforce()], "n_draws": 100} | odd
    with pytest.raises(UsageError, match=words) as refusal:
        compare(jax.random.key(0), **settings)
    assert refusal.value.mend
