"""How settings compete: by scouts among few rows, by shorter trainings among many."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from tacit.models import DiagonalFamily
from tacit.models.predictive import predictive
from tacit.networks import Fixed
from tacit.workflow import conditional_plan
from tacit.workflow.conditional_aside import Rows, set_aside
from tacit.workflow.conditional_members import Members, train_members
from tacit.workflow.conditional_plan import EPOCHS, MANY_ROWS, SHORTER, STEPS, Candidate, Plan
from tacit.workflow.conditional_search import MANY, SMALL, candidates_for

GOOD, HOPELESS = Candidate(k=2, width=8, floor=0.01, steps=64), Candidate(k=1, width=4, floor=20.0, steps=64)


def searched() -> Plan:
    few, many = candidates_for("small", Candidate(), latent="categorical")
    return Plan(candidates=few, of_many=many)


def test_steps_grow_with_many_rows_between_two_ends() -> None:
    found = {}
    for n in (20, MANY_ROWS - 1, MANY_ROWS, 8_611, 10_000_000):
        plan = searched().for_rows(n)
        (steps,) = {one.steps for one in plan.candidates}
        found[n] = plan.batch(n), steps
    assert found == {
        20: (20, STEPS[0]),
        MANY_ROWS - 1: (64, STEPS[0]),
        MANY_ROWS: (256, EPOCHS * 18),  # 4,500 of 5,000 rows are not set aside
        8_611: (256, EPOCHS * 31),
        10_000_000: (256, STEPS[1]),
    }
    given = Plan(candidates=(Candidate(steps=7),)).for_rows(10_000)
    assert given.candidates == (Candidate(steps=7),)


def test_other_candidates_compete_among_many_rows() -> None:
    plan = searched()
    assert len(plan.for_rows(MANY_ROWS - 1).candidates) == len(SMALL)
    assert len(plan.for_rows(MANY_ROWS).candidates) == len(MANY)
    assert {one.k for one in plan.for_rows(MANY_ROWS).candidates} == {one["k"] for one in MANY}
    alone = plan.only(GOOD).for_rows(MANY_ROWS)
    assert alone.candidates == (GOOD,)
    few, many = candidates_for(None, GOOD, latent="categorical")
    assert (few, many) == ((GOOD,), ())


def test_settings_that_are_given_do_not_compete_among_many_rows_either() -> None:
    free = ("noise", "target_noise", "weight_decay", "floor")
    for found in candidates_for("small", Candidate(k=2, width=16), free=free, latent="categorical"):
        assert {(one.k, one.width) for one in found} == {(2, 16)}
    _, many = candidates_for("small", Candidate(), free=(), latent="categorical", ks=(2, 4))
    assert [one.k for one in many] == [2, 4]


@pytest.fixture(scope="module")
def rows() -> Rows:
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 2))
    return Rows(x, x[:, :1] + 0.1 * random.normal(size=(120, 1)), random.uniform(0.5, 2.0, 120))


def trained(rows: Rows, plan: Plan) -> Members:
    def family(candidate: Candidate) -> Any:
        return DiagonalFamily(Fixed(jnp.asarray([candidate.floor], jnp.float32)))

    return train_members(rows, plan, family, key=jax.random.key(0))


@pytest.mark.parametrize("many", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_better_candidate_gets_a_whole_ensemble(many: bool, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    if many:
        monkeypatch.setattr(conditional_plan, "MANY_ROWS", 100)
    plan = Plan(candidates=(HOPELESS, GOOD), n_members=3, batch_size=32)
    members = trained(rows, plan)
    epochs = math.ceil(GOOD.steps / math.ceil(108 / 32))
    assert members.chosen == GOOD
    assert [one.candidate for one in members.judged] == [HOPELESS, GOOD]
    assert members.judged[1].figure.value > members.judged[0].figure.value + 1
    assert members.training.shape == (epochs, 3)
    assert np.isfinite(members.training).all()
    ended = members.judged[1]
    assert ended.epochs == (epochs,) * (3 if many else 2)
    assert len(ended.verdicts) == len(ended.epochs)
    first, *_ = jax.tree.leaves(members.models.features)
    assert first.shape[:2] == (3, 8)  # of three members, in arrays as wide as the chosen candidate is
    if many:  # the other was judged after the shorter training
        assert members.judged[0].epochs == (math.ceil(epochs / SHORTER),)


def test_scouts_are_judged_as_one_mixture_on_rows_that_none_of_them_saw(rows: Rows) -> None:
    plan = Plan(candidates=(HOPELESS, GOOD), n_members=3, batch_size=32)
    held, population = set_aside(rows, plan)
    assert np.array_equal(held[:, 0], held[:, 1])
    assert not np.any(held[:, 0] & held[:, 2])
    assert not np.intersect1d(population.rows[:2], np.flatnonzero(held[:, 0])).size
    members = trained(rows, plan)
    densities = []
    for scout in (0, 1):
        network = jax.tree.map(lambda a, m=scout: a[m], members.models)
        mixtures = [predictive(network, x, jax.random.key(0), 1) for x in rows.x[held[:, 0]].astype(np.float32)]
        weights = np.array([softmax(one.logits) for one in mixtures])
        loc = np.array([one.stack.loc[:, 0] for one in mixtures], float)
        scale = np.exp(np.array([one.stack.log_scale[:, 0] for one in mixtures], float))
        densities.append(np.sum(weights * stats.norm.pdf(rows.y[held[:, 0]], loc, scale), axis=1))
    figure = members.judged[1].figure
    expected = np.average(np.log(np.mean(densities, axis=0)), weights=rows.weight[held[:, 0]])
    assert figure.value == pytest.approx(expected, abs=2e-5)
    assert figure.n == held[:, 0].sum() == 12
