"""What is said of a fit, on fits made up for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tacit.data.encode import Rows, encode
from tacit.data.schema import Schema
from tacit.data.table import read_table
from tacit.distributions import MultivariateNormal, Product
from tacit.evaluation.result import Result
from tacit.evaluation.selection import Candidate, Selection
from tacit.inference import em
from tacit.inference.fit import Fit, Settings
from tacit.models import FiniteMixture
from tacit.workflow.estimate import estimate
from tacit.workflow.findings import fit_findings
from tacit.workflow.fit_table import FittedTable, Job
from tacit.workflow.json_values import as_json
from tacit.workflow.segments import adjusted_rand
from tacit.workflow.table_mixture import TableMixture

RNG = np.random.default_rng(0)
SCHEMA = Schema.infer(table := read_table({"x": RNG.normal(size=100), "y": RNG.normal(size=100)}))
ROWS = encode(SCHEMA, table)


def fit(**more: Any) -> Fit:
    raw = np.zeros((2, 2, 2))
    mixture = FiniteMixture.of(np.log([0.6, 0.4]), Product((MultivariateNormal(np.zeros((2, 2)), raw),)))
    usual: dict[str, Any] = {"log_likelihood": -250.0, "steps": 9, "status": em.CONVERGED, "drop": 0.0}
    return Fit(mixture, bounds=np.array([-2.6, -2.5]), precise=False, **{**usual, **more})


def fitted(kept: Fit, starts: list[Fit] | None = None, *, ks: tuple[int, ...] = (1, 2, 3), **more: Any) -> FittedTable:
    candidates = [Candidate(k, -250.0, 5 * k, 1.0, 1.0, 1.0, starts=starts or [kept]) for k in ks]
    gap = Result("mixture of 2 - one Gaussian", 1.0, standard_error=0.1)
    usual: dict[str, Any] = {
        "model": TableMixture(SCHEMA, kept.mixture),
        "fit": kept,
        "selection": Selection("density", "rule", candidates, 2, 2),
        "train": np.arange(80),
        "heldout": np.arange(80, 130),
        "figures": [Result("mixture of 2", -2.0), Result("one Gaussian", -3.0)],
        "differences": [gap],
        "agreement": 1.0,
        "refitted": True,
        "seconds": 1.0,
    }
    return FittedTable(**{**usual, **more})


def codes(result: FittedTable, job: Job | None = None, rows: Rows = ROWS) -> dict[str, str]:
    job = job or Job(ks=(1, 2, 3))
    return {finding.code: finding.severity for finding in fit_findings(result, job, rows)}


def test_a_sound_fit_has_no_findings() -> None:
    assert codes(fitted(fit())) == {}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"status": em.RUNNING}, "not-converged"),
        ({"drop": 0.5}, "decreased"),
        ({"status": em.NON_FINITE}, "non-finite"),
    ],
)
def test_how_em_ended(more: dict[str, Any], code: str) -> None:
    assert codes(fitted(fit(**more)))[code] == "warning"


def test_the_edge_of_the_range_and_components_that_were_not_tried() -> None:
    at_edge = fitted(fit(), ks=(1, 2))
    assert codes(at_edge, Job(ks=(1, 2))) == {"edge-of-range": "warning"}
    assert codes(at_edge, Job(ks=tuple(range(1, 90)))) == {"too-many-components": "note"}


def test_a_model_that_is_no_better_than_a_baseline() -> None:
    unclear = Result("mixture of 2 - one Gaussian", 0.1, standard_error=0.1)
    assert codes(fitted(fit(), differences=[unclear])) == {"no-better": "warning"}


def test_components_at_the_floor_and_of_few_rows() -> None:
    floor = SCHEMA["y"].floor / SCHEMA["y"].scale
    raw = np.zeros((2, 2, 2))
    raw[1, 1, 1] = np.log(floor)
    normal = MultivariateNormal(np.zeros((2, 2)), raw)
    mixture = FiniteMixture.of(np.log([0.99, 0.01]), Product((normal,)))
    found = fit_findings(fitted(replace(fit(), mixture=mixture)), Job(ks=(1, 2, 3)), ROWS)
    assert {finding.code: finding.column for finding in found} == {"variance-floor": "y", "small-component": None}
    assert "Component 2 " in found[0].message


def test_starts_that_disagree() -> None:
    starts = [fit(), fit(log_likelihood=-255.0), fit(status=em.NON_FINITE, log_likelihood=-np.inf, finished=False)]
    found = codes(fitted(starts[0], starts, agreement=0.4))
    assert found == {"starts-differ": "note", "collapsed-start": "note", "unstable-segments": "note"}
    assert codes(fitted(starts[0], agreement=0.4), Job(ks=(1, 2, 3), select="segments")) == {
        "unstable-segments": "warning"
    }


@pytest.mark.parametrize("seed", range(5))
def test_adjusted_rand_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    b = np.where(rng.random(60) < 0.5, a, b)
    assert adjusted_rand(a, b) == pytest.approx(adjusted_rand_score(a, b), rel=1e-12)
    assert adjusted_rand(a, (a + 1) % 4) == 1.0


def test_json_values_are_strict() -> None:
    values = {"a": np.float64("nan"), "b": (np.int64(2), -np.inf), "c": np.array([1.0, np.inf]), "d": True}
    assert as_json(values) == {"a": None, "b": [2, "-inf"], "c": [1.0, "inf"], "d": True}


def test_the_estimate_grows_with_the_work() -> None:
    def of(n: int, share: float = 0.0, **settings: Any) -> tuple[float, float]:
        random = np.random.default_rng(0)
        y = np.where(random.random((n, SCHEMA.layout.width)) < share, np.nan, 0.0)
        return estimate(SCHEMA, Rows(y, np.zeros(n), np.ones(n)), Job(ks=(2,), settings=Settings(**settings)))

    few, many, starts, holes = of(1000), of(200_000), of(200_000, n_starts=90), of(1000, share=0.3)
    assert few[0] < many[0] < starts[0]
    assert few[1] < many[1]
    assert few[0] < holes[0]
