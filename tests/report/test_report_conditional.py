"""The sections that the page of a conditional model has beside those of all pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tacit.distributions.predictive import NormalMixturePrediction
from tacit.evaluation.result import Result
from tacit.report import Record, render
from tacit.report.words import headline
from tacit.workflow.prediction_pictures import density_record, fan_record
from tests.report.test_report_page import HOSTILE, Page


@pytest.fixture
def conditional(record: Record) -> Record:
    """The record of a conditional model of two branches; what only a mixture has is left out."""
    x = np.linspace(0.0, 1.0, 5)
    means = np.stack([x, 4.0 - x], axis=1)
    p = NormalMixturePrediction(np.zeros((5, 2)), means, np.full((5, 2), 0.2))
    figure = Result("on the rows set aside", -1.2, standard_error=0.1, n=5).to_dict()
    candidates: dict[str, Any] = {
        "varied": ["k"],
        "figure": "log-likelihood on the rows set aside",
        "table": [
            {"settings": {"k": k, "width": 8}, "label": f"k {k}", "figure": figure, "chosen": k == 2} for k in (2, 1)
        ],
    }
    kept: Any = {key: value for key, value in record.items() if key in ("title", "verdict", "heldout", "data", "k")}
    kept |= {
        "model": "conditional mixture",
        "targets": ["speed"],
        "covariates": ["flow", "site"],
        "n_members": 5,
        "candidates": candidates,
        "numbers": [Result("relaxed ELBO", -1.3, kind="lower bound", n=9).to_dict()],
        "prediction": {
            "target": "speed",
            "along": "flow",
            "others": {"site": "north"},
            "fan": fan_record(x, p, names=("flow", "speed"), seed=0),
            "density": density_record(x, p, names=("flow", "speed"), n_values=20, seed=0),
            "sampled": None,
        },
        "training": {"epoch": [1, 2, 3], "training": [-2.0, -1.0, None], "validation": [-2.1, -1.5, -1.4]},
    }
    whole: Record = kept
    return whole


def test_every_section_is_there_the_data_first(conditional: Record) -> None:
    html = render(conditional)
    page = Page(html)
    assert {"data", "candidates", "heldout", "prediction", "training"} <= page.ids
    assert html.index('id="data"') < html.index('id="candidates"') < html.index('id="heldout"')
    for words in ("relaxed ELBO", "lower bound", "branches", "north", "2 choices of settings"):
        assert words in page.text
    assert [tag for tag, _ in page.elements].count("img") >= 4
    assert all("alt" in attributes for tag, attributes in page.elements if tag == "img")


def test_the_headline_says_what_is_given_what(conditional: Record) -> None:
    assert headline(conditional).startswith(
        "The density of speed given flow and site, learned from table.csv (344 rows)"
    )
    assert "it never saw" in headline(conditional)
    conditional["judged_on"] = "other.csv"
    assert "rows of other.csv" in headline(conditional)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_cells_cannot_break_the_page(conditional: Record, text: str) -> None:
    conditional["targets"] = conditional["covariates"] = [text]
    conditional["prediction"]["along"] = conditional["prediction"]["target"] = text
    conditional["prediction"]["others"] = {text: text}
    conditional["prediction"]["fan"]["names"] = conditional["prediction"]["density"]["names"] = [text, text]
    page = Page(render(conditional))
    assert "script" not in page.tags


@pytest.mark.parametrize("section", ["candidates", "prediction", "training", "numbers"])
def test_any_section_may_be_absent(conditional: Record, section: str) -> None:
    conditional.pop(section)  # type: ignore[misc]
    page = Page(render(conditional))
    assert section == "numbers" or section not in page.ids
