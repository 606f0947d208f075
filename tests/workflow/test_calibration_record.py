"""The section of the page from real figures: strict JSON, without points, and drawn."""

from __future__ import annotations

import json

import numpy as np

from tacit.distributions.predictive import NormalMixturePrediction
from tacit.evaluation.calibration import calibrate
from tacit.report import render
from tacit.workflow.calibration_record import calibration_record
from tacit.workflow.prediction_pictures import fan_record


def test_real_figures_become_a_section_of_the_page_that_holds_no_rows() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.normal(size=60))
    p = NormalMixturePrediction(np.zeros((60, 2)), np.stack([x, -x], axis=1), np.full((60, 2), 0.4))
    y = p.sample(1, rng)[:, 0]
    told = calibrate(p, y, units="kg", seed=0)
    record = calibration_record(told, target="mass", fan=fan_record(x, p, (x, y), seed=0))
    assert record["fan"]["points"] is None
    assert set(calibration_record(told, target="mass")) == set(record) - {"fan"}
    page = render({"calibration": json.loads(json.dumps(record, allow_nan=False))})
    assert told.verdict.text in page
    assert page.count("data:image/png") == 3
    one_group = calibrate(p, y, groups=np.zeros(60), seed=0)
    assert "cannot be judged" in render({"calibration": calibration_record(one_group, target="mass")})
